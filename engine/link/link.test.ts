// Joining and staying linked, over real TLS: what is trusted, what survives a lost connection, and a killed engine.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { HostFacts } from '@wocloud/protocol/reports.ts';
import type { FlowRecord } from '@wocloud/protocol/flow.ts';
import { openLog } from '../log.ts';
import { startFakePlatform, type FakePlatform } from '../testing/platform.ts';
import { openTls, parseEndpoint } from './endpoint.ts';
import { readIdentity } from './identity.ts';
import { join } from './join.ts';
import { Link } from './link.ts';

const log = openLog('silent');
const facts: HostFacts = {
  hostname: 'h',
  kernel: 'k',
  libvirt: '',
  qemu: '',
  libvirtUp: true,
  cpus: 1,
  memoryKiB: 1,
  notices: [],
};
const record: FlowRecord = {
  time: 1,
  kind: 'start',
  flow: 1n,
  start: 1,
  end: 0,
  network: 'n',
  point: 'source',
  srcVm: '',
  dstVm: '',
  src: '10.0.0.1',
  dst: '10.0.0.2',
  protocol: 6,
  sport: 1,
  dport: 2,
  packetsOut: 1,
  packetsIn: 1,
  bytesOut: 1,
  bytesIn: 1,
  verdict: 'allowed',
  ruleOut: '',
  ruleIn: '',
  stagedVerdict: 'none',
  stagedRule: '',
};
const rows = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => ({ ...record, time: from + i }));

let dir: string;
let platform: FakePlatform;
const links: Link[] = [];

beforeEach(async () => {
  dir = mkdtempSync(joinPath(tmpdir(), 'engine-link-'));
  platform = await startFakePlatform();
});
afterEach(async () => {
  for (const link of links.splice(0)) await link.close();
  await platform.stop();
  rmSync(dir, { recursive: true });
});

async function linked(spoolBytes = 1 << 24): Promise<Link> {
  const endpoint = parseEndpoint(platform.address);
  const identity = readIdentity(dir) ?? (await join(endpoint, platform.token(), dir, 'host-a'));
  const health = () => ({ time: 1, uptimeSeconds: 1, residentBytes: 1, counters: {} });
  const link = new Link({
    endpoint,
    identity,
    dir,
    spoolBytes,
    generation: () => 7,
    facts: () => facts,
    health,
    log,
  });
  links.push(link);
  link.start();
  await platform.until('a hello', () => platform.messages.find((m) => m.type === 'hello'));
  return link;
}

test('a host joins with a token, keeps its key private, and says hello', async () => {
  const link = await linked();
  const hello = platform.messages[0];
  assert.ok(hello?.type === 'hello');
  assert.equal(hello.generation, 7);
  assert.equal(link.identity.host, platform.host);
  for (const name of readdirSync(dir)) {
    const { mode } = statSync(joinPath(dir, name));
    assert.equal(mode & 0o077, 0, `${name} is readable by others`);
  }
});

test('over a unix socket it is the same', async () => {
  const path = joinPath(dir, 'l.sock');
  const other = await startFakePlatform(path);
  try {
    const identity = await join(parseEndpoint(other.address), other.token(), joinPath(dir, 'state'), 'h');
    assert.equal(identity.host, other.host);
  } finally {
    await other.stop();
  }
});

test('a listener that closes on a connection it has not accepted is an error to whoever waits, and no more', async () => {
  const path = joinPath(dir, 'gone.sock');
  const server = createServer().listen(path);
  await once(server, 'listening');
  const connecting = openTls({ path }, {}, 5_000);
  server.close();
  await assert.rejects(connecting, { code: 'ECONNRESET' });
});

test('a platform that is not the one of the token gets neither the token nor a request', async () => {
  const impostor = await startFakePlatform();
  try {
    const token = platform.token();
    await assert.rejects(join(parseEndpoint(impostor.address), token, dir, 'h'), {
      code: 'join',
      message: /is not the platform/,
    });
    assert.equal(readIdentity(dir), undefined);
    assert.deepEqual(impostor.issued, []);
  } finally {
    await impostor.stop();
  }
});

