import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Compile } from 'typebox/compile';
import { OPERATIONS, type Operation } from '@wocloud/protocol/api.ts';
import { Problem } from '@wocloud/protocol/problem.ts';
import { startTestPlatform, type TestPlatform, type TestUser } from '../testing/platform.ts';
import { OPENAPI_FILE, openapiText } from './generate.ts';

let p: TestPlatform;
let security: TestUser;
let consoleDir: string;
const isProblem = Compile(Problem);
const tenant = { apiVersion: 'wocloud/v1', kind: 'Tenant', metadata: { name: 'acme' }, spec: {} };

before(async () => {
  consoleDir = await mkdtemp(join(tmpdir(), 'woc-console-'));
  await mkdir(join(consoleDir, 'assets'));
  await writeFile(join(consoleDir, 'index.html'), '<!doctype html><title>console</title>');
  await writeFile(join(consoleDir, 'assets', 'app-1a2b.js'), 'export {};');
  p = await startTestPlatform({ consoleDir });
  security = await p.user('sec', { roles: ['security-admin'] });
});
after(async () => {
  await p.close();
  await rm(consoleDir, { recursive: true });
});

const send = (path: string, init: RequestInit = {}) =>
  fetch(p.url + path, {
    ...init,
    headers: {
      authorization: `Bearer ${security.token}`,
      ...(init.body ? { 'content-type': 'application/json' } : {}),
      ...(init.headers as Record<string, string>),
    },
  });

test('whatever goes wrong is told as a problem with a code, and never with our insides', async () => {
  const cases: [string, RequestInit, number, string][] = [
    ['/v1/nowhere', {}, 404, 'not-found'],
    ['/v1/vms?limit=0', {}, 400, 'bad-request'],
    ['/v1/vms?limit=many', {}, 400, 'bad-request'],
    ['/v1/vms?colour=red', {}, 400, 'bad-request'],
    ['/v1/flows?verdict=maybe', {}, 400, 'bad-request'],
    ['/v1/apply', { method: 'POST', body: '{"documents": [' }, 400, 'bad-request'],
    ['/v1/apply', { method: 'POST', body: '{"documents": "x"}' }, 400, 'bad-request'],
    ['/v1/apply', { method: 'POST', body: '{"__proto__": {"x": 1}, "documents": []}' }, 400, 'bad-request'],
    ['/v1/apply', { method: 'POST', body: 'x', headers: { 'content-type': 'text/csv' } }, 400, 'bad-request'],
    [
      '/v1/session',
      { method: 'POST', body: JSON.stringify({ name: 'x', password: 'y'.repeat(300_000) }) },
      413,
      'too-large',
    ],
    [
      '/v1/tenants/acme',
      { method: 'PUT', body: JSON.stringify(tenant), headers: { 'if-match': 'three' } },
      400,
      'bad-request',
    ],
    ['/v1/groups/Bad%20Name', {}, 400, 'bad-request'],
    ['/v1/vms', { headers: { authorization: 'Bearer nonsense' } }, 401, 'unauthenticated'],
    ['/v1/vms', { headers: { authorization: `Bearer ${security.token}x` } }, 401, 'unauthenticated'],
  ];
  for (const [path, init, status, code] of cases) {
    const response = await send(path, init);
    const body = (await response.json()) as { code: string; status: number };
    const where = `${init.method ?? 'GET'} ${path}: ${JSON.stringify(body)}`;
    assert.deepEqual([response.status, body.code, body.status], [status, code, status], where);
    assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/);
    assert.ok(isProblem.Check(body), where);
    assert.doesNotMatch(JSON.stringify(body), /node_modules|\.ts:|SELECT|stack/);
  }
});

test('a misspelt query field is named, with what was meant', async () => {
  const response = await send('/v1/vms?tenent=acme');
  const { errors } = (await response.json()) as { errors: { path: string; hint: string }[] };
  assert.deepEqual(
    errors.map((e) => [e.path, e.hint]),
    [['/tenent', 'did you mean tenant?']],
  );
});

