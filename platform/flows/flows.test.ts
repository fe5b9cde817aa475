// Flows as callers ask for them: the filter language, pages, time, topology, and nothing of what is another tenant's.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import type { FlowQuery } from '@wocloud/protocol/api.ts';
import { VERDICTS, type FlowRecord } from '@wocloud/protocol/flow.ts';
import type { ObservedVm } from '@wocloud/protocol/reports.ts';
import type { Scope } from '../handler.ts';
import { PLATFORM, callOf, ofTenant, startTestFacts, until, type TestFacts } from '../testing/facts.ts';
import { fakeFlow, fakeVm, type FakeEngine } from '../testing/fake-engine.ts';
import { flowFilter } from './filter.ts';
import { liveFlows } from './live.ts';
import { flowMatcher } from './match.ts';
import type { FlowBlock } from './block.ts';
import { flowId } from './view.ts';

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

const flows = async (query: FlowQuery = {}, scope: Scope = PLATFORM) =>
  (await at.facts.handlers['flows.list']?.(callOf(scope, { query })))?.items ?? [];
const store = async (rows: FlowRecord[], by = engine) => {
  by.flows(rows);
  await by.settled();
};

test('a flow is listed once, by its latest record', async () => {
  const flow = fakeFlow({ srcVm: web.id, dstVm: db.id, dport: 5432, network: 'latest' });
  await store([flow, { ...flow, kind: 'update', time: flow.time + 10, bytesOut: 500 }]);
  await store([
    { ...flow, kind: 'end', time: flow.time + 20, end: flow.time + 20, bytesOut: 900, bytesIn: 100 },
  ]);
  const [one, ...more] = await flows({ network: ['latest'] });
  assert.equal(more.length, 0);
  assert.deepEqual([one?.kind, one?.bytesOut, one?.bytesIn], ['end', 900, 100]);
  assert.ok(one?.end !== null);
});

test('each part of the filter language, and its negation', async () => {
  const base = { network: 'filter' };
  await store([
    fakeFlow({ ...base, srcVm: web.id, dstVm: db.id, dport: 5432, ruleIn: 'acme/web/to-db' }),
    fakeFlow({
      ...base,
      srcVm: web.id,
      dst: '192.0.2.9',
      dport: 443,
      verdict: 'dropped',
      ruleOut: 'acme/web/rest',
    }),
    fakeFlow({
      ...base,
      srcVm: db.id,
      dstVm: other.id,
      protocol: 17,
      dport: 53,
      verdict: 'rejected',
      ruleIn: 'beta/x/y',
    }),
    fakeFlow({
      ...base,
      src: '2001:db8::7',
      dstVm: web.id,
      protocol: 58,
      sport: 128,
      dport: 0,
      stagedVerdict: 'dropped',
      stagedRule: '-/p/r',
    }),
  ]);
  const ports = async (query: FlowQuery) =>
    (await flows({ network: ['filter'], ...query })).map((f) => f.dst.port).sort((a, b) => a - b);
  assert.deepEqual(await ports({ vm: ['web'] }), [0, 443, 5432]);
  assert.deepEqual(await ports({ vm: ['!web'] }), [53]);
  assert.deepEqual(await ports({ from: ['web'], to: ['db'] }), [5432]);
  assert.deepEqual(await ports({ from: [db.id] }), [53]);
  assert.deepEqual(await ports({ ip: ['192.0.2.0/24'] }), [443]);
  assert.deepEqual(await ports({ ip: ['2001:db8::/32'] }), [0]);
  assert.deepEqual(await ports({ to: ['192.0.2.9'] }), [443]);
  assert.deepEqual(await ports({ port: ['tcp/5000-6000', '53'] }), [53, 5432]);
  assert.deepEqual(await ports({ port: ['!443'] }), [0, 53, 5432]);
  assert.deepEqual(await ports({ protocol: ['udp', 'icmp6'] }), [0, 53]);
  assert.deepEqual(await ports({ verdict: ['dropped', 'rejected'] }), [53, 443]);
  assert.deepEqual(await ports({ verdict: ['!allowed'] }), [53, 443]);
  assert.deepEqual(await ports({ staged: ['dropped'] }), [0]);
  assert.deepEqual(await ports({ rule: ['acme/web'] }), [443, 5432]);
  assert.deepEqual(await ports({ rule: ['acme/web/rest'] }), [443]);
  assert.deepEqual(await ports({ tenant: ['beta'] }), [53]);
  assert.deepEqual(await ports({ tenant: ['!beta'] }), [0, 443, 5432]);
  assert.deepEqual(await ports({ host: ['kvm1'] }), [0, 53, 443, 5432]);
  assert.deepEqual(await ports({ since: '1h' }), [0, 53, 443, 5432]);
  assert.deepEqual(await ports({ until: '1h' }), []);
  for (const query of [
    { ip: ['10.0.0.1/24'] },
    { port: ['99999'] },
    { port: ['9-1'] },
    { protocol: ['nope'] },
  ])
    await assert.rejects(flows(query), { code: 'bad-request' });
  for (const query of [{ vm: ['nobody'] }, { host: ['nowhere'] }])
    await assert.rejects(flows(query), { code: 'not-found' });
});

