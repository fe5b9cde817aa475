// The platform's core, running over real HTTP on a private PostgreSQL, with a user of every role.
import type { FastifyInstance } from 'fastify';
import { createClient, type Client } from '@wocloud/protocol/client.ts';
import type { User } from '@wocloud/protocol/views.ts';
import { openCore, type Core, type CoreOptions } from '../core.ts';
import type { Config } from '../config.ts';
import type { Handlers } from '../handler.ts';
import { digest, newTokenId, secret } from '../users/authenticate.ts';
import { startTestDatabase, type TestDatabase } from './postgres.ts';

export interface TestPlatform extends TestDatabase {
  core: Core;
  http: FastifyInstance;
  url: string;
  /** Makes a user directly and returns a client with their token. */
  user(name: string, as: Partial<Pick<User, 'roles' | 'tenant' | 'tenantRole'>>): Promise<TestUser>;
  anonymous: Client;
}
export interface TestUser extends Client {
  id: string;
  name: string;
  token: string;
}

/** VMs as the `vms` table has them, with the tenant their host reports. */
const vmsOf = ({ context: { db } }: TestDatabase): CoreOptions => ({
  findVm: (key, scope) =>
    db.one<{ id: string; tenant: string | null }>(
      `SELECT id, tenant FROM vms WHERE (id::text = $1 OR name = $1) AND ($2 OR tenant = $3) LIMIT 1`,
      [key, scope.all, scope.tenant],
    ),
  ownVm: async (caller, { spec, metadata }) =>
    (
      await db.one<{ id: string }>(
        'SELECT id FROM vms WHERE tenant = $1 AND ($2::uuid = id OR ($2 IS NULL AND name = $3))',
        [caller.scope.tenant, spec.id, metadata.name],
      )
    )?.id,
});

export async function startTestPlatform(
  others: Partial<Handlers> = {},
  config: Partial<Config> = {},
): Promise<TestPlatform> {
  const base = await startTestDatabase(config);
  const { db } = base.context;
  const core = openCore(base.context, vmsOf(base));
  const http = await core.http(others, '0.0.0-test');
  const url = await http.listen({ host: '127.0.0.1', port: 0 });
  return {
    ...base,
    core,
    http,
    url,
    anonymous: createClient({ baseUrl: url }),
    async user(name, { roles = [], tenant = null, tenantRole = null }) {
      const row = await db.one<{ id: string }>(
        'INSERT INTO users (name, password, roles, tenant, tenant_role) VALUES ($1, $2, $3, $4, $5) RETURNING id',
        [name, '-', roles, tenant, tenantRole],
      );
      const [id, key] = [newTokenId(), secret()];
      await db.query('INSERT INTO tokens (id, user_id, name, secret) VALUES ($1, $2, $3, $4)', [
        id,
        row?.id,
        'test',
        digest(key),
      ]);
      const token = `woc_${id}_${key}`;
      return { ...createClient({ baseUrl: url, token }), id: row?.id ?? '', name, token };
    },
    async close() {
      await http.close();
      await core.close();
      await base.close();
    },
  };
}

/** The stable code an awaited call failed with; 'none' when it did not fail. */
export const codeOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'none',
    (error: unknown) => (error as { code?: string }).code ?? String(error),
  );
