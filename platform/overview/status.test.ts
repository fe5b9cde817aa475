import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fakeVm } from '../testing/fake-engine.ts';
import { startTestPlatform, type TestPlatform, type TestUser } from '../testing/platform.ts';
import { say } from './status.ts';

let p: TestPlatform;
let auditor: TestUser;
let owner: TestUser;
const vm = fakeVm({ name: 'web-1', tenant: 'acme', labels: { app: 'web' } }, '10.0.0.1');
const free = fakeVm({ name: 'free' }, '10.0.0.2', 'br1');
const direct = { ...fakeVm({ name: 'direct' }, '10.0.0.3') };
direct.nics = direct.nics.map((n) => ({
  ...n,
  link: 'direct',
  bridge: null,
  protection: 'unprotected',
  reason: 'macvtap',
}));

before(async () => {
  p = await startTestPlatform();
  auditor = await p.user('audrey', { roles: ['auditor', 'security-admin'] });
  owner = await p.user('alice', { tenant: 'acme', tenantRole: 'owner' });
});
after(() => p.close());

const well = {
  vms: { total: 2, running: 2, enforced: 1, observed: 1, unprotected: 0 },
  hosts: { total: 1, connected: 1, behind: 0 },
  alerts: { open: 0, critical: 0 },
  flows: { lastMinute: 0, dropped: 0, lost: 0 },
  policies: { total: 0, unpublished: 0 },
};

test('one sentence says whether all is well, in both languages', () => {
  assert.deepEqual(say(well), {
    healthy: true,
    sentence: {
      en: 'All is well: 2 VMs running, 1 enforced, 1 observed.',
      'zh-CN': '一切正常：2 台虚拟机运行中，1 台已强制执行，1 台观察中。',
    },
  });
  const bad = say({
    ...well,
    hosts: { total: 3, connected: 2, behind: 1 },
    alerts: { open: 2, critical: 1 },
  });
  assert.equal(bad.healthy, false);
  assert.equal(
    bad.sentence.en,
    'Needs attention: 1 critical alert, 1 host not connected, 1 host behind the plan.',
  );
});

test('before any host has joined, that is what it says', async () => {
  const { sentence, healthy } = await auditor.call('status.get');
  assert.deepEqual([sentence.en, healthy], ['No host has joined yet.', true]);
});

test('it counts what is there, and for a tenant what is theirs', async () => {
  const engine = await p.engine('kvm1', [vm, free, direct]);
  const all = await auditor.call('status.get');
  assert.deepEqual([all.vms.total, all.vms.unprotected, all.hosts.total, all.hosts.connected], [3, 1, 1, 1]);
  const mine = await owner.call('status.get');
  assert.deepEqual([mine.vms.total, mine.vms.unprotected], [1, 0]);
  assert.equal(all.hosts.behind, 1);
  engine.receipt({ generation: p.core.plans.current(engine.host)?.generation ?? 0 });
  for (;;) {
    const { hosts } = await auditor.call('status.get');
    if (hosts.behind === 0) break;
  }
});

test('search finds by name, address, id and label, and each only what one may see', async () => {
  const hits = async (user: TestUser, q: string) =>
    (await user.call('search.get', { query: { q } })).items.map((h) => `${h.kind} ${h.name}`);
  assert.deepEqual(await hits(auditor, 'WEB'), ['vm web-1']);
  assert.deepEqual(await hits(auditor, '10.0.0.2'), ['vm free']);
  assert.deepEqual(await hits(auditor, vm.id), ['vm web-1']);
  assert.deepEqual(await hits(auditor, 'kvm1'), ['vm direct', 'vm free', 'vm web-1', 'host kvm1']);
  assert.deepEqual(await hits(owner, 'kvm1'), ['vm web-1']);
  assert.deepEqual(await hits(owner, 'free'), []);
  assert.deepEqual(await hits(auditor, 'alice'), ['user alice']);
});

test('a trace names the rule, the policy and why; of a NIC that cannot be guarded it says so', async () => {
  const trace = (src: string, dst: string, service = 'tcp/443') =>
    auditor.call('trace.create', { body: { src, dst, service } });
  const observed = await trace('192.0.2.1', 'web-1');
  assert.deepEqual([observed.verdict, observed.staged?.rule], ['observed', 'default/ingress']);
  await auditor.call('documents.apply', {
    body: {
      documents: [
        { apiVersion: 'wocloud/v1', kind: 'Tenant', metadata: { name: 'acme' }, spec: {} },
        {
          apiVersion: 'wocloud/v1',
          kind: 'Policy',
          metadata: { name: 'web', tenant: 'acme' },
          spec: {
            tier: 'tenant',
            priority: 1,
            mode: 'enforce',
            appliesTo: { selector: 'app=web' },
            rules: [
              { name: 'https', direction: 'in', action: 'allow', from: ['any'], services: ['tcp/443'] },
            ],
          },
        },
      ],
    },
  });
  await auditor.call('publications.create', { body: {} });
  await auditor.call('enforcement.put', { body: { scope: 'tenant', name: 'acme', mode: 'enforce' } });
  const allowed = await trace('192.0.2.1', 'web-1');
  assert.deepEqual(
    [allowed.verdict, allowed.rule, allowed.policy],
    ['allowed', 'acme/web/https', 'acme/web'],
  );
  assert.deepEqual(
    allowed.steps.map((s) => [s.where, s.direction, s.vm, s.rule, s.tier, s.action]),
    [['kvm1', 'in', 'web-1', 'acme/web/https', 'tenant', 'allow']],
  );
  const dropped = await trace('192.0.2.1', 'web-1', 'tcp/22');
  assert.deepEqual([dropped.verdict, dropped.rule], ['dropped', 'default/ingress']);
  assert.equal((await trace('web-1', 'host', 'icmp')).verdict, 'allowed');
  assert.equal((await trace('web-1', 'direct')).verdict, 'unprotected');
  await assert.rejects(trace('web-2', 'web-1'), /Did you mean web-1\?/);
  await assert.rejects(trace('web-1', '192.0.2.1', 'any'), /no single kind of packet/);
});
