// Grants: which of their tenant's VMs a member sees, and what they may do with each.
import type { Grant } from '@wocloud/protocol/views.ts';
import type { Authorize } from '../authorize/authorize.ts';
import type { Context } from '../context.ts';
import { PlatformError, notFound } from '../errors.ts';
import type { Caller, Handlers } from '../handler.ts';
import { cursorOf, pageOf } from '../http/paging.ts';

interface Row {
  user_id: string;
  user: string;
  vm: string;
  rights: Grant['rights'];
  by: string;
  at: Date;
}
const view = (row: Row): Grant => ({
  user: row.user,
  vm: row.vm,
  rights: row.rights,
  by: row.by,
  at: row.at.toISOString(),
});

/** Finds a VM by id or name among what a caller may see: its id and tenant. Undefined: no such VM for them. */
export type FindVm = (
  key: string,
  scope: Caller['scope'],
) => Promise<{ id: string; tenant: string | null } | undefined>;

export function grantHandlers(
  { db }: Context,
  authorize: Authorize,
  findVm: FindVm,
): Pick<Handlers, 'grants.list' | 'grants.put'> {
  return {
    async 'grants.list'({ query, caller: { scope } }) {
      const { limit = 100 } = query;
      const cursor = cursorOf(query.cursor, ['string', 'string']);
      const vm = query.vm === undefined ? undefined : await findVm(query.vm, scope);
      if (query.vm !== undefined && !vm) throw notFound('VM', query.vm);
      const rows = await db.query<Row>(
        `SELECT g.user_id, u.name AS user, g.vm, g.rights, g.by, g.at FROM grants g JOIN users u ON u.id = g.user_id
         WHERE ($1 OR u.tenant = $2) AND ($3::text IS NULL OR g.vm = $3)
           AND ($4::text IS NULL OR u.name = $4 OR u.id::text = $4)
           AND ($5::text IS NULL OR (u.name, g.vm) > ($5, $6))
         ORDER BY u.name, g.vm LIMIT ${limit + 1}`,
        [scope.all, scope.tenant, vm?.id, query.user, cursor?.[0], cursor?.[1]],
      );
      return pageOf(rows, limit, view, (row) => [row.user, row.vm]);
    },

    async 'grants.put'({ body, caller, audit }) {
      const { scope } = caller;
      audit.object = `grant/${body.user}/${body.vm}`;
      audit.detail['rights'] = body.rights;
      const user = await db.one<{ id: string; name: string; tenant: string | null; tenant_role: string }>(
        'SELECT id, name, tenant, tenant_role FROM users WHERE (name = $1 OR id::text = $1) AND ($2 OR tenant = $3)',
        [body.user, scope.all, scope.tenant],
      );
      if (!user) throw notFound('user', body.user);
      const vm = await findVm(body.vm, scope);
      if (!vm) throw notFound('VM', body.vm);
      audit.object = `grant/${user.name}/${vm.id}`;
      audit.tenant = user.tenant;
      authorize.require(caller.user, 'grant.write', { tenant: user.tenant });
      if (user.tenant === null || user.tenant !== vm.tenant)
        throw new PlatformError('bad-request', `${user.name} and this VM are not of one tenant.`);
      if (user.tenant_role !== 'member')
        throw new PlatformError('bad-request', `${user.name} owns the tenant and has every right already.`);
      const by = caller.user.name;
      if (body.rights.length === 0)
        await db.query('DELETE FROM grants WHERE user_id = $1 AND vm = $2', [user.id, vm.id]);
      else
        await db.query(
          `INSERT INTO grants (user_id, vm, rights, by) VALUES ($1, $2, $3, $4)
           ON CONFLICT (user_id, vm) DO UPDATE SET rights = $3, by = $4, at = now()`,
          [user.id, vm.id, body.rights, by],
        );
      return { user: user.name, vm: vm.id, rights: body.rights, by, at: new Date().toISOString() };
    },
  };
}
