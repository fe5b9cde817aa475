// Our tables in the kernel: transactions in, proof out. After each transaction what it touched is read back, so the
// digest is always of what stands; what others change is noticed by the generation number.
import type { Existing } from '@wocloud/policy/render/script.ts';
import { TABLES, type TableId } from '@wocloud/policy/render/names.ts';
import type { Nft } from './nft.ts';
import { differences, totalDigest, type Block, type Blocks } from './readback.ts';
import { TableReader, type Wanted } from './table-reader.ts';
import type { NftWatch } from './watch.ts';

export class Kernel {
  readonly #nft: Nft;
  readonly #watch: NftWatch;
  readonly #reader = new TableReader();
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

  /** These generations are of another part of this engine. */
  own(generations: readonly number[]): void {
    for (const generation of generations) this.#remember(generation);
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

  /** Which of these objects are not there; they are known as gone from now on. Those that are keep what is known. */
  async forgetAbsent(keys: ReadonlySet<string>): Promise<Set<string>> {
    const there = await this.#readThese(keys);
    const gone = new Set([...keys].filter((key) => !there.has(key)));
    for (const key of gone) this.#blocks.delete(key);
    return gone;
  }

  /** Names that stand, per table of ours that is there. */
  existing(): Map<TableId, Existing> {
    const result = new Map<TableId, Existing>();
    for (const id of TABLES) {
      const names = (kind: string): string[] => {
        const prefix = `${id} ${kind} `;
        return [...this.#blocks.keys()].flatMap((key) =>
          key.startsWith(prefix) ? [key.slice(prefix.length)] : [],
        );
      };
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
    if (after !== before + 1 || keys === undefined) {
      this.#blocks = await this.#readAll();
      return undefined;
    }
    await this.#readAgain(keys);
    return keys;
  }

  close(): void {
    this.#reader.close();
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
      for (const [key, block] of await this.#reader.read(table)) result.set(key, block);
    return result;
  }

  async #readAgain(keys: ReadonlySet<string>): Promise<void> {
    const fresh = await this.#readThese(keys);
    for (const key of keys) {
      const block = fresh.get(key);
      if (block) this.#blocks.set(key, block);
      else this.#blocks.delete(key);
    }
  }

  async #readThese(keys: ReadonlySet<string>): Promise<Map<string, Block>> {
    const found = new Map<string, Block>();
    for (const table of TABLES) {
      const wanted = wantedOf(table, keys);
      if (wanted) for (const [key, block] of await this.#reader.read(table, wanted)) found.set(key, block);
    }
    return found;
  }
}

/** What of a table these keys name; undefined for nothing. */
function wantedOf(table: string, keys: ReadonlySet<string>): Wanted | undefined {
  const wanted = { chains: new Set<string>(), sets: new Set<string>(), counters: new Set<string>() };
  const into: Record<string, Set<string>> = {
    chain: wanted.chains,
    set: wanted.sets,
    map: wanted.sets,
    counter: wanted.counters,
  };
  let any = false;
  for (const key of keys) {
    if (!key.startsWith(`${table} `)) continue;
    const [, , kind = '', name = ''] = key.split(' ');
    into[kind]?.add(name);
    any = true;
  }
  return any ? wanted : undefined;
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
    // An element's or flush's command does not say whether its set is a map; one of the two is not there.
    const kinds =
      kind === 'rule' ? ['chain'] : kind === 'element' || kind === 'set' ? ['set', 'map'] : [kind];
    for (const k of kinds) keys.add(`${family} ${table} ${k} ${name}`);
  }
  return keys;
}
