// Which addresses each MAC has, from every source that told, most trusted first; what is not confirmed again expires.
import type { ObservedAddress } from '@wocloud/protocol/reports.ts';
import { isHostAddress, normalAddress } from './address.ts';

type Source = ObservedAddress['source'];

/** First wins where several sources know one address. */
const TRUST: readonly Source[] = ['metadata', 'lease', 'agent', 'snooped'];
const MAX_PER_MAC = 64;

interface Entry {
  /** When each source's word ends, ms of the monotonic clock. */
  until: Map<Source, number>;
}

export class AddressBook {
  readonly #macs = new Map<string, Map<string, Entry>>();
  readonly #now: () => number;
  /** Addresses not kept because one MAC had too many: a forger, or a router. */
  overflows = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Adds or confirms one address for `ttlMs`; true when the MAC's list of addresses or sources has changed by it. */
  learn(mac: string, ip: string, source: Source, ttlMs: number): boolean {
    const address = normalAddress(ip);
    if (!isHostAddress(address)) return false;
    let entries = this.#macs.get(mac);
    if (!entries) this.#macs.set(mac, (entries = new Map()));
    let entry = entries.get(address);
    if (!entry) {
      if (entries.size >= MAX_PER_MAC) {
        this.overflows++;
        return false;
      }
      entries.set(address, (entry = { until: new Map() }));
    }
    const before = best(entry);
    entry.until.set(source, this.#now() + ttlMs);
    return best(entry) !== before;
  }

  /** All that one source says of one MAC at this moment; what it said before and no longer says ends. True on change. */
  replace(mac: string, ips: readonly string[], source: Source, ttlMs: number): boolean {
    let changed = false;
    const said = new Set(ips.map(normalAddress));
    for (const [ip, entry] of this.#macs.get(mac) ?? [])
      if (!said.has(ip) && entry.until.has(source)) changed = this.#end(mac, ip, source) || changed;
    for (const ip of said) changed = this.learn(mac, ip, source, ttlMs) || changed;
    return changed;
  }

  /** Addresses of a MAC, sorted, each with its most trusted source. */
  of(mac: string): ObservedAddress[] {
    const list: ObservedAddress[] = [];
    for (const [ip, entry] of this.#macs.get(mac) ?? []) {
      const source = best(entry);
      if (source) list.push({ ip, source });
    }
    return list.sort((a, b) => (a.ip < b.ip ? -1 : 1));
  }

  /** Drops what has expired; the MACs whose list has changed by it. */
  expire(): string[] {
    const changed = new Set<string>();
    const now = this.#now();
    for (const [mac, entries] of this.#macs)
      for (const [ip, entry] of entries)
        for (const [source, until] of entry.until)
          if (until <= now && this.#end(mac, ip, source)) changed.add(mac);
    return [...changed];
  }

  /** Forgets MACs that no NIC has any more. */
  keepOnly(macs: ReadonlySet<string>): void {
    for (const mac of this.#macs.keys()) if (!macs.has(mac)) this.#macs.delete(mac);
  }

  #end(mac: string, ip: string, source: Source): boolean {
    const entries = this.#macs.get(mac);
    const entry = entries?.get(ip);
    if (!entries || !entry) return false;
    const before = best(entry);
    entry.until.delete(source);
    if (entry.until.size === 0) entries.delete(ip);
    if (entries.size === 0) this.#macs.delete(mac);
    return best(entry) !== before;
  }
}

const best = (entry: Entry): Source | undefined => TRUST.find((source) => entry.until.has(source));
