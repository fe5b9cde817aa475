// Inspection events: each stored once, found by every filter, seen by those whose VMs they are about, alike in lists
// and live.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { InspectionQuery } from '@wocloud/protocol/api.ts';
import { encodeBatch } from '@wocloud/protocol/columns.ts';
import { EVENT_ACTIONS, type InspectionEvent } from '@wocloud/protocol/inspection.ts';
import type { ObservedVm } from '@wocloud/protocol/reports.ts';
import type { Scope } from '../handler.ts';
import { PLATFORM, callOf, ofTenant, startTestFacts, until, type TestFacts } from '../testing/facts.ts';
import { FakeEngine, fakeEvent, fakeFlow, fakeVm } from '../testing/fake-engine.ts';
import type { InspectionBlock } from './block.ts';
import { eventFilter } from './filter.ts';
import { liveEvents } from './live.ts';
import { eventMatcher } from './match.ts';
import { eventView } from './view.ts';

let at: TestFacts;
let engine: FakeEngine;
let [web, db, other] = [] as unknown as [ObservedVm, ObservedVm, ObservedVm];
before(async () => {
  at = await startTestFacts();
  engine = await at.engine('kvm1');
  web = fakeVm({ name: 'web', tenant: 'acme' }, '10.0.0.1');
  db = fakeVm({ name: 'db', tenant: 'acme' }, '10.0.0.2');
  other = fakeVm({ name: 'other', tenant: 'beta' }, '10.0.0.3');
  engine.inventory([web, db, other]);
});
after(() => at.close());

const page = async (query: InspectionQuery = {}, scope: Scope = PLATFORM) => {
  const answer = await at.facts.handlers['inspection.list']?.(callOf(scope, { query }));
  assert.ok(answer);
  return answer;
};
const events = async (query: InspectionQuery = {}, scope: Scope = PLATFORM) =>
  (await page(query, scope)).items;
const store = async (rows: InspectionEvent[], by = engine) => {
  by.inspection(rows);
  await by.settled();
};

test('an event is listed with everything it says, VMs by name, the far end by its address', async () => {
  const detail = JSON.stringify({ tls: { sni: 'example.com', version: 'TLS 1.3' } });
  await store([
    fakeEvent({
      network: 'kvm1/br0',
      srcVm: web.id,
      dst: '10.0.0.3',
      flow: 18_446_744_073_709_551_615n,
      signature: 4_294_967_295,
      title: '标题 "quoted"',
      subject: 'example.com',
      action: 'blocked',
      technique: 'T1190',
      detail,
    }),
    fakeEvent({
      network: 'said',
      type: 'stats',
      protocol: 0,
      src: '',
      dst: '',
      sport: 0,
      dport: 0,
      detail: '[1',
    }),
  ]);
  const [one] = await events({ signature: ['4294967295'] });
  assert.deepEqual(
    [one?.type, one?.gateway, one?.host, one?.flow, one?.title, one?.technique, one?.action, one?.protocol],
    ['alert', 'edge/1', engine.host, '18446744073709551615', '标题 "quoted"', 'T1190', 'blocked', 'tcp'],
  );
  assert.deepEqual(one?.src, { vm: web.id, name: 'web', tenant: 'acme', ip: '10.0.0.1', port: 40_000 });
  assert.deepEqual([one?.dst.name, one?.dst.port], ['other', 443]);
  assert.deepEqual(one?.detail, JSON.parse(detail));
  const [stats] = await events({ type: ['stats'] });
  assert.deepEqual([stats?.src.ip, stats?.dst.ip, stats?.protocol], ['', '', '']);
  assert.deepEqual(stats?.detail, { text: '[1' });
});