test('no text of a caller becomes SQL', async () => {
  for (const text of ["x' OR 1 = 1 --", "\\' OR 1=1 --", "'); DROP TABLE flows; --"]) {
    assert.deepEqual(await flows({ network: [text] }), []);
    assert.deepEqual(await flows({ rule: [text] }), []);
    await assert.rejects(flows({ vm: [text] }), { code: 'not-found' });
    await assert.rejects(flows({ cursor: text }), { code: 'bad-request' });
  }
  const cursor = Buffer.from(JSON.stringify([Date.now() * 1000, "' OR 1", '1) OR (1'])).toString('base64url');
  assert.ok(Array.isArray(await flows({ cursor })));
});

test('pages go on where the last one ended, whatever arrives meanwhile', async () => {
  const rows = Array.from({ length: 25 }, (_, i) =>
    fakeFlow({ network: 'pages', start: Date.now() * 1000 - i * 10, dport: i }),
  );
  await store(rows);
  const seen: string[] = [];
  let cursor: string | undefined;
  do {
    const page = await at.facts.handlers['flows.list']?.(
      callOf(PLATFORM, { query: { network: ['pages'], limit: 10, ...(cursor ? { cursor } : {}) } }),
    );
    seen.push(...(page?.items ?? []).map((f) => f.id));
    cursor = page?.next ?? undefined;
    await store(rows.map((row) => ({ ...row, kind: 'update', time: Date.now() * 1000 })));
  } while (cursor);
  assert.equal(seen.length, 25);
  assert.equal(new Set(seen).size, 25);
});

test('a tenant sees the flows of its VMs, and of the other end the address alone', async () => {
  const base = { network: 'kvm1/br0', sport: 4711 };
  await store([
    fakeFlow({
      ...base,
      srcVm: web.id,
      dstVm: other.id,
      src: '10.0.0.1',
      dst: '10.0.0.3',
      ruleOut: 'acme/out/r',
      ruleIn: 'beta/in/secret',
    }),
    fakeFlow({ ...base, srcVm: other.id, dst: '192.0.2.1', dport: 22 }),
    fakeFlow({ ...base, srcVm: web.id, dstVm: db.id, dport: 5432 }),
  ]);
  const mine = async (query: FlowQuery, scope: Scope) =>
    (await flows(query, scope)).filter((f) => f.src.port === 4711);
  const acme = await mine({}, ofTenant('acme'));
  assert.equal(acme.length, 2);
  const across = acme.find((f) => f.dst.ip === '10.0.0.3');
  assert.deepEqual(across?.dst, { vm: null, name: null, tenant: null, ip: '10.0.0.3', port: 443 });
  assert.deepEqual(
    [across?.src.name, across?.ruleOut, across?.ruleIn, across?.rule],
    ['web', 'acme/out/r', '', ''],
  );
  assert.ok(!JSON.stringify(acme).includes('beta') && !JSON.stringify(acme).includes(other.id));

  assert.equal((await mine({}, ofTenant('beta'))).length, 2);
  assert.equal((await mine({}, ofTenant('beta', []))).length, 0);
  assert.deepEqual(
    (await mine({}, ofTenant('acme', [db.id]))).map((f) => [f.src.name, f.dst.name]),
    [[null, 'db']],
  );
  assert.equal((await mine({}, ofTenant('nobody'))).length, 0);

  // A filter is no way to find out what the list does not show.
  for (const query of [{ vm: [other.id] }, { vm: ['other'] }, { to: ['other'] }, { host: ['elsewhere'] }])
    await assert.rejects(flows(query, ofTenant('acme')), { code: 'not-found' });
  assert.equal((await mine({ rule: ['beta/in'] }, ofTenant('acme'))).length, 0);
  assert.equal((await mine({ rule: ['!beta/in'] }, ofTenant('acme'))).length, 2);
  assert.equal((await mine({ tenant: ['beta'] }, ofTenant('acme'))).length, 0);
  assert.equal((await mine({ tenant: ['!beta'] }, ofTenant('acme'))).length, 2);

  const topology = await at.facts.handlers['topology.get']?.(callOf(ofTenant('acme'), { query: {} }));
  assert.ok(!JSON.stringify(topology).includes(other.id) && !JSON.stringify(topology).includes('beta'));
  assert.ok(topology?.edges.some((e) => e.from === web.id && e.to === 'external'));
});

