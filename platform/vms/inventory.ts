// Inventory: what hosts report, in one transaction per report and only where something changed. A host's report
// touches the VMs of that host; one that another host runs is kept aside as a claim (ownership.ts).
import type { ObservedVm } from '@wocloud/protocol/reports.ts';
import type { Context } from '../context.ts';
import { live } from '../hosts/store.ts';
import { isActive, ownership, type Owner } from './ownership.ts';
import { canonical, sameReport } from './report.ts';
import { readReports, writeReports } from './rows.ts';

type Stores = Pick<Context, 'db' | 'signals' | 'log'>;

export interface Outcome {
  /** VMs whose row changed. */
  changed: string[];
  /** VMs taken from a host that has gone silent. */
  seized: { vm: string; from: string }[];
  /** NICs left out because their VM has another with the same MAC. */
  droppedNics: number;
}

/** All VMs of a host: those it no longer mentions are gone. */
export function reportAll(context: Stores, host: string, vms: readonly ObservedVm[]): Promise<Outcome> {
  return report(context, host, vms, 'all');
}

/** One VM, new or changed. */
export function reportOne(context: Stores, host: string, vm: ObservedVm): Promise<Outcome> {
  return report(context, host, [vm], 'one');
}

/** The host no longer has this VM. Another host's claim to it, if there is one, takes effect. */
export async function reportGone(context: Stores, host: string, vm: string): Promise<Outcome> {
  return tell(context, host, () => release(context, host, [vm]));
}

async function report(
  context: Stores,
  host: string,
  vms: readonly ObservedVm[],
  what: 'all' | 'one',
): Promise<Outcome> {
  const reports = new Map<string, ObservedVm>();
  let droppedNics = 0;
  for (const vm of vms) {
    const { vm: kept, dropped } = canonical(vm);
    reports.set(kept.id, kept);
    droppedNics += dropped;
  }
  const outcome = await tell(context, host, async () => {
    const { db } = context;
    const known = await readOwners(context, host, [...reports.keys()], what === 'all');
    const accepted: ObservedVm[] = [];
    const seized: Outcome['seized'] = [];
    const waiting: ObservedVm[] = [];
    for (const vm of reports.values()) {
      const owner = known.get(vm.id);
      const decision = ownership(owner, { host, state: vm.state });
      if (decision === 'wait') waiting.push(vm);
      else accepted.push(vm);
      if (decision === 'seize' && owner) seized.push({ vm: vm.id, from: owner.host });
    }
    const stored = await readReports(
      db,
      accepted.filter((vm) => known.get(vm.id)?.host === host && !known.get(vm.id)?.gone).map((vm) => vm.id),
    );
    const changed = accepted.filter((vm) => {
      const before = stored.get(vm.id);
      return !before || !sameReport(before, vm);
    });
    await writeReports(db, host, changed);
    await keepClaims(context, host, waiting, what === 'all');
    const missing =
      what === 'all'
        ? [...known].filter(([id, o]) => o.host === host && !o.gone && !reports.has(id)).map(([id]) => id)
        : [];
    const gone = await release(context, host, missing);
    // A VM that stopped here may be one that another host says it runs now.
    const stopped = changed.filter((vm) => !isActive(vm.state)).map((vm) => vm.id);
    const moved = await applyClaims(context, stopped);
    return {
      changed: [...changed.map((vm) => vm.id), ...gone.changed, ...moved],
      seized,
      droppedNics: 0,
    };
  });
  return { ...outcome, droppedNics };
}

/** Runs `work` in a transaction and signals what changed once it is committed. */
async function tell(context: Stores, host: string, work: () => Promise<Outcome>): Promise<Outcome> {
  const { db, signals } = context;
  return db.transaction(async () => {
    const outcome = await work();
    const changed = [...new Set(outcome.changed)];
    if (changed.length) signals.emit('inventory', { host, vms: changed.length > 100 ? null : changed });
    return { ...outcome, changed };
  });
}

async function readOwners(
  { db }: Stores,
  host: string,
  ids: readonly string[],
  all: boolean,
): Promise<Map<string, Owner>> {
  const rows = await db.query<Owner & { id: string }>(
    `SELECT v.id, v.host, ${live('h')} AS live, v.state, v.gone_at IS NOT NULL AS gone,
            extract(epoch FROM clock_timestamp() - v.changed_at)::float AS age
     FROM vms v JOIN hosts h ON h.id = v.host
     WHERE v.id = ANY($1::uuid[]) OR ($3 AND v.host = $2)
     ORDER BY v.id FOR UPDATE OF v`,
    [ids, host, all],
  );
  return new Map(rows.map((row) => [row.id, row]));
}

async function release(context: Stores, host: string, ids: readonly string[]): Promise<Outcome> {
  const { db } = context;
  if (!ids.length) return { changed: [], seized: [], droppedNics: 0 };
  await db.query('DELETE FROM vm_claims WHERE host = $1 AND vm = ANY($2::uuid[])', [host, ids]);
  const gone = await db.query<{ id: string }>(
    `UPDATE vms SET gone_at = now(), changed_at = clock_timestamp(), state = 'shutoff'
     WHERE host = $1 AND id = ANY($2::uuid[]) AND gone_at IS NULL RETURNING id`,
    [host, ids],
  );
  const changed = gone.map((row) => row.id);
  await applyClaims(context, changed);
  return { changed, seized: [], droppedNics: 0 };
}

async function keepClaims(
  { db }: Stores,
  host: string,
  waiting: readonly ObservedVm[],
  all: boolean,
): Promise<void> {
  const ids = waiting.map((vm) => vm.id);
  if (all) await db.query('DELETE FROM vm_claims WHERE host = $1 AND NOT vm = ANY($2::uuid[])', [host, ids]);
  if (waiting.length)
    await db.query(
      `INSERT INTO vm_claims (vm, host, report)
       SELECT (r ->> 'id')::uuid, $1, r FROM jsonb_array_elements($2::jsonb) AS r
       ON CONFLICT (vm, host) DO UPDATE SET report = excluded.report,
         at = CASE WHEN vm_claims.report ->> 'state' = excluded.report ->> 'state' THEN vm_claims.at ELSE now() END`,
      [host, JSON.stringify(waiting)],
    );
}

/** These VMs were let go of by their owner: the newest claim by a host that runs one takes it. */
async function applyClaims({ db }: Stores, ids: readonly string[]): Promise<string[]> {
  if (!ids.length) return [];
  const claims = await db.query<{ vm: string; host: string; report: ObservedVm }>(
    `SELECT DISTINCT ON (c.vm) c.vm, c.host, c.report FROM vm_claims c JOIN hosts h ON h.id = c.host
     WHERE c.vm = ANY($1::uuid[]) AND ${live('h')} AND c.report ->> 'state' IN ('running', 'blocked')
     ORDER BY c.vm, c.at DESC`,
    [ids],
  );
  for (const claim of claims) {
    await writeReports(db, claim.host, [claim.report]);
    await db.query('DELETE FROM vm_claims WHERE vm = $1 AND host = $2', [claim.vm, claim.host]);
  }
  return claims.map((claim) => claim.vm);
}
