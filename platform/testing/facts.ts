// The facts half on a private PostgreSQL and a private telemetry store, with engines at hand.
import { createJoinToken } from '../ca/tokens.ts';
import { openFacts, type Facts, type FactsOptions } from '../facts.ts';
import type { Call, Caller, Scope } from '../handler.ts';
import { FakeEngine } from './fake-engine.ts';
import { startTestDatabase, type TestDatabase } from './postgres.ts';

export interface TestFacts extends TestDatabase {
  facts: Facts;
  port: number;
  token(): Promise<string>;
  /** An engine that has joined, connected and said hello. Closed with the rest. */
  engine(hostname?: string): Promise<FakeEngine>;
  /** Ends the facts half and starts it anew on the same data, as after a restart. */
  restart(): Promise<void>;
}

export const PLATFORM: Scope = { all: true, tenant: null, vms: null };
export const ofTenant = (tenant: string, vms: readonly string[] | null = null): Scope => ({
  all: false,
  tenant,
  vms,
});

export async function startTestFacts(options: FactsOptions = {}): Promise<TestFacts> {
  const base = await startTestDatabase({ link: { host: '127.0.0.1', port: 0, socket: undefined } });
  let facts = await openFacts(base.context, options);
  const engines: FakeEngine[] = [];
  const token = async () => (await createJoinToken(base.context, facts.authority, 'test', 60)).token;
  const test: TestFacts = {
    ...base,
    facts,
    port: facts.listener.port,
    token,
    async engine(hostname) {
      const engine = await FakeEngine.start(test.port, await token(), hostname);
      engines.push(engine);
      return engine;
    },
    async restart() {
      await facts.close();
      test.facts = facts = await openFacts(base.context, options);
      test.port = facts.listener.port;
    },
    async close() {
      for (const engine of engines) engine.cut();
      await facts.close();
      await base.close();
    },
  };
  return test;
}

/** A call of an operation as the HTTP layer would make it. */
export function callOf<I extends import('@wocloud/protocol/api.ts').OperationId>(
  scope: Scope,
  parts: Partial<Call<I>> = {},
): Call<I> {
  const caller: Caller = {
    user: {
      id: 'u',
      name: 'tester',
      roles: scope.all ? ['system-admin'] : [],
      tenant: scope.tenant,
      tenantRole: scope.tenant === null ? null : scope.vms ? 'member' : 'owner',
      disabled: false,
      createdAt: '2026-01-01T00:00:00Z',
      lastSignIn: null,
    },
    via: 'token',
    scope,
  };
  return {
    params: {},
    query: {},
    body: undefined,
    ifMatch: undefined,
    caller,
    signal: new AbortController().signal,
    ip: '127.0.0.1',
    session: { id: null, set: () => undefined },
    audit: { object: '', tenant: null, detail: {} },
    ...parts,
  } as unknown as Call<I>;
}

/** Waits until `probe` answers something truthy; fails after `ms` with what it last said. */
export async function until<T>(probe: () => Promise<T> | T, ms = 10_000): Promise<NonNullable<T>> {
  const deadline = Date.now() + ms;
  for (;;) {
    const value = await probe();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${String(probe)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
