import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { DesiredState } from '@wocloud/protocol/desired.ts';
import type { Document } from '@wocloud/protocol/resources/kinds.ts';
import { applyDelta } from '@wocloud/policy/delta.ts';
import { fakeVm, type FakeEngine } from '../testing/fake-engine.ts';
import { until } from '../testing/facts.ts';
import { codeOf, startTestPlatform, type TestPlatform, type TestUser } from '../testing/platform.ts';

let p: TestPlatform;
let security: TestUser;
let alice: TestUser;
let bob: TestUser;
let engine: FakeEngine;
const web = fakeVm({ name: 'web-1', tenant: 'acme', labels: { app: 'web' } }, '10.0.0.1');
const theirs = fakeVm({ name: 'web-1', tenant: 'globex', labels: { app: 'web' } }, '10.0.0.9', 'br9');

const apiVersion = 'wocloud/v1' as const;
const policy = (name: string, port: number, tenant = 'acme'): Document => ({
  apiVersion,
  kind: 'Policy',
  metadata: { name, tenant },
  spec: {
    tier: 'tenant',
    priority: 100,
    mode: 'enforce',
    appliesTo: { selector: 'app=web' },
    rules: [{ name: 'in', direction: 'in', action: 'allow', from: ['any'], services: [`tcp/${port}`] }],
  },
});
const put = (user: TestUser, document: Document) =>
  user.call('documents.apply', { body: { documents: [document] } });
const publish = (user: TestUser, message = '') => user.call('publications.create', { body: { message } });
const read = (user: TestUser, id: number, wait = 0) =>
  user.call('publications.get', { params: { id: String(id) }, query: { wait } });

/** The state an engine has been sent, deltas applied, as an engine would hold it. */
function held(from: FakeEngine): DesiredState | undefined {
  let state: DesiredState | undefined;
  for (const message of from.received) {
    if (message.type === 'desired') state = message.state;
    if (message.type === 'delta' && state) state = applyDelta(state, message.delta);
  }
  return state;
}
const ports = (state: DesiredState | undefined): number[] =>
  (state?.chains ?? []).flatMap((c) =>
    c.rules.flatMap((r) => r.services.flatMap((s) => s.ports?.flatMap(([a]) => a) ?? [])),
  );

before(async () => {
  p = await startTestPlatform();
  security = await p.user('sec', { roles: ['security-admin'] });
  alice = await p.user('alice', { tenant: 'acme', tenantRole: 'owner' });
  bob = await p.user('bob', { tenant: 'globex', tenantRole: 'owner' });
  for (const name of ['acme', 'globex'])
    await put(security, { apiVersion, kind: 'Tenant', metadata: { name }, spec: {} });
  engine = await p.engine('kvm1', [web, theirs]);
});
after(() => p.close());

test('a draft changes nothing; published, it reaches the host, and is published when the host has proven it', async () => {
  await put(alice, policy('web', 443));
  const changes = await alice.call('changes.list');
  assert.deepEqual(
    changes.items.map((c) => [c.kind, c.name, c.action, c.by]),
    [['Policy', 'web', 'created', 'alice']],
  );
  await p.core.plans.settled();
  assert.deepEqual(ports(p.core.plans.current(engine.host)), []);

  const started = await publish(alice, 'first');
  assert.deepEqual([started.state, started.tenant, started.by], ['publishing', 'acme', 'alice']);
  await until(async () => ports(held(engine)).includes(443));
  const [host] = (await read(alice, started.id)).hosts;
  assert.deepEqual([host?.name, host?.state], ['kvm1', 'pending']);

  const waiting = read(alice, started.id, 30);
  engine.receipt({ generation: held(engine)?.generation ?? 0, took: 7 });
  const done = await waiting;
  assert.deepEqual([done.state, done.hosts.map((h) => [h.state, h.took])], ['published', [['applied', 7]]]);
  assert.deepEqual((await alice.call('changes.list')).items, []);
});

test('publishing again what is in force makes no new publication', async () => {
  const [last] = (await alice.call('publications.list')).items;
  assert.equal((await publish(alice)).id, last?.id);
});

test('an edit that is taken back by hand leaves nothing to publish', async () => {
  await put(alice, policy('web', 450));
  assert.equal((await alice.call('changes.list')).items.length, 1);
  await put(alice, policy('web', 443));
  assert.deepEqual((await alice.call('changes.list')).items, []);
});

test('a host that fails or is away is shown so', async () => {
  await put(alice, policy('web', 444));
  const failing = await publish(alice);
  await until(async () => ports(held(engine)).includes(444));
  engine.receipt({
    generation: held(engine)?.generation ?? 0,
    result: 'failed',
    error: 'no space in the kernel',
  });
  const failed = await read(alice, failing.id, 20);
  assert.deepEqual(
    [failed.state, failed.hosts[0]?.state, failed.hosts[0]?.error],
    ['failed', 'failed', 'no space in the kernel'],
  );
  engine.cut();
  await put(alice, policy('web', 445));
  const later = await publish(alice);
  const away = await read(alice, later.id, 20);
  assert.deepEqual([away.state, away.hosts[0]?.state], ['partial', 'offline']);
  await engine.reconnect();
  await until(async () => ports(held(engine)).includes(445));
  engine.receipt({ generation: held(engine)?.generation ?? 0 });
  await until(async () => (await read(alice, later.id)).state === 'published');
});