test('topology by VM and by group; histogram counts each flow once', async () => {
  const network = ['picture'];
  const flow = fakeFlow({
    network: 'picture',
    srcVm: web.id,
    dstVm: db.id,
    dport: 5432,
    bytesOut: 10,
    ruleIn: 'acme/a/b',
  });
  await store([
    flow,
    { ...flow, kind: 'end', time: flow.time + 5, bytesOut: 70, bytesIn: 30 },
    fakeFlow({ network: 'picture', kind: 'drop', srcVm: db.id, dst: '192.0.2.5', verdict: 'dropped' }),
  ]);
  const topology = await at.facts.handlers['topology.get']?.(callOf(PLATFORM, { query: { network } }));
  assert.deepEqual(
    topology?.edges.map((e) => [e.from, e.to, e.verdict, e.flows, e.bytes, e.services, e.rules]).sort(),
    [
      [web.id, db.id, 'allowed', 1, 100, ['tcp/5432'], ['acme/a/b']],
      [db.id, 'external', 'dropped', 1, 60, ['tcp/443'], []],
    ].sort(),
  );
  assert.deepEqual(topology?.nodes.find((n) => n.id === 'external')?.members, ['192.0.2.5']);
  assert.equal(
    topology?.nodes.filter((n) => n.type === 'vm').length,
    3,
    'VMs without flows are there as well',
  );

  await at.context.db.query(
    `WITH d AS (INSERT INTO documents (kind, tenant, name, version, published, document, updated_by)
       VALUES ('Group', 'acme', 'data', 1, 1, $1, 't') RETURNING uid)
     INSERT INTO document_versions (uid, version, by, reason, deleted, document) SELECT uid, 1, 't', '', false, $1 FROM d`,
    [
      {
        apiVersion: 'wocloud/v1',
        kind: 'Group',
        metadata: { name: 'data', tenant: 'acme' },
        spec: { members: ['db'] },
      },
    ],
  );
  await at.facts.directory.refresh();
  const groups = await at.facts.handlers['topology.get']?.(
    callOf(PLATFORM, { query: { network, by: 'group' } }),
  );
  assert.ok(groups?.edges.some((e) => e.from === web.id && e.to === 'group:acme/data'));

  const histogram = await at.facts.handlers['flows.histogram']?.(
    callOf(PLATFORM, { query: { network, since: '10m', buckets: 10 } }),
  );
  assert.equal(histogram?.buckets.length, 10);
  const sum = (key: 'allowed' | 'dropped' | 'bytes') => histogram?.buckets.reduce((n, b) => n + b[key], 0);
  assert.deepEqual([sum('allowed'), sum('dropped'), sum('bytes')], [1, 1, 160]);
});

