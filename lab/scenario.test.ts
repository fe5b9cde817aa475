import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { KINDS } from '@wocloud/protocol/resources/kinds.ts';
import { Value } from 'typebox/value';
import { parseAllDocuments } from 'yaml';
import { bridgeName, firstAddress, nicMac, tapName, vmUuid } from './identity.ts';
import { checkScenario, loadScenario, ScenarioError } from './scenario.ts';

const FOLDER = join(import.meta.dirname, 'scenarios');

test('every scenario that comes with the lab is valid, and so are its policy documents', async () => {
  const names = (await readdir(FOLDER)).filter((name) => name.endsWith('.yaml'));
  assert.ok(names.includes('demo.yaml') && names.includes('pair.yaml'));
  for (const name of names) {
    const scenario = await loadScenario(name.replace('.yaml', ''));
    const tenants = new Set<string>();
    for (const file of scenario.policies) {
      for (const document of parseAllDocuments(await readFile(file, 'utf8'))) {
        const value = document.toJS() as { kind: keyof typeof KINDS; metadata: { name: string } };
        assert.deepEqual(
          [...Value.Errors(KINDS[value.kind].schema, value)],
          [],
          `${file}: ${value.metadata.name}`,
        );
        if (value.kind === 'Tenant') tenants.add(value.metadata.name);
      }
    }
    if (scenario.policies.length > 0)
      for (const vm of scenario.vms)
        assert.ok(vm.tenant && tenants.has(vm.tenant), `${name}: ${vm.name}'s tenant`);
  }
});

test('the demo has two tenants, at least five VMs, and two networks with the same addresses', async () => {
  const demo = await loadScenario('demo');
  assert.deepEqual([...new Set(demo.vms.map((vm) => vm.tenant ?? ''))].sort(), ['acme', 'globex']);
  assert.ok(demo.vms.length >= 5);
  const at = (address: string): string[] =>
    demo.vms.filter((vm) => vm.nics.some((nic) => nic.ipv4 === address)).map((vm) => vm.name);
  assert.deepEqual(at('10.20.0.13'), ['db-1', 'stock-1']);
});

test('a mistake in a scenario is told with its place', () => {
  const base = { name: 'x', networks: [{ name: 'lan', kind: 'bridge', ipv4: '10.0.0.0/24' }] };
  const vm = (nic: object): object => ({ ...base, vms: [{ name: 'a', nics: [nic] }] });
  const cases: [object, RegExp][] = [
    [{ ...base, vms: [{ name: 'a', nics: [], colour: 'red' }] }, /\/vms\/0/],
    [vm({ network: 'wan' }), /\/vms\/a\/wan: no such network; there are lan/],
    [vm({ network: 'lan', ipv4: '10.0.1.5' }), /10\.0\.1\.5 is not in 10\.0\.0\.0\/24/],
    [vm({ network: 'lan', ipv6: 'fd00::5' }), /it has no ipv6/],
    [vm({ network: 'lan', ipv4: 'dhcp' }), /the network has no dhcp/],
    [vm({ network: 'lan', vlan: 5 }), /vlan is for networks of kind vlan/],
    [{ ...base, vms: [{ name: 'a', nics: [], host: 'mars' }] }, /no host mars/],
    [{ ...base, networks: [{ name: 'n', kind: 'nat' }], vms: [] }, /a nat network needs ipv4/],
  ];
  for (const [document, message] of cases)
    assert.throws(
      () => checkScenario(document, '/x.yaml'),
      (error) => error instanceof ScenarioError && message.test(error.message),
      String(message),
    );
});

test('a scenario that does not exist is told by its path', async () => {
  await assert.rejects(loadScenario('nowhere'), /scenarios\/nowhere\.yaml/);
});

test('names, UUIDs and MAC addresses are stable, unique and short enough for the kernel', async () => {
  const demo = await loadScenario('demo');
  const again = await loadScenario('demo');
  const uuids = demo.vms.map((vm) => vmUuid(demo, vm));
  assert.deepEqual(
    uuids,
    again.vms.map((vm) => vmUuid(again, vm)),
  );
  assert.equal(new Set(uuids).size, demo.vms.length);
  const macs = demo.vms.flatMap((vm) => vm.nics.map((_, index) => nicMac(demo, vm, index)));
  assert.equal(new Set(macs).size, macs.length);
  for (const mac of macs) assert.match(mac, /^52:54:00(:[0-9a-f]{2}){3}$/);
  assert.ok(bridgeName({ name: 'a-network-with-a-long-name', kind: 'bridge' }).length <= 15);
  const long = { name: 'a-vm-with-a-very-long-name', nics: [] };
  assert.ok((tapName(long, { network: 'n', vlan: 3 }, 0) ?? '').length <= 15);
  assert.equal(tapName(long, { network: 'n' }, 0), undefined);
  assert.equal(firstAddress('10.1.0.0/24'), '10.1.0.1');
  assert.equal(firstAddress('fd10:1::/64'), 'fd10:1::1');
});
