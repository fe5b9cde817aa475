// A fixture of the platform for the console's own browser tests: it answers from the operation table with realistic
// data, checks its own answers against the table's schemas, and streams events. It protects nothing.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { OPERATIONS, type Operation } from '@wocloud/protocol/api.ts';
import type { FlowQuery, InspectionQuery } from '@wocloud/protocol/api.ts';
import type { User } from '@wocloud/protocol/views.ts';
import { Value } from 'typebox/value';
import { ANSWERS, sessionOf } from './fixture/answers.ts';
import { Refusal } from './fixture/refusal.ts';
import { World } from './fixture/world.ts';

/** The same policy the platform sends, so that what it would refuse fails here too. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};
const DIST = join(import.meta.dirname, '..', 'dist');
const PASSWORD = 'correct horse battery';

export interface Fixture {
  url: string;
  world: World;
  /** Ends every event stream; while down, new ones are refused. */
  streams(up: boolean): void;
  close(): Promise<void>;
}

export interface FixtureOptions {
  port?: number;
  vms?: number;
  /** Milliseconds between new flows; 0: none begin by themselves. */
  flowEveryMs?: number;
}

interface Route {
  id: string;
  operation: Operation;
  pattern: RegExp;
  names: string[];
}

const routes: Route[] = Object.entries(OPERATIONS as Record<string, Operation>).map(([id, operation]) => {
  const names: string[] = [];
  const pattern = operation.path.replace(/:(\w+)/g, (_, name: string) => {
    names.push(name);
    return '([^/]+)';
  });
  return { id, operation, pattern: new RegExp(`^${pattern}$`), names };
});

/** Starts the fixture on 127.0.0.1. */
export async function startFixture(options: FixtureOptions = {}): Promise<Fixture> {
  const world = new World({ vms: options.vms ?? 10, flowEveryMs: options.flowEveryMs ?? 700 });
  const streams = new Streams();
  const server = createServer((request, response) => {
    answer(world, streams, request, response).catch((error: unknown) => {
      const refusal =
        error instanceof Refusal
          ? error
          : new Refusal(500, 'internal', String((error as Error).stack ?? error));
      if (refusal.status === 500) console.error(refusal.message);
      problem(response, refusal);
    });
  });
  await new Promise<void>((done) => server.listen(options.port ?? 0, '127.0.0.1', done));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    world,
    streams: (up) => streams.turn(up),
    close: () => close(server, world),
  };
}

async function close(server: Server, world: World): Promise<void> {
  world.close();
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
}

/** Open event streams, and whether new ones are let in. */
class Streams {
  readonly open = new Set<ServerResponse>();
  up = true;
  turn(up: boolean): void {
    this.up = up;
    if (!up) for (const response of this.open) response.destroy();
  }
}

async function answer(
  world: World,
  streams: Streams,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://fixture');
  if (!url.pathname.startsWith('/v1/')) return serve(url.pathname, response);
  const found = routes
    .filter((r) => r.operation.method === request.method)
    .map((route) => ({ route, match: route.pattern.exec(url.pathname) }))
    .find((r) => r.match);
  if (!found?.match)
    throw new Refusal(404, 'not-found', `${request.method} ${url.pathname} is no operation.`);
  const { route, match } = found;
  const body: unknown = request.method === 'GET' ? undefined : await readBody(request);
  if (route.id === 'session.create') return signIn(world, body, response);
  const user = userOf(world, request);
  if (!user) throw new Refusal(401, 'unauthenticated', 'Sign in first.');
  if (request.method !== 'GET' && request.headers['x-csrf-token'] !== 'fixture-csrf')
    throw new Refusal(403, 'forbidden', 'The CSRF token is missing or old.');
  const query = readQuery(route.operation, url.searchParams);
  check(route, 'query', query, 400);
  if (body !== undefined && route.operation.body && !route.id.endsWith('.put'))
    check(route, 'body', body, 400);
  if (route.id === 'events.stream') return stream(world, streams, query, response);
  const handler = ANSWERS[route.id];
  if (!handler) throw new Refusal(501, 'internal', `The fixture does not answer ${route.id}.`);
  const params = Object.fromEntries(route.names.map((n, i) => [n, decodeURIComponent(match[i + 1]!)]));
  const version = /^"(\d+)"$/.exec(request.headers['if-match'] ?? '')?.[1];
  const result = await handler(
    { params, query, body, user, ifMatch: version ? Number(version) : undefined },
    world,
  );
  check(route, 'response', result, 500);
  if (request.method !== 'GET') {
    const object = Object.values(params).join('/') || url.pathname;
    world.record(user.name, route.id, object, 'allowed', route.operation.status ?? 200);
  }
  if (route.id === 'session.delete') response.setHeader('set-cookie', 'fixture=; Path=/; Max-Age=0');
  send(response, route.operation.status ?? 200, result);
}

