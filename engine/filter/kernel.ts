// Our tables in the kernel: transactions in, proof out. After each transaction what it touched is read back, so the
// digest is always of what stands; what others change is noticed by the generation number.
import { isAbsent, type Nft } from './nft.ts';
import { differences, digests, totalDigest } from './readback.ts';
import type { NftWatch } from './watch.ts';

export const TABLES = ['inet wocloud', 'netdev wocloud'] as const;

/** Reading many objects one by one costs more than reading the tables once. */
const MOST_SINGLE_READS = 40;

export class Kernel {
  readonly #nft: Nft;
  readonly #watch: NftWatch;
  #blocks = new Map<string, string>();
  /** nftables generations that our own transactions made, lately. */
  readonly #own = new Set<number>();

  constructor(nft: Nft, watch: NftWatch) {
    this.#nft = nft;
    this.#watch = watch;
  }

  /** Digests of what stands, by object. */
  get blocks(): ReadonlyMap<string, string> {
    return this.#blocks;
  }
  get digest(): string {
    return totalDigest(this.#blocks);
  }

  isOwn(generation: number): boolean {
    return this.#own.has(generation);
  }

  /** What stands now, read from the kernel; the digests are kept as the known state. */
  async read(): Promise<ReadonlyMap<string, string>> {
    this.#blocks = await this.#readAll();
    return this.#blocks;
  }

  /** Keys of objects that are not as we left them. Changes nothing. */
  async drift(): Promise<string[]> {
    return differences(this.#blocks, await this.#readAll());
  }

  /** Runs one transaction and reads back what it touched. Throws NftError when the kernel refuses: nothing changed then. */
  async apply(commands: string): Promise<void> {
    const before = this.#watch.generation();
    await this.#nft.apply(commands);
    const after = this.#watch.generation();
    if (after === before + 1) this.#remember(after);
    const keys = touched(commands);
    // Someone else's transaction came in between: then it is not known what is whose.
    if (after !== before + 1 || keys === undefined || keys.size > MOST_SINGLE_READS) {
      this.#blocks = await this.#readAll();
      return;
    }
    for (const key of keys) {
      const digest = await this.#readOne(key);
      if (digest === undefined) this.#blocks.delete(key);
      else this.#blocks.set(key, digest);
    }
  }

  #remember(generation: number): void {
    this.#own.add(generation);
    for (const old of this.#own) {
      if (this.#own.size <= 256) break;
      this.#own.delete(old);
    }
  }

  async #readAll(): Promise<Map<string, string>> {
    const result = new Map<string, string>();
    for (const table of TABLES) {
      try {
        for (const [key, digest] of digests(await this.#nft.list(`list table ${table}`)))
          result.set(key, digest);
      } catch (error) {
        if (!isAbsent(error)) throw error;
      }
    }
    return result;
  }

  async #readOne(key: string): Promise<string | undefined> {
    const [family, table, kind, name] = key.split(' ');
    try {
      return digests(await this.#nft.list(`list ${kind} ${family} ${table} ${name}`)).get(key);
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw error;
    }
  }
}

const COMMAND =
  /^\s*(?:add|create|insert|delete|destroy|flush|replace) (chain|rule|set|map|element) (inet|netdev) (\S+) (\S+)/;

/** Objects that a buffer of single-line commands touches; undefined when it is not only made of those. */
export function touched(commands: string): Set<string> | undefined {
  const keys = new Set<string>();
  for (const line of commands.split('\n')) {
    if (/^\s*(#.*)?$/.test(line)) continue;
    const found = COMMAND.exec(line);
    if (!found) return undefined;
    const [, kind, family, table, name = ''] = found;
    // An element's command does not say whether its set is a map; both are tried, the absent one is not there.
    const kinds = kind === 'rule' ? ['chain'] : kind === 'element' ? ['set', 'map'] : [kind];
    for (const k of kinds) keys.add(`${family} ${table} ${k} ${name.replace(/[;{].*$/, '')}`);
  }
  return keys;
}
