// A private PostgreSQL for one test file: a throw-away cluster on a unix socket, migrated, gone afterwards.
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino, type Logger } from 'pino';
import { readConfig, type Config } from '../config.ts';
import type { Context } from '../context.ts';
import { startPostgres, type Cluster } from '../database/cluster.ts';
import { openDatabase } from '../database/database.ts';
import { migrate } from '../database/migrate.ts';
import { openSignals } from '../signals.ts';

export interface TestDatabase {
  cluster: Cluster;
  context: Context;
  /** Folder of this test, also the configuration's `home`. */
  dir: string;
  close(): Promise<void>;
}

/** Starts a cluster and returns a ready Context on it. Close it in `after`. */
export async function startTestDatabase(
  overrides: Partial<Config> = {},
  log: Logger = pino({ level: process.env['WOCLOUD_TEST_LOG'] ?? 'silent' }),
): Promise<TestDatabase> {
  const dir = await mkdtemp(join(tmpdir(), 'woc-pg-'));
  // The server's account must be able to reach its own folder inside.
  await chmod(dir, 0o711);
  const cluster = await startPostgres({ dir: join(dir, 'postgres'), log, durable: false });
  const config = { ...readConfig([], {}), home: dir, databaseUrl: cluster.url, ...overrides };
  const db = openDatabase(config.databaseUrl, log);
  await migrate(db);
  const signals = openSignals(db, log);
  return {
    cluster,
    dir,
    context: { db, signals, log, config, now: () => new Date() },
    async close() {
      await signals.close();
      await db.close();
      await cluster.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