test('each part of the filter, and its negation', async () => {
  const network = 'filter';
  const base = { network, dport: 1 };
  await store([
    fakeEvent({ ...base, srcVm: web.id, dport: 443, flow: 77n, subject: 'Bad.Example' }),
    fakeEvent({
      ...base,
      type: 'dns',
      srcVm: db.id,
      protocol: 17,
      sport: 53,
      application: 'dns',
      signature: 0,
    }),
    fakeEvent({
      ...base,
      action: 'blocked',
      dst: '192.0.2.9',
      dport: 22,
      application: 'ssh',
      gateway: 'edge/2',
    }),
    fakeEvent({
      ...base,
      dstVm: other.id,
      dport: 80,
      gateway: 'edge-2/1',
      title: 'ET Log4j',
      category: 'x_y',
    }),
  ]);
  const ports = async (query: InspectionQuery) =>
    (await events({ network: [network], ...query })).map((e) => e.dst.port).sort((a, b) => a - b);
  assert.deepEqual(await ports({}), [1, 22, 80, 443]);
  assert.deepEqual(await ports({ type: ['dns'] }), [1]);
  assert.deepEqual(await ports({ type: ['!dns'] }), [22, 80, 443]);
  assert.deepEqual(await ports({ action: ['blocked'] }), [22]);
  assert.deepEqual(await ports({ signature: ['!2001234'] }), [1]);
  assert.deepEqual(await ports({ application: ['dns', 'ssh'] }), [1, 22]);
  assert.deepEqual(await ports({ vm: ['web'] }), [443]);
  assert.deepEqual(await ports({ vm: ['!web', '!db'] }), [22, 80]);
  assert.deepEqual(await ports({ ip: ['192.0.2.0/24'] }), [22]);
  assert.deepEqual(await ports({ port: ['udp/53'] }), [1], 'the port of either end');
  assert.deepEqual(await ports({ port: ['22-30', '443'] }), [22, 443]);
  assert.deepEqual(await ports({ flow: '77' }), [443]);
  assert.deepEqual(await ports({ tenant: ['beta'] }), [80]);
  assert.deepEqual(await ports({ host: ['kvm1'] }), [1, 22, 80, 443]);
  assert.deepEqual(await ports({ gateway: ['edge'] }), [1, 22, 443], 'a gateway is all of its instances');
  assert.deepEqual(await ports({ gateway: ['edge/2'] }), [22]);
  assert.deepEqual(await ports({ q: 'bad.example' }), [443]);
  assert.deepEqual(await ports({ q: 'LOG4J' }), [80]);
  assert.deepEqual(await ports({ q: '%' }), []);
  assert.deepEqual(await ports({ since: '1h' }), [1, 22, 80, 443]);
  assert.deepEqual(await ports({ until: '1h' }), []);
  for (const query of [{ ip: ['x'] }, { port: ['99999'] }, { flow: '-1' }, { flow: '99999999999999999999' }])
    await assert.rejects(events(query), { code: 'bad-request' });
  for (const query of [{ vm: ['nobody'] }, { host: ['nowhere'] }])
    await assert.rejects(events(query), { code: 'not-found' });
});

test('no text of a caller becomes SQL, and a cursor that is made up is refused', async () => {
  for (const text of ["x' OR 1 = 1 --", "\\' OR 1=1 --", "'); DROP TABLE inspection; --"])
    for (const query of [{ network: [text] }, { gateway: [text] }, { application: [text] }, { q: text }])
      assert.deepEqual(await events(query), []);
  for (const key of [[1.5, 'x', 1, 1], [1e300, 'x', 1, 1], [1, "'", 1], ['x']])
    await assert.rejects(events({ cursor: Buffer.from(JSON.stringify(key)).toString('base64url') }), {
      code: 'bad-request',
    });
});

test('pages go on where the last one ended, also among events of one microsecond', async () => {
  const time = Date.now() * 1000;
  await store(
    Array.from({ length: 23 }, (_, i) => fakeEvent({ network: 'pages', time: time - (i % 3), dport: i })),
  );
  await store(Array.from({ length: 9 }, (_, i) => fakeEvent({ network: 'pages', time, dport: 23 + i })));
  const seen: number[] = [];
  const ids = new Set<string>();
  let cursor: string | undefined;
  do {
    const { items, next } = await page({ network: ['pages'], limit: 5, ...(cursor ? { cursor } : {}) });
    for (const item of items) {
      seen.push(item.dst.port);
      ids.add(item.id);
    }
    cursor = next ?? undefined;
    await store([fakeEvent({ network: 'pages', time: time + 1_000_000, dport: 99 })]);
  } while (cursor);
  assert.deepEqual(
    seen.sort((a, b) => a - b),
    Array.from({ length: 32 }, (_, i) => i),
  );
  assert.equal(ids.size, 32);
});

