import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { pino } from 'pino';
import type { ObservedVm } from '@wocloud/protocol/reports.ts';
import { openDatabase } from '../database/database.ts';
import { openSignals } from '../signals.ts';
import { startTestDatabase, type TestDatabase } from '../testing/postgres.ts';
import { fakeVm } from '../testing/fake-engine.ts';
import { until } from '../testing/facts.ts';
import { writeReports } from '../vms/rows.ts';
import { createPlans, type Plans } from './plans.ts';
import { chooseZone } from './zones.ts';

let base: TestDatabase;
let plans: Plans;
const host = randomUUID();
const other = randomUUID();

before(async () => {
  base = await startTestDatabase();
  const { db } = base.context;
  for (const [id, name] of [
    [host, 'kvm1'],
    [other, 'kvm2'],
  ])
    await db.query("INSERT INTO hosts (id, name, keys) VALUES ($1, $2, '{}')", [id, name]);
  plans = createPlans(base.context);
  await plans.start();
});
after(async () => {
  await plans.stop();
  await base.close();
});

/** Reports VMs as a host's link would. */
async function report(on: string, ...vms: ObservedVm[]): Promise<void> {
  const { db, signals } = base.context;
  await db.transaction(async () => {
    await writeReports(db, on, vms);
    signals.emit('inventory', { host: on, vms: vms.map((vm) => vm.id) });
  });
  await plans.settled();
}
async function mode(vm: string, value: 'observe' | 'enforce'): Promise<void> {
  const { db, signals } = base.context;
  await db.query(
    `INSERT INTO enforcement (scope, name, mode, by) VALUES ('vm', $1, $2, 't')
     ON CONFLICT (scope, name) DO UPDATE SET mode = $2`,
    [vm, value],
  );
  signals.emit('enforcement', {});
  await plans.settled();
}
const seen = (
  vm: ObservedVm,
  ...ips: [string, 'snooped' | 'lease' | 'agent' | 'metadata'][]
): ObservedVm => ({
  ...vm,
  nics: vm.nics.map((nic) => ({ ...nic, addresses: ips.map(([ip, source]) => ({ ip, source })) })),
});
const allowed = (vm: ObservedVm, on = host) => plans.current(on)?.nics.find((n) => n.vm === vm.id)?.addresses;

test('a new host gets an empty state, a VM its NIC and a zone, and every change a higher generation', async () => {
  const before = plans.current(host);
  assert.deepEqual([before?.generation, before?.nics], [1, []]);
  const vm = fakeVm({ name: 'a' }, '10.1.0.1', 'br1');
  await report(host, vm);
  const now = plans.current(host);
  assert.equal(now?.generation, 2);
  assert.deepEqual(
    now?.networks.map((n) => [n.id, n.bridge, n.zone]),
    [['kvm1/br1', 'br1', 1]],
  );
  assert.deepEqual(allowed(vm), ['10.1.0.1']);
  await report(host, vm);
  assert.equal(plans.current(host)?.generation, 2);
});

test('an address seen before enforcement is trusted; one that turns up later is not', async () => {
  const vm = fakeVm({ name: 'tofu' }, '', 'br2');
  await report(host, seen(vm, ['10.2.0.1', 'snooped']));
  assert.deepEqual(allowed(vm), ['10.2.0.1']);
  await mode(vm.id, 'enforce');
  await report(host, seen(vm, ['10.2.0.1', 'snooped'], ['10.2.0.66', 'snooped'], ['fd00::1', 'agent']));
  assert.deepEqual(allowed(vm), ['10.2.0.1']);
  await report(host, seen(vm));
  assert.deepEqual(allowed(vm), ['10.2.0.1'], 'also while it is not seen');
  await report(host, seen(vm, ['10.2.0.7', 'lease']));
  assert.deepEqual(allowed(vm), ['10.2.0.1', '10.2.0.7'], 'what the hypervisor leased always counts');
});

test('an address that another VM has, or was first with, is not learned', async () => {
  const first = fakeVm({ name: 'first' }, '', 'br3');
  const second = fakeVm({ name: 'second' }, '', 'br3');
  await report(host, seen(first, ['10.3.0.1', 'snooped']));
  await mode(first.id, 'enforce');
  await report(host, seen(second, ['10.3.0.1', 'snooped'], ['10.3.0.2', 'snooped']));
  assert.deepEqual([allowed(first), allowed(second)], [['10.3.0.1'], ['10.3.0.2']]);
  await report(host, seen(first));
  await report(host, seen(second, ['10.3.0.1', 'snooped']));
  assert.deepEqual(allowed(first), ['10.3.0.1'], 'an enforced VM keeps it while it is silent');
  await report(host, seen(second, ['10.3.0.1', 'lease']));
  assert.deepEqual([allowed(first), allowed(second)], [[], ['10.3.0.1', '10.3.0.2']], 'a lease settles it');
});