test('a flow that two hosts report counts once; a host is believed about its own VMs only', async () => {
  const second = await at.engine('kvm2');
  const far = fakeVm({ name: 'far', tenant: 'acme' }, '10.0.0.4', 'br9');
  await at.context.db.query(
    `WITH d AS (INSERT INTO documents (kind, name, version, published, document, updated_by)
       VALUES ('Network', 'lan', 1, 1, $1, 't') RETURNING uid)
     INSERT INTO document_versions (uid, version, by, reason, deleted, document) SELECT uid, 1, 't', '', false, $1 FROM d`,
    [
      {
        apiVersion: 'wocloud/v1',
        kind: 'Network',
        metadata: { name: 'lan' },
        spec: {
          members: [
            { host: 'kvm1', bridge: 'br0' },
            { host: 'kvm2', bridge: 'br9' },
          ],
        },
      },
    ],
  );
  second.inventory([far]);
  await until(() => at.facts.directory.vm(far.id));
  await at.facts.directory.refresh();
  const seen = { network: 'lan', src: '10.0.0.1', dst: '10.0.0.4', dport: 8443 };
  await store([fakeFlow({ ...seen, point: 'source', srcVm: web.id })]);
  await store([fakeFlow({ ...seen, point: 'destination', dstVm: far.id })], second);
  const once = await flows({ port: ['8443'] });
  assert.deepEqual(
    once.map((f) => [f.point, f.src.name, f.dst.name]),
    [['source', 'web', 'far']],
  );
  assert.deepEqual(
    (await flows({ port: ['8443'], host: ['kvm2'] })).map((f) => f.point),
    ['destination'],
  );

  // kvm2 says a VM of kvm1 talks: the name is not taken from it.
  await store(
    [fakeFlow({ network: 'elsewhere', srcVm: db.id, src: '10.9.9.9', dst: '192.0.2.1', dport: 6667 })],
    second,
  );
  const [claimed] = await flows({ port: ['6667'] });
  assert.equal(claimed?.src.vm, null);
  assert.equal((await flows({ port: ['6667'] }, ofTenant('acme'))).length, 0);
});

test('records with a time no clock could have shown are kept, under the time they came', async () => {
  await store([
    fakeFlow({ network: 'clock', time: 1, start: 1 }),
    fakeFlow({ network: 'clock', time: 8e15, start: 8e15 }),
  ]);
  const rows = await flows({ network: ['clock'] });
  assert.equal(rows.length, 2);
  for (const row of rows) assert.ok(Math.abs(Date.parse(row.time) - Date.now()) < 60_000);
});

test('the list and a live stream agree on every filter and every caller', async () => {
  let block: FlowBlock | undefined;
  const stop = at.facts.flows.onArrival((_host, arrived) => (block = arrived));
  const vms = ['', web.id, db.id, other.id];
  const rules = ['', 'acme/a/b', 'beta/c/d', '-/p/q', 'default/within', 'suricata/7', 'suricata/7/x'];
  const record = fc.record({
    srcVm: fc.constantFrom(...vms),
    dstVm: fc.constantFrom(...vms),
    src: fc.constantFrom('10.0.0.9', '192.0.2.1', '2001:db8::1'),
    dst: fc.constantFrom('10.0.0.9', '192.0.2.1', '2001:db8::1'),
    protocol: fc.constantFrom(1, 6, 17),
    dport: fc.constantFrom(0, 53, 443),
    verdict: fc.constantFrom(...VERDICTS),
    ruleOut: fc.constantFrom(...rules),
    ruleIn: fc.constantFrom(...rules),
  });
  const rows = fc.sample(record, 300).map((r) => fakeFlow({ ...r, network: 'agree' }));
  await store(rows);
  stop();
  assert.ok(block);
  const live = [...liveFlows(engine.host, block, rows.length)];
  const not = fc.constantFrom('', '!');
  const many = (...values: string[]) =>
    fc.array(
      fc.tuple(not, fc.constantFrom(...values)).map(([n, v]) => n + v),
      { maxLength: 2 },
    );
  const query = fc.record(
    {
      vm: many('web', 'db'),
      from: many('web', '10.0.0.9', '2001:db8::/32'),
      ip: many('192.0.2.0/24', '10.0.0.9'),
      port: many('443', 'udp/53', '0-100'),
      protocol: many('tcp', 'icmp'),
      verdict: many('allowed', 'dropped'),
      rule: many('acme/a', 'beta/c/d', '-/p', 'suricata', 'suricata/7'),
      tenant: many('acme', 'beta'),
    },
    { requiredKeys: [], noNullPrototype: true },
  );
  const scopes = [PLATFORM, ofTenant('acme'), ofTenant('acme', [web.id, db.id])];
  await fc.assert(
    fc.asyncProperty(query, fc.constantFrom(...scopes), async (q, scope) => {
      const filter = flowFilter({ ...q, network: ['agree'] }, scope, at.facts.directory, new Date());
      const expected = live
        .filter(flowMatcher(filter))
        .map((f) => flowId(f))
        .sort();
      const listed = (await flows({ ...q, network: ['agree'], limit: 1000 }, scope)).map((f) => f.id).sort();
      assert.deepEqual(listed, expected);
    }),
    { numRuns: 60 },
  );
});