test('a tenant sees the events of its VMs, and of the other end the address alone', async () => {
  const network = 'kvm1/br0';
  const base = { network, sport: 4711 };
  await store([
    fakeEvent({ ...base, srcVm: web.id, dstVm: other.id, dst: '10.0.0.3' }),
    fakeEvent({ ...base, srcVm: other.id, dst: '192.0.2.1', dport: 22, title: 'secret of beta' }),
    fakeEvent({ ...base, type: 'stats', protocol: 0, src: '', dst: '' }),
  ]);
  const mine = async (query: InspectionQuery, scope: Scope) =>
    (await events(query, scope)).filter((e) => e.src.port === 4711);
  const [across, ...more] = await mine({}, ofTenant('acme'));
  assert.equal(more.length, 0);
  assert.deepEqual(across?.dst, { vm: null, name: null, tenant: null, ip: '10.0.0.3', port: 443 });
  assert.deepEqual([across?.src.name, across?.host, across?.gateway], ['web', engine.host, 'edge/1']);
  assert.equal((await mine({}, ofTenant('beta'))).length, 2);
  assert.equal((await mine({}, ofTenant('acme', [db.id]))).length, 0);
  assert.equal((await mine({}, ofTenant('beta', []))).length, 0);
  assert.equal((await mine({}, ofTenant('nobody'))).length, 0);
  // A filter is no way to find out what the list does not show.
  for (const query of [{ vm: [other.id] }, { vm: ['other'] }, { host: ['elsewhere'] }])
    await assert.rejects(events(query, ofTenant('acme')), { code: 'not-found' });
  assert.equal((await mine({ tenant: ['beta'] }, ofTenant('acme'))).length, 0);
  assert.equal((await mine({ tenant: ['!beta'] }, ofTenant('acme'))).length, 1);
  assert.equal((await mine({ q: 'secret' }, ofTenant('acme'))).length, 0);
});

test('a host and its gateways are known only to those who have a VM there', async () => {
  const second = await at.engine('kvm2');
  const far = fakeVm({ name: 'far', tenant: 'gamma' }, '10.7.0.4', 'br7');
  second.inventory([far]);
  await until(() => at.facts.directory.vm(far.id));
  // kvm2 says a VM of kvm1 talks: the name is not taken from it.
  await store(
    [
      fakeEvent({ network: 'two', srcVm: far.id, dport: 1 }),
      fakeEvent({ network: 'two', srcVm: web.id, src: '10.9.9.9', dport: 2 }),
    ],
    second,
  );
  const [seen] = await events({ network: ['two'] }, ofTenant('gamma'));
  assert.deepEqual([seen?.host, seen?.gateway], [second.host, 'edge/1']);
  assert.deepEqual(await events({ network: ['two'] }, ofTenant('acme')), []);
  assert.equal((await events({ network: ['two'], port: ['2'] }))[0]?.src.vm, null);
  assert.equal((await events({ network: ['two'], gateway: ['edge'] }, ofTenant('gamma'))).length, 1);
});

test('a long detail arrives whole; a time no clock could have shown is the time of arrival', async () => {
  const detail = JSON.stringify({ payload: 'x'.repeat(16_000) });
  await store([fakeEvent({ network: 'long', detail }), fakeEvent({ network: 'long', time: 1 })]);
  const rows = await events({ network: ['long'] });
  assert.ok(rows.some((row) => JSON.stringify(row.detail) === detail));
  for (const row of rows) assert.ok(Math.abs(Date.parse(row.time) - Date.now()) < 60_000);
});