function check(route: Route, part: 'query' | 'body' | 'response', value: unknown, status: number): void {
  const schema = route.operation[part];
  if (!schema || Value.Check(schema, value)) return;
  const errors = [...Value.Errors(schema, value)].slice(0, 3);
  const text = errors.map((e) => `${e.instancePath} ${e.message}`).join('; ');
  throw new Refusal(status, status === 500 ? 'internal' : 'bad-request', `${route.id} ${part}: ${text}`);
}

/** Query text as the schema wants it: repeated values to arrays, digits to numbers. */
function readQuery(operation: Operation, search: URLSearchParams): Record<string, unknown> {
  const { properties }: { properties?: Record<string, { type?: string }> } = operation.query ?? {};
  const query: Record<string, unknown> = {};
  for (const key of new Set(search.keys())) {
    const { type } = properties?.[key] ?? {};
    const values = search.getAll(key);
    query[key] =
      type === 'array'
        ? values
        : type === 'integer'
          ? Number(values[0])
          : type === 'boolean'
            ? values[0] === 'true'
            : values[0];
  }
  return query;
}

function signIn(world: World, body: unknown, response: ServerResponse): void {
  const { name, password } = body as { name: string; password: string };
  const user = world.users.find((u) => u.name === name);
  if (!user || password !== PASSWORD)
    throw new Refusal(401, 'wrong-credentials', 'That name and password do not fit.');
  response.setHeader('set-cookie', `fixture=${name}; Path=/; HttpOnly; SameSite=Strict`);
  send(response, 201, sessionOf(user));
}

function userOf(world: World, request: IncomingMessage): User | undefined {
  const name = /(?:^|; )fixture=([^;]+)/.exec(request.headers.cookie ?? '')?.[1];
  return world.users.find((u) => u.name === name);
}

function stream(
  world: World,
  streams: Streams,
  query: FlowQuery & InspectionQuery & { topics?: string[] },
  response: ServerResponse,
): void {
  if (!streams.up) throw new Refusal(503, 'unavailable', 'No events now.');
  streams.open.add(response);
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.write(': welcome\n\n');
  const listener = {
    topics: query.topics ?? ['flow', 'vm', 'host', 'alert', 'publication'],
    query,
    send: (event: { topic: string; data: unknown }) =>
      void response.write(`event: ${event.topic}\ndata: ${JSON.stringify(event.data)}\n\n`),
  };
  world.listeners.add(listener);
  response.on('close', () => {
    world.listeners.delete(listener);
    streams.open.delete(response);
  });
}

async function serve(path: string, response: ServerResponse): Promise<void> {
  const file = extname(path) ? normalize(path) : '/index.html';
  try {
    const content = await readFile(join(DIST, file));
    response.writeHead(200, {
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      'content-security-policy': POLICY,
      'cache-control': file.startsWith('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
    });
    response.end(content);
  } catch {
    response.writeHead(404, { 'content-type': 'text/plain' });
    response.end('Not found. Build the console first: npm run build -w console\n');
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text ? JSON.parse(text) : undefined;
}

function send(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(status === 204 ? undefined : JSON.stringify(value));
}

function problem(response: ServerResponse, r: Refusal): void {
  if (response.headersSent) return void response.end();
  response.writeHead(r.status, { 'content-type': 'application/problem+json' });
  response.end(
    JSON.stringify({
      type: 'about:blank',
      title: r.code,
      status: r.status,
      code: r.code,
      detail: r.message,
      ...(r.errors ? { errors: r.errors } : {}),
    }),
  );
}

if (import.meta.main) {
  const fixture = await startFixture({
    port: Number(process.env['PORT'] ?? 8441),
    vms: Number(process.env['VMS'] ?? 10),
  });
  console.log(`Fixture of the platform at ${fixture.url}: sign in as admin with "${PASSWORD}"`);
}
