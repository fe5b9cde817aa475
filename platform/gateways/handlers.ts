// Operations on gateway instances. Only platform roles see them.
import type { GatewayReport } from '@wocloud/protocol/reports.ts';
import type { GatewayView } from '@wocloud/protocol/views.ts';
import type { Context } from '../context.ts';
import type { Database } from '../database/database.ts';
import { notFound } from '../errors.ts';
import type { Handlers } from '../handler.ts';
import { readHost } from '../hosts/handlers.ts';
import { live } from '../hosts/store.ts';

const numberOf = (id: string) => Number(/\/(\d+)$/.exec(id)?.[1] ?? 0);

/** Instances on these hosts (all, when none are named), by host, gateway and number. */
export async function readInstances(
  db: Database,
  { hosts, gateway }: { hosts?: readonly string[]; gateway?: string | undefined },
): Promise<GatewayView[]> {
  const rows = await db.query<{
    host: string;
    name: string;
    report: GatewayReport;
    at: Date;
    is_live: boolean;
  }>(
    `SELECT g.host, h.name, g.report, g.at, ${live('h')} AS is_live
     FROM gateway_instances g JOIN hosts h ON h.id = g.host
     WHERE NOT h.forgotten AND ($1::uuid[] IS NULL OR g.host = ANY ($1))
       AND ($2::text IS NULL OR g.report ->> 'gateway' = $2)
     ORDER BY h.name, g.host, g.report ->> 'gateway'`,
    [hosts, gateway],
  );
  const views = rows.map(({ host, name, report, at, is_live }): GatewayView => ({
    ...report,
    host,
    hostName: name,
    at: at.toISOString(),
    stale: !is_live,
  }));
  // What SQL put in order by gateway is put in order by number within it.
  return views
    .map((view, i) => ({ view, i }))
    .sort((a, b) =>
      a.view.host === b.view.host && a.view.gateway === b.view.gateway
        ? numberOf(a.view.id) - numberOf(b.view.id)
        : a.i - b.i,
    )
    .map(({ view }) => view);
}

export function handlers(context: Context): Pick<Handlers, 'instances.list'> {
  return {
    async 'instances.list'({ query, caller: { scope } }) {
      if (!scope.all) return { items: [], next: null };
      const host = query.host === undefined ? undefined : await readHost(context, query.host, scope);
      if (query.host !== undefined && !host) throw notFound('host', query.host);
      const items = await readInstances(context.db, {
        ...(host ? { hosts: [host.id] } : {}),
        gateway: query.gateway,
      });
      return { items, next: null };
    },
  };
}
