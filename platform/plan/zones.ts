// Conntrack zones: a number per network and host that never changes, so that connections survive our restarts.
import type { Database } from '../database/database.ts';

export const MAX_ZONE = 65_535;

/**
 * The zone for a network new to a host: the one it has on other hosts when that is free here (a migrating VM's
 * connections keep their zone), else one that no network has anywhere, else any free one.
 */
export function chooseZone(
  used: ReadonlySet<number>,
  elsewhere: Iterable<number>,
  everywhere: ReadonlySet<number>,
): number | undefined {
  for (const zone of elsewhere) if (!used.has(zone)) return zone;
  for (let zone = 1; zone <= MAX_ZONE; zone++) if (!everywhere.has(zone)) return zone;
  for (let zone = 1; zone <= MAX_ZONE; zone++) if (!used.has(zone)) return zone;
  return undefined;
}

export class Zones {
  /** Host → network → zone. */
  #zones = new Map<string, Map<string, number>>();

  async load(db: Database): Promise<void> {
    const rows = await db.query<{ host: string; network: string; zone: number }>(
      'SELECT host, network, zone FROM zones',
    );
    this.#zones = new Map();
    for (const { host, network, zone } of rows) this.#put(host, network, zone);
  }

  of(host: string, network: string): number | undefined {
    return this.#zones.get(host)?.get(network);
  }

  /** The zone of a network on a host, given and stored now when it has none. */
  async give(db: Database, host: string, network: string): Promise<number> {
    const known = this.of(host, network);
    if (known !== undefined) return known;
    const here = new Set(this.#zones.get(host)?.values());
    const all = [...this.#zones.values()];
    const elsewhere = all.flatMap((networks) => networks.get(network) ?? []);
    const zone = chooseZone(here, elsewhere, new Set(all.flatMap((networks) => [...networks.values()])));
    if (zone === undefined) throw new Error(`host ${host} has more than ${MAX_ZONE} networks`);
    await db.query('INSERT INTO zones (host, network, zone) VALUES ($1, $2, $3)', [host, network, zone]);
    this.#put(host, network, zone);
    return zone;
  }

  #put(host: string, network: string, zone: number): void {
    const networks = this.#zones.get(host) ?? new Map<string, number>();
    this.#zones.set(host, networks.set(network, zone));
  }
}
