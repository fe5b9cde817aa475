// PostgreSQL for everyone: plain SQL through a pool, transactions that follow the async context, and one
// error code when the server is away. A lost server costs the requests under way; the next ones heal.
import { AsyncLocalStorage } from 'node:async_hooks';
import pg from 'pg';
import type { Logger } from 'pino';
import { PlatformError } from '../errors.ts';

export type Row = Record<string, unknown>;

export interface Database {
  readonly url: string;
  /** Rows of a statement. Inside `transaction` it runs in that transaction, wherever the call is made. */
  query<R extends object = Row>(sql: string, values?: readonly unknown[]): Promise<R[]>;
  /** First row, or undefined. */
  one<R extends object = Row>(sql: string, values?: readonly unknown[]): Promise<R | undefined>;
  /** Runs `work` in a transaction (joins the surrounding one); throwing rolls everything back. */
  transaction<T>(work: () => Promise<T>): Promise<T>;
  /** Runs `work` outside any surrounding transaction: what it writes stays even if that one rolls back. */
  outside<T>(work: () => Promise<T>): Promise<T>;
  /** Runs `work` once the surrounding transaction is committed, or now when there is none. Never on rollback. */
  afterCommit(work: () => void): void;
  close(): Promise<void>;
}

interface Transaction {
  client: pg.PoolClient;
  tail: Promise<unknown>;
  open: boolean;
  committed: (() => void)[];
}

pg.types.setTypeParser(pg.types.builtins.INT8, (text) => Number(text));

/** SQLSTATE classes and socket errors that mean "the server is away", not "the statement is wrong". */
const AWAY = /^(08|57P0|53300)|^(ECONNREFUSED|ECONNRESET|ENOENT|EPIPE|ETIMEDOUT)$/;
const AWAY_TEXT =
  /Connection terminated|timeout exceeded when trying to connect|not queryable|Client was closed/;

/** True when an error says that PostgreSQL cannot be reached just now. */
export function isAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = (error as { code?: unknown }).code;
  return (typeof code === 'string' && AWAY.test(code)) || AWAY_TEXT.test(error.message);
}

const translate = (error: unknown): unknown =>
  isAway(error)
    ? new PlatformError('unavailable', 'The database cannot be reached just now; try again in a moment.', {
        cause: error,
        retryAfter: 1,
      })
    : error;

/** Opens a pool; connects on first use. */
export function openDatabase(url: string, log: Logger, options: { connections?: number } = {}): Database {
  const pool = new pg.Pool({
    connectionString: url,
    max: options.connections ?? 16,
    connectionTimeoutMillis: 5_000,
    statement_timeout: 60_000,
    application_name: 'wocloud-platform',
  });
  pool.on('error', (error) => log.warn({ err: error }, 'database connection lost'));
  const current = new AsyncLocalStorage<Transaction | undefined>();

  const inTransaction = (
    tx: Transaction,
    sql: string,
    values: readonly unknown[],
  ): Promise<pg.QueryResult> => {
    const result = tx.tail.then(() => tx.client.query(sql, values as unknown[]));
    tx.tail = result.catch(() => undefined);
    return result;
  };
  const run = async (sql: string, values: readonly unknown[] = []): Promise<pg.QueryResult> => {
    const tx = current.getStore();
    try {
      return await (tx?.open ? inTransaction(tx, sql, values) : pool.query(sql, values as unknown[]));
    } catch (error) {
      throw translate(error);
    }
  };

  const begin = async <T>(work: () => Promise<T>): Promise<T> => {
    let client: pg.PoolClient;
    try {
      client = await pool.connect();
    } catch (error) {
      throw translate(error);
    }
    // A checked-out client reports a lost server here as well; without a listener that would end the process.
    const lost = (error: Error) => log.warn({ err: error }, 'database connection lost in a transaction');
    client.on('error', lost);
    const tx: Transaction = { client, tail: Promise.resolve(), open: true, committed: [] };
    let failure: unknown;
    try {
      await client.query('BEGIN');
      const result = await current.run(tx, work);
      await tx.tail;
      tx.open = false;
      await client.query('COMMIT');
      for (const then of tx.committed) then();
      return result;
    } catch (error) {
      failure = error;
      tx.open = false;
      await tx.tail;
      await client.query('ROLLBACK').catch(() => undefined);
      throw translate(error);
    } finally {
      client.off('error', lost);
      client.release(isAway(failure) || (failure as { code?: string } | undefined)?.code === 'unavailable');
    }
  };

  return {
    url,
    query: async (sql, values) => (await run(sql, values)).rows,
    one: async (sql, values) => (await run(sql, values)).rows[0],
    transaction: (work) => (current.getStore()?.open ? work() : begin(work)),
    outside: (work) => current.run(undefined, work),
    afterCommit(work) {
      const tx = current.getStore();
      if (tx?.open) tx.committed.push(work);
      else work();
    },
    close: () => pool.end(),
  };
}
