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

const NOW = new Date('2026-05-01T12:00:00Z');
const well = {
  vms: { total: 7, running: 7, enforced: 7, observed: 0, unprotected: 0 },
  hosts: { total: 1, connected: 1, behind: 0 },
  alerts: { open: 0, critical: 0 },
  flows: { lastMinute: 0, dropped: 0, lost: 0 },
  policies: { total: 0, unpublished: 0 },
  lastPublication: { id: 4, at: '2026-05-01T11:57:30Z', by: 'sec', state: 'published' },
};

test('one sentence says with numbers how things stand and what needs a person, in both languages', () => {
  assert.deepEqual(say(well, NOW), {
    healthy: true,
    sentence: {
      en: '7 VMs on 1 host, all enforced as published 2 minutes ago; nothing needs you.',
      'zh-CN': '1 台宿主机上的 7 台虚拟机，全部按 2 分钟前发布的策略强制防护；没有需要处理的事项。',
    },
  });
  const alert = say({ ...well, alerts: { open: 1, critical: 0 } }, NOW);
  assert.deepEqual(alert, {
    healthy: false,
    sentence: {
      en: '7 VMs on 1 host, all enforced as published 2 minutes ago; 1 alert needs you.',
      'zh-CN': '1 台宿主机上的 7 台虚拟机，全部按 2 分钟前发布的策略强制防护；1 条告警待处理。',
    },
  });
});

test('the sentence never says "as published" of a host that has not proven it', () => {
  const bad = say(
    { ...well, hosts: { total: 3, connected: 2, behind: 1 }, alerts: { open: 3, critical: 1 } },
    NOW,
  );
  assert.equal(bad.healthy, false);
  assert.equal(
    bad.sentence.en,
    '7 VMs on 3 hosts, all enforced, last published 2 minutes ago; ' +
      '1 critical alert needs you, 1 host not connected, 1 host behind the plan, 2 other alerts need you.',
  );
  const mixed = { total: 7, running: 6, enforced: 3, observed: 2, unprotected: 1 };
  assert.equal(
    say({ ...well, vms: mixed, lastPublication: null }, NOW).sentence.en,
    '7 VMs on 1 host, 3 enforced, 2 only observed, 1 unprotected, 1 not running, nothing published yet; ' +
      '1 VM unprotected.',
  );
});

test('the age in the sentence is in the largest unit that fits', () => {
  const after = (ms: number) => say(well, new Date(Date.parse(well.lastPublication.at) + ms)).sentence;
  assert.match(after(30_000).en, /as published just now;/);
  assert.match(after(60_000).en, /as published 1 minute ago;/);
  assert.match(after(3 * 3_600_000).en, /as published 3 hours ago;/);
  assert.match(after(50 * 3_600_000)['zh-CN'], /按 2 天前发布/);
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
  const insertion = (failure: 'open' | 'closed') => ({
    apiVersion: 'wocloud/v1',
    kind: 'Insertion',
    metadata: { name: 'web', tenant: 'acme' },
    spec: { appliesTo: { selector: 'app=web' }, mode: 'inline', failure },
  });
  const insert = async (failure: 'open' | 'closed') => {
    await auditor.call('documents.apply', { body: { documents: [insertion(failure)] } });
    await auditor.call('publications.create', { body: {} });
  };
  await insert('closed');
  const inspected = await trace('192.0.2.1', 'web-1');
  assert.deepEqual(
    inspected.steps.slice(1).map((s) => [s.where, s.vm, s.rule, s.policy, s.action, s.why]),
    [
      [
        'gateway',
        null,
        'acme/web',
        null,
        'inspect',
        'it passes through the gateway; while none works, it is dropped',
      ],
    ],
  );
  assert.equal(inspected.verdict, 'allowed');
  const unseen = await trace('web-1', 'host', 'icmp');
  assert.deepEqual([unseen.verdict, unseen.steps.at(-1)?.action], ['dropped', 'drop']);
  assert.match(unseen.why, /acme\/web wants it inspected or not at all.*: the host itself is an end/);
  await insert('open');
  assert.equal((await trace('web-1', 'host', 'icmp')).verdict, 'allowed');
  assert.equal((await trace('web-1', 'direct')).verdict, 'unprotected');
  await assert.rejects(trace('web-2', 'web-1'), /Did you mean web-1\?/);
  await assert.rejects(trace('web-1', '192.0.2.1', 'any'), /no single kind of packet/);
});
