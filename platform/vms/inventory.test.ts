// Inventory: what hosts report becomes what the API shows, and no host can speak for another's VMs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ObservedVm } from '@wocloud/protocol/reports.ts';
import { PLATFORM, callOf, ofTenant, startTestFacts, until, type TestFacts } from '../testing/facts.ts';
import { fakeVm } from '../testing/fake-engine.ts';
import { effective, NetworkNames, VmDocuments } from './effective.ts';
import { ownership } from './ownership.ts';

let at: TestFacts;
before(async () => (at = await startTestFacts()));
after(() => at.close());

const list = async (query = {}, scope = PLATFORM) =>
  (await at.facts.handlers['vms.list']?.(callOf(scope, { query })))?.items ?? [];
const get = (id: string, scope = PLATFORM) =>
  at.facts.handlers['vms.get']?.(callOf(scope, { params: { id } }));
const alertsOf = async (kind: string, scope = PLATFORM, query = {}) =>
  (await at.facts.handlers['alerts.list']?.(callOf(scope, { query: { kind, ...query } })))?.items ?? [];
const changesOf = async (id: string) =>
  (await at.context.db.one<{ xmin: string }>('SELECT xmin::text FROM vms WHERE id = $1', [id]))?.xmin;

test('a report is shown with its NICs and addresses; what it no longer has is gone', async () => {
  const engine = await at.engine('inv1');
  const [a, b] = [fakeVm({ name: 'inv-a', labels: { app: 'web' } }, '10.1.0.1'), fakeVm({ name: 'inv-b' })];
  engine.inventory([a, b]);
  await until(async () => (await list({ host: 'inv1' })).length === 2);
  const shown = await get('inv-a');
  assert.ok(shown);
  assert.equal(shown.hostName, 'inv1');
  assert.deepEqual(shown.labels, { app: 'web' });
  assert.deepEqual(shown.nics[0]?.addresses, [{ ip: '10.1.0.1', source: 'lease' }]);
  assert.equal(shown.nics[0]?.network, 'inv1/br0');
  assert.equal(shown.protection, 'enforced');

  const before = await changesOf(b.id);
  engine.inventory([{ ...a, state: 'paused' }, b]);
  await until(async () => (await get(a.id))?.state === 'paused');
  assert.equal(await changesOf(b.id), before, 'a VM that did not change is not written');

  engine.send({ type: 'vmGone', id: a.id });
  await until(async () => (await list({ host: 'inv1' })).length === 1);
  assert.equal((await get(a.id))?.gone, true);
  engine.inventory([]);
  await until(async () => (await list({ host: 'inv1' })).length === 0);
  const gone = (await list({ host: 'inv1', gone: true })).map((vm) => vm.name);
  assert.deepEqual(gone, ['inv-a', 'inv-b']);
});

test('a host that reports another host’s running VM changes nothing, is noted, and gets it when it is let go', async () => {
  const [owner, thief] = [await at.engine('owner'), await at.engine('thief')];
  const vm = fakeVm({ name: 'seam' }, '10.2.0.1');
  owner.inventory([vm]);
  await until(async () => (await list({ host: 'owner' })).length === 1);
  thief.inventory([{ ...vm, name: 'stolen', tenant: 'evil', nics: [] }]);
  await until(() => at.context.db.one('SELECT 1 FROM vm_claims WHERE vm = $1', [vm.id]));
  const still = await get(vm.id);
  assert.deepEqual([still?.hostName, still?.name, still?.tenant], ['owner', 'seam', null]);

  await at.context.db.query(`UPDATE vm_claims SET at = now() - interval '1 minute'`);
  await at.facts.checkHosts();
  const [alert] = await until(async () => {
    const found = await alertsOf('vm.claimed');
    return found.length > 0 ? found : undefined;
  });
  assert.match(alert?.title ?? '', /thief.*seam.*owner/);

  // A migration ends so: the source lets go, the target has it running.
  thief.inventory([vm]);
  owner.send({ type: 'vm', vm: { ...vm, state: 'shutoff' } });
  await until(async () => (await get(vm.id))?.hostName === 'thief');
  assert.equal((await get(vm.id))?.name, 'seam');
});

test('ownership by table', () => {
  const owner = { host: 'a', live: true, gone: false, age: 5, state: 'running' as ObservedVm['state'] };
  const claim = { host: 'b', state: 'running' as ObservedVm['state'] };
  assert.equal(ownership(undefined, claim), 'take');
  assert.equal(ownership(owner, { ...claim, host: 'a' }), 'keep');
  assert.equal(ownership(owner, claim), 'wait');
  assert.equal(ownership({ ...owner, state: 'paused' }, claim), 'wait');
  assert.equal(ownership({ ...owner, gone: true }, claim), 'take');
  assert.equal(ownership({ ...owner, live: false }, claim), 'seize');
  assert.equal(ownership({ ...owner, live: false }, { ...claim, state: 'shutoff' }), 'wait');
  assert.equal(ownership({ ...owner, state: 'shutoff' }, claim), 'take');
  assert.equal(ownership({ ...owner, state: 'shutoff', age: 3600 }, claim), 'wait');
  assert.equal(ownership({ ...owner, state: 'shutoff' }, { ...claim, state: 'paused' }), 'wait');
});

