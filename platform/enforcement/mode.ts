// Observe or enforce: what was said about the VM counts before its tenant's, the tenant's before its host's.
import type { VmView } from '@wocloud/protocol/views.ts';
import type { Database } from '../database/database.ts';

export type Mode = VmView['mode'];
export type ModeFrom = VmView['modeFrom'];
export interface Placed {
  id: string;
  tenant: string | null;
  host: string;
}

export class Enforcement {
  readonly #modes: ReadonlyMap<string, Mode>;
  constructor(rows: Iterable<{ scope: string; name: string; mode: Mode }>) {
    this.#modes = new Map([...rows].map((r) => [`${r.scope} ${r.name}`, r.mode]));
  }
  /** What holds for a VM, and who said so. Nothing said: observe. */
  of({ id, tenant, host }: Placed): { mode: Mode; modeFrom: ModeFrom } {
    const said = (modeFrom: ModeFrom, name: string | null) => {
      const mode = name === null ? undefined : this.#modes.get(`${modeFrom} ${name}`);
      return mode && { mode, modeFrom };
    };
    return (
      said('vm', id) ??
      said('tenant', tenant) ??
      said('host', host) ?? { mode: 'observe', modeFrom: 'default' }
    );
  }
  /** What was said about a host itself. */
  ofHost(host: string): Mode {
    return this.#modes.get(`host ${host}`) ?? 'observe';
  }
}

export async function readEnforcement(db: Database): Promise<Enforcement> {
  return new Enforcement(
    await db.query<{ scope: string; name: string; mode: Mode }>('SELECT scope, name, mode FROM enforcement'),
  );
}
