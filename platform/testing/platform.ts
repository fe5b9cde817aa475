// The whole platform over real HTTP on a private PostgreSQL and telemetry store, with users of any role at hand.
import { createClient, type Client } from '@wocloud/protocol/client.ts';
import type { ObservedVm } from '@wocloud/protocol/reports.ts';
import type { User } from '@wocloud/protocol/views.ts';
import { createJoinToken } from '../ca/tokens.ts';
import type { Config } from '../config.ts';
import { startPlatform, type Platform } from '../platform.ts';
import { digest, newTokenId, secret } from '../users/authenticate.ts';
import { until } from './facts.ts';
import { FakeEngine } from './fake-engine.ts';
import { startTestDatabase, type TestDatabase } from './postgres.ts';

export interface TestPlatform extends Platform {
  base: TestDatabase;
  /** Makes a user directly and returns a client with their token. */
  user(name: string, as: Partial<Pick<User, 'roles' | 'tenant' | 'tenantRole'>>): Promise<TestUser>;
  anonymous: Client;
  /** A fake engine that has joined, connected and reported these VMs. */
  engine(hostname: string, vms?: readonly ObservedVm[]): Promise<FakeEngine>;
}
export interface TestUser extends Client {
  id: string;
  name: string;
  token: string;
}

export async function startTestPlatform(overrides: Partial<Config> = {}): Promise<TestPlatform> {
  const base = await startTestDatabase({
    http: { host: '127.0.0.1', port: 0 },
    link: { host: '127.0.0.1', port: 0, socket: undefined },
    ...overrides,
  });
  const platform = await startPlatform(base.context.config, '0.0.0-test', base.context.log);
  const { db } = base.context;
  const engines: FakeEngine[] = [];
  return {
    ...platform,
    base,
    anonymous: createClient({ baseUrl: platform.url }),
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
      return { ...createClient({ baseUrl: platform.url, token }), id: row?.id ?? '', name, token };
    },
    async engine(hostname, vms = []) {
      const { token } = await createJoinToken(platform.context, platform.facts.authority, 'test', 60);
      const engine = await FakeEngine.start(platform.facts.listener.port, token, hostname);
      engines.push(engine);
      engine.inventory(vms);
      await until(async () => vms.every((vm) => platform.facts.directory.vm(vm.id)));
      await platform.core.plans.settled();
      return engine;
    },
    async close() {
      for (const engine of engines) engine.cut();
      await platform.close();
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
