// The whole platform, wired from its two halves: intent (core.ts) and facts (facts.ts), and HTTP around both.
import type { FastifyInstance } from 'fastify';
import { pino, type Logger } from 'pino';
import type { Config } from './config.ts';
import type { Context } from './context.ts';
import { openCore, type Core } from './core.ts';
import { openDatabase } from './database/database.ts';
import { migrate } from './database/migrate.ts';
import { openFacts, type Facts } from './facts.ts';
import { flowFilter } from './flows/filter.ts';
import { flowHistogram } from './flows/histogram.ts';
import type { Handlers, Scope } from './handler.ts';
import { metricsRoute } from './metrics/routes.ts';
import { openSignals } from './signals.ts';
import { createFirstAdmin } from './users/first.ts';

export interface Platform {
  context: Context;
  core: Core;
  facts: Facts;
  http: FastifyInstance;
  /** Every handler there is. */
  handlers: Partial<Handlers>;
  /** Where HTTP is served, once listening. */
  url: string;
  close(): Promise<void>;
}

const FIRST_ADMIN = 'admin';

/** Starts everything and resolves when requests and engines are served. */
export async function startPlatform(
  config: Config,
  version: string,
  log: Logger = pino(),
): Promise<Platform> {
  const db = openDatabase(config.databaseUrl, log);
  const ran = await migrate(db);
  if (ran.length > 0) log.info({ migrations: ran }, 'the database is up to date');
  const signals = openSignals(db, log);
  const context: Context = { db, signals, log, config, now: () => new Date() };
  if (config.firstAdmin !== undefined) {
    const made = await createFirstAdmin(db, { name: FIRST_ADMIN, passwordFile: config.firstAdmin });
    if (made)
      log.info({ user: FIRST_ADMIN, passwordFile: config.firstAdmin }, 'the first administrator was made');
  }

  let facts: Facts | undefined;
  const half = () => {
    if (!facts) throw new Error('the platform is still starting');
    return facts;
  };
  const countFlows = async (scope: Scope, signal: AbortSignal) => {
    const { telemetry, directory } = half();
    const now = context.now();
    const filter = flowFilter({ since: '1m' }, scope, directory, now);
    const buckets = await flowHistogram(telemetry, filter, { buckets: 1, now, signal });
    const sum = { lastMinute: 0, dropped: 0 };
    for (const b of buckets) {
      sum.lastMinute += b.allowed + b.dropped + b.rejected + b.observed;
      sum.dropped += b.dropped + b.rejected;
    }
    return sum;
  };
  const core = openCore(context, { directory: () => half().directory, countFlows });
  facts = await openFacts(context, {
    plans: core.plans,
    apply: core.apply,
    readPublication: core.readPublication,
    gatewayNotes: (entry) => core.audit.append(entry, true),
    joined: ({ hostname, host, ip, code }) =>
      core.audit.append(
        {
          at: context.now(),
          who: hostname,
          via: 'join',
          operation: 'hosts.join',
          object: host === null ? `host/${hostname}` : `host/${host}`,
          tenant: null,
          outcome: code === null ? 'allowed' : 'denied',
          status: code === null ? 200 : 401,
          detail: { ip, hostname, ...(code === null ? {} : { code }) },
        },
        false,
      ),
  });
  await core.plans.start();
  const handlers = { ...core.handlers, ...facts.handlers };
  const http = await core.http(facts.handlers, version);
  metricsRoute(http, facts.metrics, config.metricsToken);
  const url = await http.listen({ host: config.http.host, port: config.http.port });
  log.info({ url, link: facts.listener.port }, 'the platform serves');

  return {
    context,
    core,
    facts,
    http,
    handlers,
    url,
    async close() {
      await http.close();
      await half().close();
      await core.close();
      await signals.close();
      await db.close();
    },
  };
}