test('a used or malformed token is refused with words', async () => {
  const token = platform.token();
  const endpoint = parseEndpoint(platform.address);
  await join(endpoint, token, dir, 'h');
  await assert.rejects(join(endpoint, token, joinPath(dir, 'b'), 'h'), {
    code: 'join',
    message: /403: The token has been used/,
  });
  await assert.rejects(join(endpoint, 'nonsense', dir, 'h'), { code: 'join' });
});

test('records arrive numbered, and after a cut each exactly once', async () => {
  const link = await linked();
  platform.acknowledge = false;
  for (let i = 0; i < 5; i++) link.records('flows', rows(i * 10, 10), 0);
  await platform.until('five batches', () => platform.batches.length === 5);
  platform.cut();
  platform.acknowledge = true;
  await platform.until('all again', () => platform.batches.length === 10);
  assert.deepEqual(
    platform.batches.map((b) => b.sequence),
    [1, 2, 3, 4, 5, 1, 2, 3, 4, 5],
  );
  await platform.until('all acknowledged', () => link.counters['spool.pendingRows'] === 0);
});

test('what waited on disk is sent by the next engine under the same numbers', async () => {
  const first = await linked();
  const hello = platform.messages[0];
  platform.acknowledge = false;
  for (let i = 0; i < 40; i++) first.records('flows', rows(i, 1), 0);
  // Only as many as the window allows are under way.
  await platform.until('the window', () => platform.batches.length === 32);
  await first.close();
  links.pop();
  platform.messages.length = platform.batches.length = 0;
  platform.acknowledge = true;
  const second = await linked();
  await platform.until('all', () => platform.batches.length === 40);
  const again = platform.messages[0];
  assert.ok(hello?.type === 'hello' && again?.type === 'hello');
  assert.equal(again.boot, hello.boot);
  assert.deepEqual(
    platform.rows.map((r) => r['time']),
    Array.from({ length: 40 }, (_, i) => i),
  );
  second.records('flows', rows(100, 1));
  await platform.until('the next number', () => platform.batches.some((b) => b.sequence === 41));
});

test('a full spool takes no more, and says how many rows that cost', async () => {
  const link = await linked(8_192);
  platform.acknowledge = false;
  for (let i = 0; i < 30; i++) link.records('flows', rows(i, 10), 0);
  const lost = link.counters['link.rowsLost'] ?? 0;
  assert.ok(lost > 0 && lost % 10 === 0);
  platform.acknowledge = true;
  platform.cut();
  await platform.until('what was kept', () => link.counters['spool.pendingRows'] === 0);
  await platform.until('room', () => (link.counters['spool.bytes'] ?? 1) === 0);
  link.records('flows', rows(99, 1), 0);
  const last = await platform.until('the next batch', () => platform.batches.find((b) => b.lost > 0));
  assert.equal(last.lost, lost);
});

test('a platform that goes away and comes back finds the engine again', async () => {
  const link = await linked();
  const opened: number[] = [];
  link.on('open', () => opened.push(1));
  await platform.stop();
  link.records('flows', rows(0, 3), 0);
  platform.messages.length = 0;
  await platform.restart();
  await platform.until('hello again', () => platform.messages.some((m) => m.type === 'hello'), 15_000);
  await platform.until('the records', () => platform.rows.length === 3);
  assert.equal(opened.length, 1);
});

test('frames that are not the protocol are counted, and end the connection when they repeat', async () => {
  const link = await linked();
  platform.sendText('{"type":"desired","state":{}}');
  platform.sendText('not json');
  await platform.until('two counted', () => link.counters['link.malformed'] === 2);
  assert.equal(platform.connected, true);
  platform.sendText('[]');
  await platform.until('closed', () => !platform.connected);
});

test('the certificate is renewed before it ends', async () => {
  platform.certificateMs = 12_000;
  const link = await linked();
  const before = link.identity.notAfter;
  platform.certificateMs = 3_600_000;
  await platform.until('a renewal', () => platform.issued.length === 2, 20_000);
  await platform.until('the new one in use', () => link.identity.notAfter > before);
  assert.equal(readIdentity(dir)?.notAfter, link.identity.notAfter);
});