test('rolling back is a new publication with the old content, as the newest version', async () => {
  const list = (await alice.call('publications.list')).items;
  const first = list.at(-1);
  const back = await alice.call('publications.rollback', { params: { id: String(first?.id) }, body: {} });
  assert.deepEqual([back.rollbackOf, back.changes.map((c) => c.action)], [first?.id, ['changed']]);
  await until(async () => ports(held(engine)).includes(443) && !ports(held(engine)).includes(445));
  const inForce = await alice.call('policies.get', { params: { name: 'web' }, query: { published: true } });
  assert.deepEqual(
    [
      inForce.metadata.published,
      inForce.metadata.version,
      (inForce.spec as { rules: { services: string[] }[] }).rules[0]?.services,
    ],
    [6, 6, ['tcp/443']],
  );
  assert.deepEqual(
    (await alice.call('changes.list')).items,
    [],
    'the next publication does not put it in force again',
  );
  assert.equal(
    await codeOf(alice.call('publications.rollback', { params: { id: String(first?.id) }, body: {} })),
    'conflict',
  );
});

test('a draft that was never published survives a rollback, as a draft', async () => {
  await put(alice, policy('web', 446));
  await publish(alice);
  const [last, before] = (await alice.call('publications.list')).items;
  await put(alice, policy('web', 447));
  await alice.call('publications.rollback', { params: { id: String(before?.id) }, body: {} });
  await until(async () => ports(held(engine)).includes(443));
  const [pending] = (await alice.call('changes.list')).items;
  assert.match(pending?.diff ?? '', /-.*tcp\/443\n\+.*tcp\/447/);
  // There and back: what the last publication had put in force can be had again.
  await alice.call('publications.rollback', { params: { id: String(last?.id) }, body: {} });
  await until(async () => ports(held(engine)).includes(446));
  await put(alice, policy('web', 445));
});

test('a deletion is published like any change, and can be rolled back', async () => {
  await publish(alice);
  const before = (await alice.call('publications.list')).items[0];
  await alice.call('policies.delete', { params: { name: 'web' } });
  assert.deepEqual(
    (await alice.call('changes.list')).items.map((c) => c.action),
    ['deleted'],
  );
  await publish(alice);
  await until(async () => ports(held(engine)).length === 0);
  await alice.call('publications.rollback', { params: { id: String(before?.id) }, body: {} });
  await until(async () => ports(held(engine)).includes(445));
  assert.deepEqual((await alice.call('changes.list')).items, []);
  await put(alice, policy('web', 448));
});

test("another tenant's publications, changes and hosts are not there", async () => {
  const [mine] = (await alice.call('publications.list')).items;
  assert.equal(await codeOf(read(bob, mine?.id ?? 0)), 'not-found');
  assert.equal(
    await codeOf(bob.call('publications.rollback', { params: { id: String(mine?.id) }, body: {} })),
    'not-found',
  );
  assert.deepEqual((await bob.call('publications.list')).items, []);
  assert.deepEqual((await bob.call('changes.list')).items, []);
  assert.equal(await codeOf(bob.call('publications.create', { body: { tenant: 'acme' } })), 'not-found');
  await put(bob, policy('theirs', 99, 'globex'));
  await put(alice, policy('ours', 98));
  const all = await publish(security, 'everything');
  assert.deepEqual(all.changes.map((c) => c.name).sort(), ['ours', 'theirs', 'web']);
  assert.deepEqual(
    (await read(bob, all.id)).changes.map((c) => c.name),
    ['theirs'],
  );
});

test('what would break what is in force is refused', async () => {
  await put(alice, {
    apiVersion,
    kind: 'Group',
    metadata: { name: 'db', tenant: 'acme' },
    spec: { selector: 'app=db' },
  });
  const uses = policy('uses', 5432) as Extract<Document, { kind: 'Policy' }>;
  const withGroup: Document = {
    ...uses,
    spec: {
      ...uses.spec,
      rules: [{ name: 'to-db', direction: 'out', action: 'allow', to: [{ group: 'db' }] }],
    },
  };
  await put(alice, withGroup);
  await publish(alice);
  assert.equal(await codeOf(alice.call('groups.delete', { params: { name: 'db' } })), 'invalid-document');
});

test('the same again after a restart: generations do not move', async () => {
  await p.core.plans.settled();
  const before = p.core.plans.current(engine.host);
  const { createPlans } = await import('../plan/plans.ts');
  await p.core.plans.stop();
  const fresh = createPlans(p.context);
  await fresh.start();
  assert.deepEqual(fresh.current(engine.host), before);
  await fresh.stop();
});