test('a read that its caller gives up is no failure in the audit log', async () => {
  const asked = 30;
  for (let i = 0; i < asked; i++) {
    const gone = new AbortController();
    const answer = send('/v1/flows/histogram?since=7d', { signal: gone.signal });
    await new Promise((resolve) => setTimeout(resolve, i % 10));
    gone.abort();
    await answer.catch(() => {});
  }
  // One more that is waited for: what came before it has been entered.
  await send('/v1/flows/histogram?since=7d');
  const { db } = p.context;
  const outcomes = await db.query<{ outcome: string }>(
    `SELECT DISTINCT outcome FROM audit WHERE operation = 'flows.histogram'`,
  );
  assert.deepEqual(outcomes, [{ outcome: 'allowed' }]);
});

test('an ETag is what If-Match takes; If-None-Match: * creates only', async () => {
  const put = (headers: Record<string, string>) =>
    send('/v1/tenants/acme', { method: 'PUT', body: JSON.stringify(tenant), headers });
  const made = await put({ 'if-none-match': '*' });
  assert.deepEqual([made.status, made.headers.get('etag')], [200, '"1"']);
  assert.equal((await put({ 'if-none-match': '*' })).status, 412);
  const read = await send('/v1/tenants/acme');
  assert.equal(read.headers.get('etag'), '"1"');
  assert.equal((await put({ 'if-match': read.headers.get('etag') ?? '' })).status, 200);
  assert.equal((await put({ 'if-match': '"7"' })).status, 412);
});

test('every answer carries the security headers, and data is not kept by caches', async () => {
  for (const path of ['/', '/v1/status', '/v1/nowhere', '/healthz']) {
    const { headers } = await send(path);
    assert.match(
      headers.get('content-security-policy') ?? '',
      /default-src 'none'.*script-src 'self';.*frame-ancestors 'none'/,
    );
    assert.deepEqual(
      ['x-content-type-options', 'referrer-policy', 'x-frame-options'].map((h) => headers.get(h)),
      ['nosniff', 'no-referrer', 'DENY'],
    );
  }
  assert.equal((await send('/v1/status')).headers.get('cache-control'), 'no-store');
});

test("the console's files are served, and its own routes lead to it", async () => {
  const page = { headers: { accept: 'text/html' } };
  for (const path of ['/', '/vms/some-id']) {
    const response = await send(path, page);
    assert.deepEqual([response.status, response.headers.get('cache-control')], [200, 'no-cache']);
    assert.match(await response.text(), /<title>console/);
  }
  assert.match((await send('/assets/app-1a2b.js')).headers.get('cache-control') ?? '', /immutable/);
  assert.equal((await send('/assets/gone.js')).status, 404);
  assert.equal((await send('/v1/gone', page)).status, 404);
  assert.equal((await send('/..%2f..%2fpackage.json')).status, 404);
});

test('signing in is limited per address', async () => {
  const statuses = [];
  for (let i = 0; i < 25; i++) {
    const response = await fetch(`${p.url}/v1/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    statuses.push(response.status);
    if (response.status === 429) assert.ok(Number(response.headers.get('retry-after')) > 0);
  }
  assert.deepEqual([statuses[0], statuses.at(-1)], [400, 429]);
});

test('the description of the API has every operation, and docs/openapi.json is fresh', async () => {
  const served = (await (await fetch(`${p.url}/v1/openapi.json`)).json()) as {
    openapi: string;
    paths: Record<string, Record<string, { operationId: string }>>;
  };
  const ids = Object.values(served.paths).flatMap((path) => Object.values(path).map((o) => o.operationId));
  assert.deepEqual(ids.sort(), Object.keys(OPERATIONS).sort());
  assert.equal(served.openapi, '3.1.0');
  assert.equal(await readFile(OPENAPI_FILE, 'utf8'), await openapiText(), 'run ./wocloud gen');
});

test('no two operations share a method and path', () => {
  const places = (Object.values(OPERATIONS) as Operation[]).map(
    (o) => `${o.method} ${o.path.replace(/:\w+/g, ':x')}`,
  );
  assert.equal(new Set(places).size, places.length);
});
