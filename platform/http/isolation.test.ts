// Two tenants share hosts, networks' names and address ranges; whatever one asks for, nothing of the other's comes
// back. Everything of acme's carries a marker, and every reading operation is asked by globex for acme's things.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { OPERATIONS, type Operation, type OperationId } from '@wocloud/protocol/api.ts';
import { operationUrl } from '@wocloud/protocol/client.ts';
import type { Document } from '@wocloud/protocol/resources/kinds.ts';
import { fakeEvent, fakeFlow, fakeInstance, fakeVm, type FakeEngine } from '../testing/fake-engine.ts';
import { until } from '../testing/facts.ts';
import { codeOf, startTestPlatform, type TestPlatform, type TestUser } from '../testing/platform.ts';

const MARK = 'zz-marker';
const ACME_IP = '10.0.0.77';
const apiVersion = 'wocloud/v1' as const;
let p: TestPlatform;
let security: TestUser;
let auditor: TestUser;
let alice: TestUser;
let bob: TestUser;
let member: TestUser;
let engine: FakeEngine;
const hers = fakeVm({ name: `${MARK}-web`, tenant: 'acme', labels: { app: MARK } }, ACME_IP, 'br1');
const his = fakeVm({ name: 'gx-web', tenant: 'globex', labels: { app: 'web' } }, '10.0.0.5', 'br2');
let publication = 0;
let alert = '';

const group = (tenant: string, name: string): Document => ({
  apiVersion,
  kind: 'Group',
  metadata: { name, tenant },
  spec: { selector: 'app=web' },
});
const policy = (tenant: string, name: string): Document => ({
  apiVersion,
  kind: 'Policy',
  metadata: { name, tenant },
  spec: {
    tier: 'tenant',
    priority: 1,
    mode: 'enforce',
    appliesTo: 'all',
    rules: [{ name: `${name}-rule`, direction: 'in', action: 'allow', from: ['any'], services: ['tcp/443'] }],
  },
});
const service = (tenant: string, name: string): Document => ({
  apiVersion,
  kind: 'Service',
  metadata: { name, tenant },
  spec: { ports: ['tcp/1'] },
});
const insertion = (tenant: string, name: string): Document => ({
  apiVersion,
  kind: 'Insertion',
  metadata: { name, tenant },
  spec: { appliesTo: { selector: 'app=web' }, mode: 'inline' },
});
const limit = (tenant: string, name: string): Document => ({
  apiVersion,
  kind: 'Limit',
  metadata: { name, tenant },
  spec: { appliesTo: 'all', connections: 1_000 },
});

before(async () => {
  p = await startTestPlatform();
  security = await p.user('sec', { roles: ['security-admin'] });
  auditor = await p.user('audrey', { roles: ['auditor'] });
  alice = await p.user(`${MARK}-alice`, { tenant: 'acme', tenantRole: 'owner' });
  bob = await p.user('bob', { tenant: 'globex', tenantRole: 'owner' });
  member = await p.user('mallory', { tenant: 'globex', tenantRole: 'member' });
  const tenants = ['acme', 'globex'].map((name): Document => ({
    apiVersion,
    kind: 'Tenant',
    metadata: { name },
    spec: {},
  }));
  await security.call('documents.apply', { body: { documents: tenants } });
  engine = await p.engine('kvm1', [hers, his]);
  const documents = [
    policy('acme', `${MARK}-policy`),
    group('acme', `${MARK}-group`),
    service('acme', `${MARK}-service`),
    insertion('acme', `${MARK}-insertion`),
    limit('acme', `${MARK}-limit`),
  ];
  await alice.call('documents.apply', { body: { documents } });
  await alice.call('vms.update', { params: { id: hers.id }, body: { labels: { note: MARK } } });
  publication = (await alice.call('publications.create', { body: { message: MARK } })).id;
  await bob.call('documents.apply', {
    body: {
      documents: [
        policy('globex', 'own-policy'),
        group('globex', 'own-group'),
        insertion('globex', 'own-insertion'),
        limit('globex', 'own-limit'),
      ],
    },
  });
  // Gateways are the platform's: their names are nobody else's to know.
  engine.gateways([fakeInstance({ id: `${MARK}-gateway/1` })], [MARK]);
  engine.inspection([
    fakeEvent({
      srcVm: hers.id,
      src: ACME_IP,
      dst: '192.0.2.9',
      network: 'kvm1/br1',
      gateway: `${MARK}-gateway/1`,
      title: MARK,
      detail: JSON.stringify({ http: { hostname: MARK } }),
    }),
    fakeEvent({ srcVm: his.id, src: '10.0.0.5', dst: '192.0.2.10', network: 'kvm1/br2' }),
  ]);
  engine.alert({
    kind: 'spoof.mac',
    key: MARK,
    severity: 'high',
    title: MARK,
    vm: hers.id,
    time: Date.now() * 1000,
    count: 1,
    evidence: { mac: MARK },
  });
  engine.flows([
    fakeFlow({
      srcVm: hers.id,
      src: ACME_IP,
      dst: '192.0.2.9',
      network: 'kvm1/br1',
      ruleOut: `acme/${MARK}-policy/x`,
    }),
    fakeFlow({ srcVm: his.id, src: '10.0.0.5', dst: '192.0.2.10', network: 'kvm1/br2' }),
  ]);
  await engine.settled();
  await until(async () => {
    const { items } = await auditor.call('alerts.list');
    alert = items[0]?.id ?? '';
    return items.length > 0;
  });
});
after(() => p.close());

