// Operations on alerts: a tenant sees those about its VMs, a member those about the VMs granted to them.
import type { Alert } from '@wocloud/protocol/views.ts';
import type { Context } from '../context.ts';
import { PlatformError, notFound } from '../errors.ts';
import type { Handlers, Scope } from '../handler.ts';
import { cursorOf, pageOf } from '../http/paging.ts';
import { findVm, visible, type Directory } from '../vms/directory.ts';

interface Row {
  id: string;
  kind: string;
  severity: Alert['severity'];
  title: string;
  state: Alert['state'];
  count: number;
  first_seen: Date;
  last_seen: Date;
  last_text: string;
  rank: number;
  host: string | null;
  vm: string | null;
  evidence: Record<string, unknown>;
  note: string;
  handled_by: string | null;
}

const RANK = `array_position(ARRAY['info', 'low', 'medium', 'high', 'critical'], severity)`;
const COLUMNS = `id, kind, severity, title, state, count, first_seen, last_seen, last_seen::text AS last_text,
  ${RANK} AS rank, host, vm, evidence, note, handled_by`;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Ids of VMs whose alerts a caller may see; null: all alerts, those about no VM as well. */
function seenVms(scope: Scope, directory: Directory): string[] | null {
  if (scope.all) return null;
  return [...directory.all()].filter((vm) => visible(scope, vm)).map((vm) => vm.id);
}

function view(row: Row, directory: Directory): Alert {
  const vm = row.vm === null ? undefined : directory.vm(row.vm);
  return {
    id: row.id,
    kind: row.kind,
    severity: row.severity,
    title: row.title,
    state: row.state,
    count: row.count,
    firstSeen: row.first_seen.toISOString(),
    lastSeen: row.last_seen.toISOString(),
    host: row.host,
    hostName: row.host === null ? null : (directory.hostName(row.host) ?? null),
    vm: row.vm,
    vmName: vm?.name ?? null,
    tenant: vm?.tenant ?? null,
    evidence: row.evidence,
    note: row.note,
    handledBy: row.handled_by,
  };
}

/** An alert as this caller may see it; undefined when it is not theirs. */
export async function readAlert(
  { db }: Pick<Context, 'db'>,
  directory: Directory,
  id: string,
  scope: Scope,
): Promise<Alert | undefined> {
  if (!UUID.test(id)) return undefined;
  const row = await db.one<Row>(`SELECT ${COLUMNS} FROM alerts WHERE id = $1`, [id]);
  if (!row) return undefined;
  const vm = row.vm === null ? undefined : directory.vm(row.vm);
  if (!scope.all && !(vm && visible(scope, vm))) return undefined;
  return view(row, directory);
}

export function handlers(
  context: Context,
  { directory }: { directory: Directory },
): Pick<Handlers, 'alerts.list' | 'alerts.get' | 'alerts.update'> {
  const { db, signals } = context;
  return {
    async 'alerts.list'({ query, caller: { scope } }) {
      const limit = query.limit ?? 100;
      const cursor = cursorOf(query.cursor, ['number', 'string', 'string']);
      const allowed = seenVms(scope, directory);
      let vms = allowed;
      if (query.vm !== undefined) {
        const vm = findVm(directory, query.vm, scope);
        if (!vm) throw notFound('VM', query.vm);
        vms = [vm.id];
      }
      if (query.tenant !== undefined)
        vms = [...directory.all()]
          .filter((vm) => vm.tenant === query.tenant && (vms === null || vms.includes(vm.id)))
          .map((vm) => vm.id);
      const rows = await db.query<Row>(
        `SELECT ${COLUMNS} FROM alerts
         WHERE ($1::uuid[] IS NULL OR vm = ANY ($1)) AND ($2::text IS NULL OR state = $2)
           AND ($3::text IS NULL OR kind = $3 OR kind LIKE replace($3, '*', '%'))
           AND ($4::text IS NULL OR strpos(lower(title), lower($4)) > 0 OR strpos(kind, lower($4)) > 0)
           AND ($5::integer IS NULL OR (${RANK}, last_seen, id) < ($5, $6::timestamptz, $7::uuid))
         ORDER BY ${RANK} DESC, last_seen DESC, id DESC LIMIT ${limit + 1}`,
        [vms, query.state, query.kind, query.q, cursor?.[0], cursor?.[1], cursor?.[2]],
      );
      return pageOf(
        rows,
        limit,
        (row) => view(row, directory),
        (row) => [row.rank, row.last_text, row.id],
      );
    },

    async 'alerts.get'({ params, caller: { scope } }) {
      const alert = await readAlert(context, directory, params.id, scope);
      if (!alert) throw notFound('alert', params.id);
      return alert;
    },

    async 'alerts.update'({ params, body, caller, audit }) {
      const before = await readAlert(context, directory, params.id, caller.scope);
      if (!before) throw notFound('alert', params.id);
      audit.object = `alerts/${before.id}`;
      audit.tenant = before.tenant;
      Object.assign(audit.detail, { kind: before.kind, from: before.state, to: body.state });
      // Only one alert of a kind and key is not resolved: reopening gives way to the one that opened since.
      const rows = await db.query(
        `UPDATE alerts a SET state = $2, note = coalesce($3, note), handled_by = $4 WHERE id = $1
           AND ($2 = 'resolved' OR NOT EXISTS (SELECT 1 FROM alerts b WHERE b.id <> a.id AND b.kind = a.kind
             AND b.key = a.key AND b.host IS NOT DISTINCT FROM a.host AND b.state <> 'resolved'))
         RETURNING id`,
        [before.id, body.state, body.note, caller.user.name],
      );
      if (!rows.length)
        throw new PlatformError(
          'conflict',
          'The same alert has opened again since: handle that one (alerts.list with state=open).',
        );
      signals.emit('alert', { id: before.id });
      const after = await readAlert(context, directory, before.id, caller.scope);
      if (!after) throw notFound('alert', params.id);
      return after;
    },
  };
}
