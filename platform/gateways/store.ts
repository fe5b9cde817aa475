// Gateway instances as hosts report them: kept, told to those who watch, and every change of state is an entry in the
// audit log and, when it is for the worse, an alert that goes when it is over.
import type { Up } from '@wocloud/protocol/link.ts';
import type { GatewayReport } from '@wocloud/protocol/reports.ts';
import type { Alerts } from '../alerts/store.ts';
import type { Entry } from '../audit/chain.ts';
import type { Context } from '../context.ts';
import type { Metrics } from '../metrics/metrics.ts';

/** Writes an entry into the audit log, in the surrounding transaction. */
export type GatewayNotes = (entry: Entry) => Promise<void>;

export interface Gateways {
  /** All instances of a host, and the images it has. */
  report(
    host: { host: string; name: string },
    message: Pick<Extract<Up, { type: 'gateways' }>, 'gateways' | 'images'>,
  ): Promise<void>;
}

/** Entries of one host in the audit log within a minute; what is over is counted, and the next one says how many. */
export const NOTES_A_MINUTE = 60;
/** Counters of an instance that are kept. */
const MAX_COUNTERS = 64;

type State = GatewayReport['state'];
/** Which a host raises when Suricata refuses rules, and cannot take back. */
const RULES_REFUSED = 'gateway.rules';
/** States that need a person, and how much. */
const TROUBLE: Partial<Record<State, { kind: string; severity: 'high' | 'medium' }>> = {
  failed: { kind: 'gateway.failed', severity: 'high' },
  degraded: { kind: 'gateway.degraded', severity: 'medium' },
};

interface Change {
  id: string;
  from: State | null;
  to: State | null;
  report: GatewayReport;
}

/** What changed between two reports of a host. */
export function changesBetween(
  before: ReadonlyMap<string, GatewayReport>,
  after: ReadonlyMap<string, GatewayReport>,
): Change[] {
  const changes: Change[] = [];
  for (const [id, report] of after) {
    const from = before.get(id)?.state ?? null;
    if (from !== report.state) changes.push({ id, from, to: report.state, report });
  }
  for (const [id, report] of before)
    if (!after.has(id)) changes.push({ id, from: report.state, to: null, report });
  return changes;
}

export function openGateways(
  { db, signals, now }: Pick<Context, 'db' | 'signals' | 'now'>,
  { alerts, metrics, notes }: { alerts: Alerts; metrics: Metrics; notes: GatewayNotes },
): Gateways {
  const written = new Map<string, { minute: number; count: number; skipped: number }>();

  /** Whether one more entry of this host may be written now, and how many were not since the last. */
  const allowance = (host: string): { skipped: number } | undefined => {
    const minute = Math.floor(now().getTime() / 60_000);
    const known = written.get(host);
    const count = known?.minute === minute ? known.count : 0;
    const skipped = known?.skipped ?? 0;
    if (count >= NOTES_A_MINUTE) {
      metrics.gatewayNotesSkipped.inc();
      written.set(host, { minute, count, skipped: skipped + 1 });
      return undefined;
    }
    written.set(host, { minute, count: count + 1, skipped: 0 });
    return { skipped };
  };

  const note = async (
    { host, name }: { host: string; name: string },
    { id, from, to, report }: Change,
  ): Promise<void> => {
    const allowed = allowance(host);
    if (!allowed) return;
    const { form, image, reason, since } = report;
    await notes({
      at: now(),
      who: name,
      via: 'link',
      operation: 'gateway.state',
      object: `gateway/${name}/${id}`,
      tenant: null,
      outcome: to !== null && TROUBLE[to] ? 'failed' : 'allowed',
      status: 200,
      detail: {
        host,
        from: from ?? 'absent',
        to: to ?? 'absent',
        form,
        image,
        ...(to === null ? {} : { reason, since: new Date(since / 1000).toISOString() }),
        ...(allowed.skipped > 0 ? { skipped: allowed.skipped } : {}),
      },
    });
  };

  const alert = async (
    { host, name }: { host: string; name: string },
    { id, from, to, report }: Change,
  ): Promise<void> => {
    const [old, trouble] = [from === null ? undefined : TROUBLE[from], to === null ? undefined : TROUBLE[to]];
    if (old && old.kind !== trouble?.kind) await alerts.clear(old.kind, id, host);
    if (!trouble) return;
    await alerts.raise({
      kind: trouble.kind,
      key: id,
      severity: trouble.severity,
      title: `Gateway ${id} on ${name} ${to === 'failed' ? 'has failed' : 'is degraded'}: ${report.reason || 'no reason given'}`,
      vm: null,
      host,
      time: now().getTime() * 1000,
      count: 1,
      evidence: { from: from ?? 'absent', reason: report.reason, image: report.image, form: report.form },
    });
  };

  return {
    report: (peer, { gateways, images }) =>
      db.transaction(async () => {
        const { host } = peer;
        // The host's row before its instances, as forgetting a host does.
        const others = await db.query(
          'UPDATE hosts SET images = $2 WHERE id = $1 AND images IS DISTINCT FROM $2 RETURNING id',
          [host, [...new Set(images)].sort()],
        );
        if (others.length) signals.emit('host', { host });
        const rows = await db.query<{ id: string; report: GatewayReport }>(
          'SELECT id, report FROM gateway_instances WHERE host = $1 FOR UPDATE',
          [host],
        );
        const before = new Map(rows.map((row) => [row.id, row.report]));
        const after = new Map(gateways.map((report) => [report.id, bounded(report)]));
        await db.query(
          `INSERT INTO gateway_instances AS g (host, id, report)
           SELECT $1, r ->> 'id', r FROM jsonb_array_elements($2::jsonb) AS r
           ON CONFLICT (host, id) DO UPDATE SET report = excluded.report, at = now()`,
          [host, JSON.stringify([...after.values()])],
        );
        await db.query('DELETE FROM gateway_instances WHERE host = $1 AND id <> ALL ($2)', [
          host,
          [...after.keys()],
        ]);
        for (const change of changesBetween(before, after)) {
          await note(peer, change);
          await alert(peer, change);
        }
        for (const [id, { rulesError }] of before)
          if (rulesError !== '' && (after.get(id)?.rulesError ?? '') === '')
            await alerts.clear(RULES_REFUSED, id, host);
        const gone = [...before.keys()].filter((id) => !after.has(id));
        if (after.size > 0 || gone.length > 0) signals.emit('gateway', { host, gone });
      }),
  };
}

/** As much of a report as is kept. PostgreSQL knows no NUL. */
function bounded(report: GatewayReport): GatewayReport {
  const counters = Object.fromEntries(Object.entries(report.counters).slice(0, MAX_COUNTERS));
  return JSON.parse(
    JSON.stringify({ ...report, counters }, (_key, value: unknown) =>
      typeof value === 'string' ? value.replaceAll('\0', '\ufffd') : value,
    ),
  ) as GatewayReport;
}