test('the list and a live stream agree on every filter and every caller', async () => {
  let block: InspectionBlock | undefined;
  const stop = at.facts.inspection.onArrival((_host, arrived) => (block = arrived));
  const vms = ['', web.id, db.id, other.id];
  const texts = ['', 'Ünïcode İ', 'ET Log4j', 'log', 'a_b%'];
  const record = fc.record({
    type: fc.constantFrom('alert' as const, 'dns' as const, 'tls' as const),
    action: fc.constantFrom(...EVENT_ACTIONS),
    srcVm: fc.constantFrom(...vms),
    dstVm: fc.constantFrom(...vms),
    src: fc.constantFrom('10.0.0.9', '192.0.2.1', '2001:db8::1'),
    dst: fc.constantFrom('10.0.0.9', '192.0.2.1', '2001:db8::1'),
    protocol: fc.constantFrom(1, 6, 17),
    sport: fc.constantFrom(0, 53, 40_000),
    dport: fc.constantFrom(0, 53, 443),
    signature: fc.constantFrom(0, 7, 2_001_234),
    application: fc.constantFrom('', 'tls', 'dns'),
    gateway: fc.constantFrom('edge/1', 'edge/2', 'edge-2/1'),
    title: fc.constantFrom(...texts),
    subject: fc.constantFrom(...texts),
    flow: fc.constantFrom(1n, 2n),
  });
  const rows = fc.sample(record, 300).map((r) => fakeEvent({ ...r, network: 'agree' }));
  await store(rows);
  stop();
  assert.ok(block);
  const live = [...liveEvents(engine.host, block, rows.length)];
  const not = fc.constantFrom('', '!');
  const many = (...values: string[]) =>
    fc.array(
      fc.tuple(not, fc.constantFrom(...values)).map(([n, v]) => n + v),
      { maxLength: 2 },
    );
  const query = fc.record(
    {
      type: many('alert', 'dns'),
      action: many('blocked', 'none'),
      signature: many('7', '2001234'),
      application: many('tls', 'dns'),
      vm: many('web', '10.0.0.9', '2001:db8::/32'),
      ip: many('192.0.2.0/24', '10.0.0.9'),
      port: many('443', 'udp/53', '0-100'),
      tenant: many('acme', 'beta'),
      gateway: many('edge', 'edge/2', 'edge-2'),
      flow: fc.constantFrom('1', '2'),
      q: fc.constantFrom('log', 'LOG4', 'İ', 'ünï', '_', '%'),
    },
    { requiredKeys: [], noNullPrototype: true },
  );
  const scopes = [PLATFORM, ofTenant('acme'), ofTenant('acme', [web.id, db.id])];
  await fc.assert(
    fc.asyncProperty(query, fc.constantFrom(...scopes), async (q, scope) => {
      const filter = eventFilter({ ...q, network: ['agree'] }, scope, at.facts.directory, new Date());
      const expected = live
        .filter(eventMatcher(filter))
        .map((event) => eventView(event, scope, at.facts.directory));
      const listed = await events({ ...q, network: ['agree'], limit: 1000 }, scope);
      const byId = (a: { id: string }, b: { id: string }) => (a.id < b.id ? -1 : 1);
      assert.deepEqual(listed.sort(byId), expected.sort(byId));
    }),
    { numRuns: 60 },
  );
});

test('flows and events are streams of their own: numbers, acknowledgments and what was lost', async () => {
  const both = await at.engine('both');
  assert.equal(both.flows([fakeFlow()]), 1);
  assert.equal(both.inspection([fakeEvent({ network: 'both' })]), 1);
  await both.settled();
  const batch = encodeBatch('inspection', [fakeEvent({ network: 'both' })] as never[], {
    sequence: 2,
    lost: 7,
  });
  both.batch(2, batch, 'inspection');
  await both.settled(2, 10_000, 'inspection');
  const alerts = await until(async () => {
    const rows = await at.context.db.query<{ key: string; count: number; title: string }>(
      "SELECT key, count, title FROM alerts WHERE kind = 'records.lost'",
    );
    return rows.length > 0 ? rows : undefined;
  });
  assert.deepEqual(
    alerts.map((a) => [a.key, a.count, a.title]),
    [['inspection', 7, 'Inspection events of host both were lost']],
  );
  // The same batch again, after both sides have forgotten the connection.
  both.cut();
  await at.restart();
  const back = new FakeEngine(at.port, both.identity);
  Object.assign(back, { boot: both.boot });
  await back.connect();
  await back.hello();
  back.batch(2, batch, 'inspection');
  await back.settled(2, 10_000, 'inspection');
  assert.equal((await events({ network: ['both'] })).length, 2);
  back.cut();
});