test('a VM document wins over the domain’s own metadata, and by name never over another tenant’s', () => {
  const vm = { id: '1', name: 'web', tenant: 'acme', labels: { app: 'web', env: 'prod' } };
  const document = (tenant: string | null, spec: { id?: string } = {}) => ({
    name: 'web',
    tenant,
    labels: { env: 'test' },
    spec,
  });
  const of = (...documents: ReturnType<typeof document>[]) => effective(vm, new VmDocuments(documents));
  assert.deepEqual(of(document(null)).labels, { app: 'web', env: 'test' });
  assert.equal(of(document(null)).tenant, 'acme');
  assert.equal(of(document('evil')).document, undefined);
  assert.equal(of(document('beta', { id: '1' })).tenant, 'beta');
  assert.equal(of(document(null), document('acme')).document?.tenant, 'acme');
  const members = [
    { host: 'h', bridge: 'br0' },
    { host: 'h', bridge: 'br1', vlan: 7 },
  ];
  const networks = new NetworkNames([{ name: 'lan', spec: { members } }]);
  assert.equal(networks.of('h', 'br0', null), 'lan');
  assert.equal(networks.of('h', 'br1', 7), 'lan');
  assert.equal(networks.of('h', 'br1', null), 'h/br1');
  assert.equal(networks.of('h', null, 1), null);
});

test('callers see their VMs only: a tenant its own, a member those granted, another tenant’s are not there', async () => {
  const engine = await at.engine('scoped');
  const a = fakeVm({ name: 's-a', tenant: 'acme' }, '10.3.0.1');
  const b = fakeVm({ name: 's-b', tenant: 'acme' }, '10.3.0.2');
  const c = fakeVm({ name: 's-c', tenant: 'beta' }, '10.3.0.3');
  engine.inventory([a, b, c]);
  await until(async () => (await list({ host: 'scoped' })).length === 3);
  const names = async (scope: ReturnType<typeof ofTenant>) => (await list({}, scope)).map((vm) => vm.name);
  assert.deepEqual(await names(ofTenant('acme')), ['s-a', 's-b']);
  assert.deepEqual(await names(ofTenant('beta')), ['s-c']);
  assert.deepEqual(await names(ofTenant('acme', [b.id])), ['s-b']);
  assert.deepEqual(await names(ofTenant('acme', [c.id])), []);
  for (const key of [c.id, 's-c'])
    await assert.rejects(async () => get(key, ofTenant('acme')), { code: 'not-found' });
  await assert.rejects(async () => get(a.id, ofTenant('acme', [b.id])), { code: 'not-found' });
  const page = (cursor?: string) =>
    at.facts.handlers['vms.list']?.(
      callOf(PLATFORM, { query: { limit: 2, host: 'scoped', ...(cursor === undefined ? {} : { cursor }) } }),
    );
  const first = await page();
  const second = await page(first?.next ?? '');
  assert.deepEqual(
    [first, second].map((p) => p?.items.map((vm) => vm.name)),
    [['s-a', 's-b'], ['s-c']],
  );
  assert.equal(second?.next, null);
});

test('alerts: the same one counts up, is handled, and opens anew when it comes again', async () => {
  const engine = await at.engine('alerting');
  const vm = fakeVm({ name: 'alerting-vm', tenant: 'gamma' }, '10.4.0.1');
  const other = fakeVm({ name: 'not-mine' }, '10.4.0.2');
  engine.inventory([vm]);
  const alert = (about: string, key: string) => ({
    kind: 'spoof.arp',
    key,
    severity: 'high' as const,
    title: 'forged ARP',
    vm: about,
    time: Date.now() * 1000,
    count: 2,
    evidence: { mac: '52:54:00:00:00:01' },
  });
  engine.alert(alert(vm.id, 'a'));
  engine.alert(alert(vm.id, 'a'));
  engine.alert(alert(other.id, 'b'));
  await until(async () => (await alertsOf('spoof.*')).reduce((n, a) => n + a.count, 0) === 6);
  const [mine, ...more] = await alertsOf('spoof.*', ofTenant('gamma'));
  assert.equal(more.length, 0);
  assert.ok(mine);
  assert.deepEqual(
    [mine.count, mine.vmName, mine.tenant, mine.hostName],
    [4, 'alerting-vm', 'gamma', 'alerting'],
  );
  assert.equal((await alertsOf('spoof.*', ofTenant('acme'))).length, 0);
  const read = callOf<'alerts.get'>(ofTenant('acme'), { params: { id: mine.id } });
  await assert.rejects(async () => at.facts.handlers['alerts.get']?.(read), { code: 'not-found' });
  const set = (state: 'resolved' | 'open') =>
    at.facts.handlers['alerts.update']?.(
      callOf(PLATFORM, { params: { id: mine.id }, body: { state, note: 'seen' } }),
    );
  assert.equal((await set('resolved'))?.state, 'resolved');
  assert.equal((await set('open'))?.handledBy, 'tester');
  await set('resolved');
  engine.alert(alert(vm.id, 'a'));
  await until(async () => (await alertsOf('spoof.*', PLATFORM, { state: 'open', vm: vm.id })).length === 1);
  await assert.rejects(async () => set('open'), { code: 'conflict' });
});

test('a host that goes silent is stale with an alert, which is over when it returns', async () => {
  const engine = await at.engine('silent');
  engine.cut();
  await until(() => at.context.db.one(`SELECT 1 FROM hosts WHERE name = 'silent' AND NOT connected`));
  await at.context.db.query(`UPDATE hosts SET last_seen = now() - interval '1 minute' WHERE name = 'silent'`);
  const host = () => at.facts.handlers['hosts.get']?.(callOf(PLATFORM, { params: { id: 'silent' } }));
  const stale = async () =>
    (await alertsOf('host.stale')).find((a) => a.hostName === 'silent')?.state ?? 'none';
  await at.facts.checkHosts();
  assert.equal(await stale(), 'open');
  assert.equal((await host())?.state, 'stale');
  await engine.reconnect();
  await at.facts.checkHosts();
  assert.equal(await stale(), 'resolved');
  assert.equal((await host())?.state, 'connected');
});