test('the same address on another network is another address', async () => {
  const one = fakeVm({ name: 'one' }, '', 'br4');
  const two = fakeVm({ name: 'two' }, '', 'br5');
  await report(host, seen(one, ['10.4.0.1', 'snooped']), seen(two, ['10.4.0.1', 'snooped']));
  assert.deepEqual([allowed(one), allowed(two)], [['10.4.0.1'], ['10.4.0.1']]);
});

test("a tenant's word gives an address only where nobody was first", async () => {
  const mine = fakeVm({ name: 'mine', tenant: 'acme' }, '10.6.0.1', 'br6');
  const theirs = fakeVm({ name: 'theirs', tenant: 'globex' }, '10.6.0.2', 'br6');
  await report(host, mine, theirs);
  const declare = async (vm: ObservedVm, ...ips: string[]) => {
    const { db, signals } = base.context;
    const document = {
      apiVersion: 'wocloud/v1',
      kind: 'VM',
      metadata: { name: vm.name, tenant: vm.tenant },
      spec: { id: vm.id, addresses: ips.map((ip) => ({ mac: vm.nics[0]?.mac, ip })) },
    };
    const row = await db.one<{ uid: string; version: number }>(
      `INSERT INTO documents AS d (kind, tenant, name, version, published, document, updated_by)
       VALUES ('VM', $1, $2, 1, 1, $3, 't') ON CONFLICT (kind, tenant, name)
       DO UPDATE SET version = d.version + 1, published = d.version + 1, document = $3 RETURNING uid, version`,
      [vm.tenant, vm.name, JSON.stringify(document)],
    );
    await db.query(
      "INSERT INTO document_versions (uid, version, by, reason, deleted, document) VALUES ($1, $2, 't', '', false, $3)",
      [row?.uid, row?.version, JSON.stringify(document)],
    );
    signals.emit('documents', { kinds: ['VM'] });
    await plans.settled();
  };
  await declare(theirs, '10.6.0.1', '10.6.0.3', '10.6.0.0/24');
  assert.deepEqual(allowed(theirs), ['10.6.0.2', '10.6.0.3']);
  await declare(mine, '10.6.0.3', '10.6.0.4');
  assert.deepEqual(allowed(mine), ['10.6.0.1', '10.6.0.4']);
  await declare(theirs);
  assert.deepEqual(allowed(theirs), ['10.6.0.2'], 'no longer declared, no longer allowed');
});

test('NICs that no bridge of the host carries are not planned', async () => {
  const vm = fakeVm({ name: 'direct' });
  await report(host, { ...vm, nics: vm.nics.map((n) => ({ ...n, link: 'direct', bridge: null })) });
  assert.equal(allowed(vm), undefined);
});

test('a VM that moves takes its NIC with it, and one that is gone leaves', async () => {
  const vm = fakeVm({ name: 'mover' }, '10.7.0.1', 'br7');
  await report(host, vm);
  await report(other, vm);
  assert.deepEqual([allowed(vm), allowed(vm, other)], [undefined, ['10.7.0.1']]);
  await base.context.db.query('UPDATE vms SET gone_at = now() WHERE id = $1', [vm.id]);
  base.context.signals.emit('inventory', { host: other, vms: [vm.id] });
  await plans.settled();
  assert.equal(allowed(vm, other), undefined);
});

test('a second replica follows with the same numbers, and leads when the first is gone', async (t) => {
  const log = pino({ level: 'silent' });
  const db = openDatabase(base.cluster.url, log);
  const signals = openSignals(db, log);
  const second = createPlans({ ...base.context, db, signals });
  t.after(async () => {
    await second.stop();
    await signals.close();
    await db.close();
  });
  await second.start();
  const same = async () => {
    const [a, b] = [plans.current(host), second.current(host)];
    return a !== undefined && b !== undefined && JSON.stringify(a) === JSON.stringify(b);
  };
  await until(same);
  const vm = fakeVm({ name: 'shared' }, '10.8.0.1', 'br8');
  await report(host, vm);
  await until(async () => (await same()) && second.current(host)?.nics.some((n) => n.vm === vm.id));
  const before = plans.current(host)?.generation ?? 0;
  await plans.stop();
  await base.context.db.query("UPDATE vms SET name = 'renamed' WHERE id = $1", [vm.id]);
  base.context.signals.emit('inventory', { host, vms: [vm.id] });
  await until(async () => second.current(host)?.nics.some((n) => n.name === 'renamed'));
  assert.equal(second.current(host)?.generation, before + 1);
});

test('a zone is kept across hosts where it is free, and never shared on one host', () => {
  assert.equal(chooseZone(new Set([1]), [2], new Set([1, 2])), 2);
  assert.equal(chooseZone(new Set([2]), [2], new Set([1, 2])), 3);
  assert.equal(chooseZone(new Set(), [], new Set()), 1);
});
