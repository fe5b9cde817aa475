// The telemetry store's own process: ClickHouse as a library behind the small part of ClickHouse's HTTP interface that
// we use, on a unix socket. If it dies, nothing else does. Usage: process.ts <data dir> <socket>
import { createRequire } from 'node:module';
import { createWriteStream } from 'node:fs';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';

interface Session {
  queryAsync(sql: string, options: { format: string }): Promise<{ bytes(): Uint8Array }>;
  close(): void;
}
const chdb = createRequire(import.meta.url)('chdb') as { Session: new (path: string) => Session };

const [dataDir = '', socketPath = ''] = process.argv.slice(2);
const SPOOL = join(dataDir, 'incoming');
/** One session runs one statement at a time; different sessions run side by side. */
const READERS = 3;
/** `INSERT INTO t (a, b) [SETTINGS …] FORMAT Native`: the engine reads a binary body only from a file. */
const NATIVE = /^\s*INSERT INTO (\w+) \(([\w, ]+)\)(?: SETTINGS (.+))? FORMAT Native\s*$/s;
const MAX_SQL = 16 * 1024 * 1024;

async function open(): Promise<Session> {
  // A former process that is about to end may still hold the folder.
  for (let tries = 0; ; tries++)
    try {
      return new chdb.Session(join(dataDir, 'store'));
    } catch (error) {
      if (tries >= 50) throw error;
      await delay(100);
    }
}

/** Runs statements one after the other. */
class Lane {
  readonly #session: Session;
  #tail: Promise<unknown> = Promise.resolve();
  waiting = 0;
  constructor(session: Session) {
    this.#session = session;
  }
  run(sql: string, format: string): Promise<Uint8Array> {
    this.waiting++;
    const result = this.#tail
      .then(() => this.#session.queryAsync(sql, { format }))
      .then((r) => r.bytes())
      .finally(() => this.waiting--);
    this.#tail = result.catch(() => undefined);
    return result;
  }
  async close(): Promise<void> {
    await this.#tail;
    this.#session.close();
  }
}

await mkdir(SPOOL, { recursive: true, mode: 0o700 });
await rm(SPOOL, { recursive: true });
await mkdir(SPOOL, { mode: 0o700 });
const writer = new Lane(await open());
const readers: Lane[] = [];
for (let i = 0; i < READERS; i++) readers.push(new Lane(await open()));
let spooled = 0;

async function insertNative(parts: RegExpExecArray, body: IncomingMessage): Promise<void> {
  const [, table, columns, settings] = parts;
  const file = join(SPOOL, `${++spooled}.native`);
  try {
    await pipeline(body, createWriteStream(file, { mode: 0o600 }));
    await writer.run(
      `INSERT INTO ${table} (${columns}) SELECT ${columns} FROM file('${file}', 'Native')${settings ? ` SETTINGS ${settings}` : ''}`,
      'Null',
    );
  } finally {
    await rm(file, { force: true });
  }
}

async function read(body: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_SQL) throw new Error('Code: 62. DB::Exception: statement too long');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://telemetry');
  if (url.pathname === '/ping') return void response.end('Ok.\n');
  const inUrl = url.searchParams.get('query') ?? '';
  const native = NATIVE.exec(inUrl);
  if (native) {
    await insertNative(native, request);
    return void response.end();
  }
  const sql = `${inUrl}\n${await read(request)}`.trim();
  const reading = /^(SELECT|WITH|SHOW|DESCRIBE|EXISTS|EXPLAIN)\b/i.test(sql);
  const lane = reading ? readers.reduce((a, b) => (b.waiting < a.waiting ? b : a)) : writer;
  response.end(await lane.run(sql, url.searchParams.get('default_format') ?? 'TabSeparated'));
}

const server = createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    const text = error instanceof Error ? error.message : String(error);
    const code = /Code: (\d+)/.exec(text)?.[1] ?? '1001';
    if (!response.headersSent) response.writeHead(500, { 'x-clickhouse-exception-code': code });
    response.end(text);
    request.resume();
  });
});
server.keepAliveTimeout = 0;
server.requestTimeout = 0;
await rm(socketPath, { force: true });
server.listen(socketPath, () => {
  void chmod(socketPath, 0o600).then(() => process.send?.('ready'));
});

let ending = false;
async function end(): Promise<void> {
  if (ending) return;
  ending = true;
  server.close();
  server.closeIdleConnections();
  await Promise.all([writer, ...readers].map((lane) => lane.close()));
  process.exit(0);
}
process.on('SIGTERM', () => void end());
process.on('SIGINT', () => undefined);
// The platform is gone: whoever comes next needs the folder.
process.on('disconnect', () => void end());