/** Everything of acme's that could be named in an address. */
const KEYS = (): string[] => [
  `${MARK}-policy`,
  `${MARK}-group`,
  `${MARK}-service`,
  `${MARK}-insertion`,
  `${MARK}-limit`,
  `${MARK}-gateway`,
  `${MARK}-web`,
  `${MARK}-alice`,
  hers.id,
  alice.id,
  String(publication),
  alert,
  'acme',
];
const READS = (Object.entries(OPERATIONS) as [OperationId, Operation][]).filter(
  ([, o]) => o.method === 'GET' && !o.raw,
);

async function ask(user: TestUser, operation: Operation, key: string, query: object) {
  const response = await fetch(p.url + operationUrl(operation, { id: key, name: key }, query), {
    headers: { authorization: `Bearer ${user.token}` },
  });
  return { status: response.status, text: await response.text() };
}

const leaks = (text: string): boolean =>
  [MARK, hers.id, ACME_IP, 'acme'].some((secret) => text.includes(secret));

test('the owner sees all of it, so the walk below looks for what is there', async () => {
  const visible = new Set<string>();
  for (const [id, operation] of READS)
    for (const key of operation.params ? KEYS() : [''])
      if ((await ask(alice, operation, key, id === 'search.get' ? { q: MARK } : {})).text.includes(MARK))
        visible.add(id);
  for (const id of [
    'vms.list',
    'vms.get',
    'policies.get',
    'groups.list',
    'services.versions',
    'publications.get',
    'alerts.get',
    'flows.list',
    'inspection.list',
    'insertions.get',
    'limits.list',
    'topology.get',
    'search.get',
    'users.list',
    'vm-settings.list',
  ])
    assert.ok(visible.has(id), `${id} shows nothing of hers: ${[...visible].join()}`);
});

for (const who of ['owner', 'member'] as const)
  test(`another tenant's ${who} gets nothing of it from any reading operation`, async () => {
    const user = who === 'owner' ? bob : member;
    for (const [id, operation] of READS) {
      const queries: object[] = [{}];
      const { properties = {} }: { properties?: object } = operation.query ?? {};
      const known = Object.keys(properties);
      if (known.includes('tenant')) queries.push({ tenant: 'acme' });
      if (known.includes('vm')) queries.push({ vm: hers.id }, { vm: hers.name });
      if (known.includes('q')) for (const q of [MARK, ACME_IP, hers.id, 'acme']) queries.push({ q });
      if (known.includes('wait')) queries.push({ wait: 1 });
      for (const key of operation.params ? KEYS() : [''])
        for (const query of id === 'search.get' ? queries.slice(1) : queries) {
          const { status, text } = await ask(user, operation, key, query);
          const where = `${id} ${key} ${JSON.stringify(query)}: ${status} ${text.slice(0, 300)}`;
          // A refusal repeats what was asked for, and nothing else.
          if (status === 200) assert.ok(!leaks(text), where);
          else assert.ok([403, 404].includes(status), where);
          if (operation.params && status === 200)
            assert.ok(!['vms.get', 'users.get', 'alerts.get', 'publications.get'].includes(id), where);
        }
    }
  });

