// Find anything by a part of its name, by address or by id; what a caller may not see is not found.
import type { Kind } from '@wocloud/protocol/resources/kinds.ts';
import type { SearchHit } from '@wocloud/protocol/views.ts';
import type { Authorize } from '../authorize/authorize.ts';
import type { Context } from '../context.ts';
import { visibleSql } from '../documents/rows.ts';
import type { Caller, Handlers } from '../handler.ts';
import { mentions } from '../vms/handlers.ts';
import { visible, type Directory } from '../vms/directory.ts';

const MAX_HITS = 50;
const PER_KIND = 10;
const DOCUMENTS: readonly Kind[] = [
  ...(['Tenant', 'Group', 'Service', 'Policy', 'Network'] as const),
  ...(['Insertion', 'Limit', 'RuleSet', 'Gateway'] as const),
];
/** A rule set is too long to be read at every key that is pressed. */
const descriptionOf = (kind: Kind): string =>
  kind === 'RuleSet' ? 'NULL::text' : "d.document #>> '{spec,description}'";

export function searchHandlers(
  { db }: Context,
  authorize: Authorize,
  directory: () => Directory,
): Pick<Handlers, 'search.get'> {
  const findVms = ({ scope }: Caller, q: string): SearchHit[] => {
    const found: SearchHit[] = [];
    for (const vm of directory().all()) {
      if (vm.gone || !visible(scope, vm) || !mentions(vm, q)) continue;
      const addresses = vm.nics.flatMap((nic) => nic.addresses);
      const detail = [vm.state, ...addresses.slice(0, 3)].join(' ');
      found.push({ kind: 'vm', id: vm.id, name: vm.name, tenant: vm.tenant, detail });
    }
    return found
      .sort((a, b) => closeness(a.name, q) - closeness(b.name, q) || (a.name < b.name ? -1 : 1))
      .slice(0, MAX_HITS - PER_KIND);
  };

  const findDocuments = async (caller: Caller, q: string): Promise<SearchHit[]> => {
    const hits: SearchHit[] = [];
    for (const kind of DOCUMENTS) {
      if (!authorize.allows(caller.user, `${kind.toLowerCase()}.read`, { tenant: caller.user.tenant }))
        continue;
      const seen = visibleSql(kind, caller.scope, 3);
      const rows = await db.query<{ uid: string; name: string; tenant: string; description: string | null }>(
        `SELECT d.uid, d.name, d.tenant, ${descriptionOf(kind)} AS description FROM documents d
         WHERE d.kind = $1 AND NOT d.deleted AND ${seen.sql}
           AND (strpos(d.name, $2) > 0 OR strpos(lower(coalesce(${descriptionOf(kind)}, '')), $2) > 0)
         ORDER BY length(d.name), d.name LIMIT ${PER_KIND}`,
        [kind, q, ...seen.values],
      );
      for (const row of rows)
        hits.push({
          kind: kind.toLowerCase(),
          id: row.uid,
          name: row.name,
          tenant: row.tenant || null,
          detail: row.description?.slice(0, 200) ?? '',
        });
    }
    return hits;
  };

  const findHosts = async (caller: Caller, q: string): Promise<SearchHit[]> => {
    if (!authorize.allows(caller.user, 'host.read', { tenant: caller.user.tenant })) return [];
    const rows = await db.query<{ id: string; name: string }>(
      `SELECT id, name FROM hosts WHERE NOT forgotten AND (strpos(lower(name), $1) > 0 OR id::text = $1)
       ORDER BY name LIMIT ${PER_KIND}`,
      [q],
    );
    return rows.map(({ id, name }) => ({ kind: 'host', id, name, tenant: null, detail: '' }));
  };

  const findUsers = async ({ user, scope }: Caller, q: string): Promise<SearchHit[]> => {
    if (!authorize.allows(user, 'user.read', { tenant: user.tenant })) return [];
    const rows = await db.query<{ id: string; name: string; tenant: string | null; role: string }>(
      `SELECT id, name, tenant, coalesce(tenant_role, array_to_string(roles, ', ')) AS role FROM users
       WHERE ($2 OR tenant = $3) AND strpos(name, $1) > 0 ORDER BY name LIMIT ${PER_KIND}`,
      [q, scope.all, scope.tenant],
    );
    return rows.map(({ id, name, tenant, role }) => ({ kind: 'user', id, name, tenant, detail: role }));
  };

  return {
    async 'search.get'({ query, caller }) {
      const q = query.q.trim().toLowerCase();
      if (q === '') return { items: [], next: null };
      const items = [
        ...findVms(caller, q),
        ...(await findDocuments(caller, q)),
        ...(await findHosts(caller, q)),
        ...(await findUsers(caller, q)),
      ];
      return { items: items.slice(0, MAX_HITS), next: null };
    },
  };
}

/** Exact before beginning before inside. */
const closeness = (name: string, q: string): number => {
  const lower = name.toLowerCase();
  return lower === q ? 0 : lower.startsWith(q) ? 1 : 2;
};
