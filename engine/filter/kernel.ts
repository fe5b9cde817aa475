// Our tables in the kernel: transactions in, proof out. After each transaction what it touched is read back, so the
// digest is always of what stands; what others change is noticed by the generation number.
import type { Existing } from '@wocloud/policy/render/script.ts';
import { TABLES, type TableId } from '@wocloud/policy/render/names.ts';
import { isAbsent, type Nft } from './nft.ts';
import { differences, readBlocks, totalDigest, type Block, type Blocks } from './readback.ts';
import type { NftWatch } from './watch.ts';

/** Reading many objects one by one costs more than reading the tables once. */
const MOST_SINGLE_READS = 60;

export class Kernel {
  readonly #nft: Nft;
  readonly #watch: NftWatch;
  #blocks = new Map<string, Block>();
  /** nftables generations that our own transactions made, lately. */
  readonly #own = new Set<number>();

  constructor(nft: Nft, watch: NftWatch) {
    this.#nft = nft;
    this.#watch = watch;
  }

  /** What stands, as it was last read. */
  get blocks(): Blocks {
    return this.#blocks;
  }
  get digest(): string {
    return totalDigest(this.#blocks);
  }

  isOwn(generation: number): boolean {
    return this.#own.has(generation);
  }

  /** Reads what stands now, and takes it as the known state. */
  async read(): Promise<Blocks> {
    this.#blocks = await this.#readAll();
    return this.#blocks;
  }

  /** Keys of objects that are not as we left them. Changes nothing. */
  async drift(): Promise<string[]> {
    return differences(this.#blocks, await this.#readAll());
  }

  /** An object the kernel itself has taken away, with the device it was bound to. */
  forget(key: string): void {
    this.#blocks.delete(key);
  }

  /** Names that stand, per table of ours that is there. */
  existing(): Map<TableId, Existing> {
    const result = new Map<TableId, Existing>();
    for (const id of TABLES) {
      const names = (kind: string) =>
        [...this.#blocks.keys()].flatMap((key) =>
          key.startsWith(`${id} ${kind} `) ? [key.slice(id.length + kind.length + 2)] : [],
        );
      const found = {
        chains: names('chain'),
        sets: names('set'),
        maps: names('map'),
        counters: names('counter'),
      };
      if (Object.values(found).some((list) => list.length > 0)) result.set(id, found);
    }
    return result;
  }

  /**
   * Runs one transaction and reads back what it touched: those keys, or undefined for everything. Throws NftError
   * when the kernel refuses: nothing has changed then.
   */
  async apply(commands: string): Promise<ReadonlySet<string> | undefined> {
    const before = this.#watch.generation();
    await this.#nft.apply(commands);
    const after = this.#watch.generation();
    if (after === before + 1) this.#remember(after);
    const keys = touched(commands);
    // Someone else's transaction came in between: then it is not known what is whose.
    if (after !== before + 1 || keys === undefined || keys.size > MOST_SINGLE_READS) {
      this.#blocks = await this.#readAll();
      return undefined;
    }
    for (const key of keys) {
      const block = await this.#readOne(key);
      if (block === undefined) this.#blocks.delete(key);
      else this.#blocks.set(key, block);
    }
    return keys;
  }

  #remember(generation: number): void {
    this.#own.add(generation);
    for (const old of this.#own) {
      if (this.#own.size <= 256) break;
      this.#own.delete(old);
    }
  }

  async #readAll(): Promise<Map<string, Block>> {
    const result = new Map<string, Block>();
    for (const table of TABLES)
      try {
        for (const [key, block] of readBlocks(await this.#nft.list(`list table ${table}`)))
          result.set(key, block);
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    return result;
  }

  async #readOne(key: string): Promise<Block | undefined> {
    const [family, table, kind, name] = key.split(' ');
    try {
      return readBlocks(await this.#nft.list(`list ${kind} ${family} ${table} ${name}`)).get(key);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }
}

const COMMAND =
  /^(?:add|create|insert|delete|destroy|flush|replace) (chain|rule|set|map|element|counter) (inet|netdev|bridge) (\S+) (\S+)/;

/** Objects that a script of single-line commands touches; undefined when it is not only made of those. */
export function touched(commands: string): Set<string> | undefined {
  const keys = new Set<string>();
  for (const line of commands.split('\n')) {
    if (line === '') continue;
    const found = COMMAND.exec(line);
    if (!found) return undefined;
    const [, kind = '', family, table, name = ''] = found;
    // An element's or flush's command does not say whether its set is a map; both are tried, one is not there.
    const kinds =
      kind === 'rule' ? ['chain'] : kind === 'element' || kind === 'set' ? ['set', 'map'] : [kind];
    for (const k of kinds) keys.add(`${family} ${table} ${k} ${name}`);
  }
  return keys;
}