test('nor by writing to it', async () => {
  const params = { id: hers.id };
  assert.equal(await codeOf(bob.call('vms.update', { params, body: { labels: { x: 'y' } } })), 'not-found');
  assert.equal(
    await codeOf(bob.call('alerts.update', { params: { id: alert }, body: { state: 'resolved' } })),
    'not-found',
  );
  assert.equal(
    await codeOf(bob.call('policies.delete', { params: { name: `${MARK}-policy` } })),
    'not-found',
  );
  assert.equal(
    await codeOf(
      bob.call('policies.delete', { params: { name: `${MARK}-policy` }, query: { tenant: 'acme' } }),
    ),
    'not-found',
  );
  assert.equal(
    await codeOf(
      bob.call('insertions.delete', { params: { name: `${MARK}-insertion` }, query: { tenant: 'acme' } }),
    ),
    'not-found',
  );
  const theirs = { documents: [insertion('acme', 'x'), limit('acme', 'y')] };
  assert.equal(await codeOf(bob.call('documents.apply', { body: theirs })), 'not-found');
  assert.equal(
    await codeOf(bob.call('users.update', { params: { id: alice.id }, body: { disabled: true } })),
    'not-found',
  );
  // A VM document is a claim to a VM: hers is not his to describe, by id or by name.
  const claim = (metadata: Document['metadata'], spec: object) =>
    codeOf(
      bob.call('documents.apply', { body: { documents: [{ apiVersion, kind: 'VM', metadata, spec }] } }),
    );
  assert.equal(await claim({ name: 'mine-now' }, { id: hers.id }), 'not-found');
  assert.equal(await claim({ name: hers.name }, {}), 'not-found');
  assert.equal(await claim({ name: 'not-there-yet' }, {}), 'not-found');
  assert.equal(await claim({ name: 'gx-web' }, {}), 'none');
  assert.equal((await alice.call('vms.get', { params })).tenant, 'acme');
});

test('nor by tracing: the other end of a packet keeps its name and its rules', async () => {
  const trace = (user: TestUser, src: string, dst: string) =>
    user.call('trace.create', { body: { src, dst, service: 'tcp/443' } });
  assert.equal(await codeOf(trace(bob, 'gx-web', hers.name)), 'not-found');
  assert.equal(await codeOf(trace(bob, hers.id, 'gx-web')), 'not-found');
  assert.ok(!leaks(JSON.stringify(await trace(bob, '192.0.2.1', 'gx-web'))));
  const own = await trace(bob, '192.0.2.1', 'gx-web');
  assert.equal(own.verdict, 'observed');
  assert.equal((await trace(alice, '192.0.2.1', hers.name)).steps[0]?.policy, `acme/${MARK}-policy`);
});

test('nor live: events of hers do not reach his stream', async () => {
  const abort = new AbortController();
  const response = await fetch(`${p.url}/v1/events`, {
    headers: { authorization: `Bearer ${bob.token}` },
    signal: abort.signal,
  });
  assert.equal(response.headers.get('content-type')?.split(';')[0], 'text/event-stream');
  let text = '';
  const reading = (async () => {
    for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString();
  })().catch(() => undefined);
  engine.flows([fakeFlow({ srcVm: hers.id, src: ACME_IP, dst: '192.0.2.9', network: 'kvm1/br1' })]);
  await alice.call('vms.update', { params: { id: hers.id }, body: { labels: { app: `${MARK}2` } } });
  await alice.call('publications.create', { body: { message: MARK } });
  engine.gateways([fakeInstance({ id: `${MARK}-gateway/1`, state: 'degraded' })]);
  engine.inspection([fakeEvent({ srcVm: hers.id, src: ACME_IP, dst: '192.0.2.9', title: MARK })]);
  engine.inspection([fakeEvent({ srcVm: his.id, src: '10.0.0.5', dst: '192.0.2.45', network: 'kvm1/br2' })]);
  await until(() => text.includes('192.0.2.45'));
  engine.flows([fakeFlow({ srcVm: his.id, src: '10.0.0.5', dst: '192.0.2.44', network: 'kvm1/br2' })]);
  await until(async () => text.includes('192.0.2.44'));
  abort.abort();
  await reading;
  assert.ok(!leaks(text), text);
});
