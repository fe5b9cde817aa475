// Operations on hosts. Only platform roles see hosts at all.
import type { Receipt } from '@wocloud/protocol/reports.ts';
import type { HostView } from '@wocloud/protocol/views.ts';
import type { Context } from '../context.ts';
import { notFound } from '../errors.ts';
import type { Handlers, Scope } from '../handler.ts';
import { cursorOf, pageOf } from '../http/paging.ts';
import { live } from './store.ts';

interface Row {
  id: string;
  name: string;
  is_live: boolean;
  since: Date | null;
  last_seen: Date | null;
  facts: HostView['facts'];
  vms: number;
  mode: HostView['mode'];
  desired: number;
  applied_generation: number;
  applied_at: Date | null;
  error: string;
  counters: Record<string, number>;
  resident_bytes: number | null;
  engine: string;
  images: string[];
}

const SELECT = `SELECT h.id, h.name, ${live('h')} AS is_live, h.since, h.last_seen, h.facts,
    (SELECT count(*) FROM vms v WHERE v.host = h.id AND v.gone_at IS NULL)::integer AS vms,
    coalesce(e.mode, 'observe') AS mode, coalesce(g.generation, 0) AS desired, h.applied_generation, h.applied_at,
    h.error, h.counters, h.resident_bytes, h.engine, h.images
  FROM hosts h LEFT JOIN enforcement e ON e.scope = 'host' AND e.name = h.id::text
    LEFT JOIN generations g ON g.host = h.id
  WHERE NOT h.forgotten`;

const view = (row: Row): HostView => ({
  id: row.id,
  name: row.name,
  state: row.is_live ? 'connected' : row.last_seen ? 'stale' : 'never',
  since: row.since?.toISOString() ?? null,
  lastSeen: row.last_seen?.toISOString() ?? null,
  facts: row.facts,
  vms: row.vms,
  mode: row.mode,
  generation: {
    desired: row.desired,
    applied: row.applied_generation,
    appliedAt: row.applied_at?.toISOString() ?? null,
    error: row.error,
  },
  counters: row.counters,
  residentBytes: row.resident_bytes,
  engine: row.engine,
  images: row.images,
});

/** A host by id or name; undefined when there is none, or the caller is not one to know. */
export async function readHost(
  { db }: Pick<Context, 'db'>,
  key: string,
  scope: Scope,
): Promise<HostView | undefined> {
  if (!scope.all) return undefined;
  const row = await db.one<Row>(
    `${SELECT} AND (h.id::text = $1 OR h.name = $1) ORDER BY h.id::text = $1 DESC`,
    [key],
  );
  return row && view(row);
}

/** Forgets a host: its certificates are refused from now on, its VMs are gone. */
export async function forgetHost({ db, signals }: Context, id: string): Promise<void> {
  await db.transaction(async () => {
    await db.query(
      `UPDATE hosts SET forgotten = true, keys = '{}', connected = false, since = now() WHERE id = $1`,
      [id],
    );
    await db.query(
      `UPDATE vms SET gone_at = now(), changed_at = now(), state = 'shutoff' WHERE host = $1 AND gone_at IS NULL`,
      [id],
    );
    await db.query('DELETE FROM vm_claims WHERE host = $1', [id]);
    await db.query('DELETE FROM gateway_instances WHERE host = $1', [id]);
    await db.query(
      `UPDATE alerts SET state = 'resolved', note = 'the host was forgotten' WHERE host = $1 AND state <> 'resolved'`,
      [id],
    );
    signals.emit('host', { host: id });
    signals.emit('inventory', { host: id, vms: null });
  });
}

export function handlers(
  context: Context,
): Pick<Handlers, 'hosts.list' | 'hosts.get' | 'hosts.delete' | 'hosts.receipts'> {
  const { db } = context;
  const found = async (key: string, scope: Scope): Promise<HostView> => {
    const host = await readHost(context, key, scope);
    if (!host) throw notFound('host', key);
    return host;
  };
  return {
    async 'hosts.list'({ query, caller: { scope } }) {
      const limit = query.limit ?? 100;
      const cursor = cursorOf(query.cursor, ['string', 'string']);
      if (!scope.all) return { items: [], next: null };
      const rows = await db.query<Row>(
        `${SELECT} AND ($1::text IS NULL OR (h.name, h.id::text) > ($1, $2))
           AND ($3::text IS NULL OR strpos(lower(h.name), lower($3)) > 0 OR h.id::text = $3)
         ORDER BY h.name, h.id::text LIMIT ${limit + 1}`,
        [cursor?.[0], cursor?.[1], query.q],
      );
      return pageOf(rows, limit, view, (row) => [row.name, row.id]);
    },

    'hosts.get': ({ params, caller: { scope } }) => found(params.id, scope),

    async 'hosts.delete'({ params, caller: { scope }, audit }) {
      const { id, name } = await found(params.id, scope);
      audit.object = `hosts/${id}`;
      audit.detail['name'] = name;
      await forgetHost(context, id);
      return null;
    },

    async 'hosts.receipts'({ params, query, caller: { scope } }) {
      const { id } = await found(params.id, scope);
      const limit = query.limit ?? 100;
      const cursor = cursorOf(query.cursor, ['number']);
      const rows = await db.query<Receipt & { id: number }>(
        `SELECT id, generation, result, digest, at, took, error, nics, signature FROM receipts
         WHERE host = $1 AND ($2::bigint IS NULL OR id < $2) ORDER BY id DESC LIMIT ${limit + 1}`,
        [id, cursor?.[0]],
      );
      return pageOf(
        rows,
        limit,
        ({ id: _, ...receipt }): Receipt => receipt,
        (row) => [row.id],
      );
    },
  };
}
