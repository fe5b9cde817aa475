// The telemetry store as the platform uses it: statements in, rows out, binary inserts that are durable when they
// return. ClickHouse by URL, or our own process (process.ts) that is started again whenever it dies.
import { createClient, ClickHouseError, ClickHouseLogLevel, type ClickHouseClient } from '@clickhouse/client';
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { Agent, type AgentOptions } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Logger } from 'pino';
import { PlatformError } from '../errors.ts';
import { migrateTelemetry, type Statements } from './schema.ts';

export interface Telemetry extends Statements {
  /** Inserts blocks in Native format. What returns is on disk; the same token never counts twice. */
  insert(
    table: string,
    columns: readonly string[],
    blocks: readonly Uint8Array[],
    token: string,
  ): Promise<void>;
  /** Pid of the private process; undefined with a ClickHouse elsewhere. */
  pid(): number | undefined;
  close(): Promise<void>;
}

const RESTART_MS = 100;
const READY_MS = 60_000;

/** Opens the store and brings its tables up to date. */
export async function openTelemetry(options: {
  url: string | undefined;
  dir: string;
  log: Logger;
  retentionDays: number;
}): Promise<Telemetry> {
  const { url, log } = options;
  const child = url === undefined ? await startProcess(options.dir, log) : undefined;
  const client = createClient({
    url: url ?? 'http://telemetry',
    request_timeout: 120_000,
    // Servers before 25.8 quote them: rows have numbers as numbers, whoever answers.
    clickhouse_settings: { output_format_json_quote_64bit_integers: 0 },
    max_open_connections: 16,
    // Errors are thrown to whoever asked; they say it in their own words.
    log: { level: ClickHouseLogLevel.OFF },
    ...(child ? { http_agent: overSocket(child.socket), keep_alive: { enabled: false } } : {}),
  });
  const telemetry = overClient(client, child);
  await migrateTelemetry(telemetry, { replicated: url !== undefined, retentionDays: options.retentionDays });
  return telemetry;
}

/** An agent whose every connection goes to a unix socket (an option of net.connect that Agent passes on). */
const overSocket = (socketPath: string) => new Agent({ keepAlive: false, socketPath } as AgentOptions);

function overClient(client: ClickHouseClient, child: Child | undefined): Telemetry {
  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (cause) {
      if (cause instanceof ClickHouseError || (cause as Error).name === 'AbortError') throw cause;
      throw new PlatformError(
        'unavailable',
        'The telemetry store cannot be reached just now; try again in a moment.',
        {
          cause,
          retryAfter: 1,
        },
      );
    }
  };
  return {
    rows: (sql, { signal } = {}) =>
      guarded(async () => {
        const result = await client.query({
          query: sql,
          format: 'JSONEachRow',
          ...(signal ? { abort_signal: signal } : {}),
        });
        return (await result.json()) as never;
      }),
    command: (sql) => guarded(async () => void (await client.command({ query: sql }))),
    insert: (table, columns, blocks, token) =>
      guarded(async () => {
        const { stream } = await client.exec({
          query: `INSERT INTO ${table} (${columns.join(', ')}) SETTINGS insert_deduplication_token = '${token.replaceAll(/[^\w/-]/g, '')}' FORMAT Native`,
          values: Readable.from(blocks, { objectMode: false }),
        });
        await stream.resume().toArray();
      }),
    pid: () => child?.pid(),
    async close() {
      await client.close();
      await child?.stop();
    },
  };
}

interface Child {
  socket: string;
  pid(): number | undefined;
  stop(): Promise<void>;
}

async function startProcess(dir: string, log: Logger): Promise<Child> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const socket = join(dir, 'telemetry.sock');
  let child: ChildProcess;
  let stopping = false;
  let timer: NodeJS.Timeout | undefined;
  const start = () => {
    child = spawn(process.execPath, [join(import.meta.dirname, 'process.ts'), dir, socket], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // The platform's secrets are nothing this process needs.
      env: { PATH: process.env['PATH'], TZ: 'UTC' },
    });
    child.on('exit', (code, signal) => {
      if (stopping) return;
      log.error({ code, signal }, 'the telemetry process ended; starting it again');
      timer = setTimeout(start, RESTART_MS);
    });
  };
  start();
  const first = child!;
  await new Promise<void>((resolve, reject) => {
    const settle = (error?: Error) => {
      clearTimeout(timeout);
      // From here on a process that ends is started again, not given up.
      first.removeAllListeners('message').off('exit', ended);
      if (error) reject(error);
      else resolve();
    };
    const ended = (code: number | null) => {
      stopping = true;
      clearTimeout(timer);
      settle(new Error(`the telemetry process cannot start (exit ${code}); is ${dir} in use?`));
    };
    const timeout = setTimeout(() => settle(new Error('the telemetry process does not start')), READY_MS);
    first.once('message', () => settle());
    first.once('exit', ended);
  });
  return {
    socket,
    pid: () => child.pid,
    async stop() {
      stopping = true;
      clearTimeout(timer);
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await gone;
    },
  };
}
