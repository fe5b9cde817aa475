// Brings the schema up to date: every migrations/NNN-noun.sql once, in order, one replica at a time.
import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database } from './database.ts';

export const MIGRATIONS = join(import.meta.dirname, 'migrations');
/** Any constant: replicas starting together wait for each other on it. */
const LOCK = 7_206_113;

export class MigrationError extends Error {
  readonly code = 'database.migration';
}

/**
 * Runs the migrations that have not run. All of them in one transaction: a failing one changes nothing. Refuses when
 * one that ran has been edited since. Returns the names of those run now.
 */
export async function migrate(db: Database, folder: string = MIGRATIONS): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => /^\d{3}-[a-z-]+\.sql$/.test(name)).sort();
  return db.transaction(async () => {
    await db.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
    await db.query(`CREATE TABLE IF NOT EXISTS migrations (
      name text PRIMARY KEY, digest text NOT NULL, at timestamptz NOT NULL DEFAULT now())`);
    const rows = await db.query<{ name: string; digest: string }>('SELECT name, digest FROM migrations');
    const ran = new Map(rows.map((row) => [row.name, row.digest]));
    const now: string[] = [];
    for (const name of names) {
      const sql = await readFile(join(folder, name), 'utf8');
      const digest = createHash('sha256').update(sql).digest('hex');
      const known = ran.get(name);
      if (known === digest) continue;
      if (known !== undefined)
        throw new MigrationError(`${name} was changed after it ran; add a new migration instead`);
      try {
        await db.query(sql);
      } catch (cause) {
        throw new MigrationError(`${name}: ${(cause as Error).message}`, { cause });
      }
      await db.query('INSERT INTO migrations (name, digest) VALUES ($1, $2)', [name, digest]);
      now.push(name);
    }
    return now;
  });
}
