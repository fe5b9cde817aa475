// Users: platform administrators make them anywhere, owners within their own tenant.
import type { User } from '@wocloud/protocol/views.ts';
import type { Authorize } from '../authorize/authorize.ts';
import type { Context } from '../context.ts';
import { PlatformError, notFound } from '../errors.ts';
import type { Caller, Handlers } from '../handler.ts';
import { cursorOf, pageOf } from '../http/paging.ts';
import { hashPassword } from './password.ts';
import { userView, type UserRow } from './store.ts';

type UserHandlers = Pick<
  Handlers,
  'users.list' | 'users.get' | 'users.create' | 'users.update' | 'users.delete'
>;

const duplicate = (error: unknown): boolean => (error as { code?: unknown }).code === '23505';

export function userHandlers({ db }: Context, authorize: Authorize): UserHandlers {
  /** By id or name, when the caller may know of it. */
  const find = async (key: string, { scope }: Caller): Promise<UserRow> => {
    const row = await db.one<UserRow>(
      `SELECT * FROM users WHERE (id::text = $1 OR name = $1) AND ($2 OR tenant = $3)
       ORDER BY (id::text = $1) DESC LIMIT 1`,
      [key, scope.all, scope.tenant],
    );
    if (!row) throw notFound('user', key);
    return row;
  };
  /** The platform must stay reachable: its last working system administrator cannot be taken away. */
  const keepOneAdmin = async (row: UserRow) => {
    if (!row.roles.includes('system-admin')) return;
    const [other] = await db.query(
      `SELECT 1 FROM users WHERE 'system-admin' = ANY (roles) AND NOT disabled AND id <> $1 LIMIT 1`,
      [row.id],
    );
    if (!other)
      throw new PlatformError(
        'conflict',
        `${row.name} is the last system administrator; make another one first.`,
      );
  };

  return {
    async 'users.list'({ query, caller: { scope } }) {
      const { limit = 100 } = query;
      const cursor = cursorOf(query.cursor, ['string']);
      const rows = await db.query<UserRow>(
        `SELECT * FROM users WHERE ($1 OR tenant = $2) AND ($3::text IS NULL OR tenant = $3)
           AND ($4::text IS NULL OR strpos(name, $4) > 0) AND ($5::text IS NULL OR name > $5)
         ORDER BY name LIMIT ${limit + 1}`,
        [scope.all, scope.tenant, query.tenant, query.q?.toLowerCase(), cursor?.[0]],
      );
      return pageOf(rows, limit, userView, (row) => [row.name]);
    },

    async 'users.get'({ params, caller, audit }) {
      const row = await find(params.id, caller);
      audit.object = `user/${row.name}`;
      return userView(row);
    },

    async 'users.create'({ body, caller, audit }) {
      const { scope } = caller;
      audit.object = `user/${body.name}`;
      const roles: User['roles'] = body.roles ?? [];
      const tenant = body.tenant ?? (scope.all ? null : scope.tenant);
      audit.tenant = tenant;
      audit.detail['roles'] = roles;
      audit.detail['tenantRole'] = body.tenantRole;
      if (!scope.all && (tenant !== scope.tenant || roles.length > 0))
        throw new PlatformError(
          'forbidden',
          'Owners make users of their own tenant, without platform roles.',
        );
      authorize.require(caller.user, 'user.write', { tenant });
      if (tenant !== null && roles.length > 0)
        throw new PlatformError('bad-request', 'A user has platform roles or belongs to a tenant, not both.');
      if (tenant === null && body.tenantRole)
        throw new PlatformError('bad-request', 'tenantRole needs a tenant.');
      if (tenant !== null && scope.all) {
        const known = await db.one(
          `SELECT 1 FROM documents WHERE kind = 'Tenant' AND name = $1 AND NOT deleted`,
          [tenant],
        );
        if (!known) throw new PlatformError('bad-request', `There is no tenant "${tenant}"; make it first.`);
      }
      const password = await hashPassword(body.password);
      try {
        const row = await db.one<UserRow>(
          `INSERT INTO users (name, password, roles, tenant, tenant_role) VALUES ($1, $2, $3, $4, $5) RETURNING *`,
          [
            body.name,
            password,
            [...new Set(roles)],
            tenant,
            tenant === null ? null : (body.tenantRole ?? 'member'),
          ],
        );
        return userView(row as UserRow);
      } catch (error) {
        if (duplicate(error)) throw new PlatformError('conflict', `The name "${body.name}" is taken.`);
        throw error;
      }
    },

    async 'users.update'({ params, body, caller, audit }) {
      const row = await find(params.id, caller);
      audit.object = `user/${row.name}`;
      audit.tenant = row.tenant;
      const { password, ...rest } = body;
      Object.assign(audit.detail, rest, password === undefined ? {} : { password: 'changed' });
      const power = body.roles !== undefined || body.tenantRole !== undefined || body.disabled !== undefined;
      authorize.require(caller.user, 'user.write', { tenant: row.tenant, user: row.id, roles: power });
      if (body.roles?.length && row.tenant !== null)
        throw new PlatformError(
          'bad-request',
          `${row.name} belongs to a tenant and can have no platform role.`,
        );
      if (body.tenantRole && row.tenant === null)
        throw new PlatformError('bad-request', `${row.name} belongs to no tenant.`);
      if (body.disabled || (body.roles && !body.roles.includes('system-admin'))) await keepOneAdmin(row);
      const changed = await db.one<UserRow>(
        `UPDATE users SET password = coalesce($2, password), roles = coalesce($3, roles),
           tenant_role = coalesce($4, tenant_role), disabled = coalesce($5, disabled),
           failures = CASE WHEN $2 IS NULL THEN failures ELSE 0 END,
           locked_until = CASE WHEN $2 IS NULL THEN locked_until END
         WHERE id = $1 RETURNING *`,
        [
          row.id,
          password === undefined ? null : await hashPassword(password),
          body.roles ? [...new Set(body.roles)] : null,
          body.tenantRole ?? null,
          body.disabled ?? null,
        ],
      );
      if (password !== undefined || body.disabled)
        await db.query('DELETE FROM sessions WHERE user_id = $1', [row.id]);
      return userView(changed as UserRow);
    },

    async 'users.delete'({ params, caller, audit }) {
      const row = await find(params.id, caller);
      audit.object = `user/${row.name}`;
      audit.tenant = row.tenant;
      authorize.require(caller.user, 'user.write', { tenant: row.tenant, user: row.id, roles: true });
      await keepOneAdmin(row);
      await db.query('DELETE FROM users WHERE id = $1', [row.id]);
      return null;
    },
  };
}
