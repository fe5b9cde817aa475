// What happens to real domains under a real libvirtd, seen at the platform's end of the link.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ObservedVm } from '@wocloud/protocol/reports.ts';
import { guestXml } from '@wocloud/libvirt/testing/guest-xml.ts';
import { gatewayXml } from '../gateways/domain.ts';
import type { InstanceSpec } from '../gateways/runner.ts';
import { startTestHost, type TestHost } from '../testing/host.ts';

const UUID = '11111111-1111-4111-8111-111111111111';
const MAC = '52:54:00:00:00:01';
/** A change on the host is at the platform within this time. */
const SEEN_MS = 1_000;

let host: TestHost;

before(async () => {
  host = await startTestHost();
  await host.sh('ip link add br0 type bridge && ip link set br0 up');
  await host.startEngine();
  await host.platform.until(
    'the first inventory',
    () => host.platform.messages.find((m) => m.type === 'inventory'),
    20_000,
  );
});
after(() => host.stop());

const nic = (kind: string, source: string, mac: string, more = ''): string =>
  `<interface type='${kind}'><mac address='${mac}'/><source ${source}/><model type='virtio'/>${more}</interface>`;

/** The VM as the platform knows it now; undefined when it is gone. */
function known(id: string): ObservedVm | undefined {
  let vm: ObservedVm | undefined;
  for (const message of host.platform.messages) {
    if (message.type === 'inventory') vm = message.vms.find((v) => v.id === id);
    if (message.type === 'vm' && message.vm.id === id) vm = message.vm;
    if (message.type === 'vmGone' && message.id === id) vm = undefined;
  }
  return vm;
}

/** Runs virsh, and waits for what the platform must see of it in time. */
async function seen(
  what: string,
  act: () => Promise<unknown>,
  test: (vm: ObservedVm | undefined) => boolean,
): Promise<void> {
  await act();
  await host.platform.until(what, () => test(known(UUID)), SEEN_MS);
}

const metadata = `<metadata><wocloud:vm xmlns:wocloud="https://wocloud.org/xmlns/domain/1" tenant="acme"><wocloud:label key="app" value="web"/><wocloud:address mac="${MAC}" ip="10.1.0.5"/></wocloud:vm></metadata>`;

test('a domain is seen when it is defined, with tenant, labels, addresses and its NIC', async () => {
  const xml = guestXml({
    name: 'web',
    uuid: UUID,
    extra: metadata,
    devices: nic('bridge', "bridge='br0'", MAC),
  });
  await seen(
    'define',
    () => host.define(xml),
    (vm) => vm?.state === 'shutoff',
  );
  const vm = known(UUID);
  assert.equal(vm?.tenant, 'acme');
  assert.deepEqual(vm.labels, { app: 'web' });
  assert.deepEqual(vm.nics, [
    {
      mac: MAC,
      model: 'virtio',
      link: 'bridge',
      source: 'br0',
      bridge: 'br0',
      vlan: null,
      tap: null,
      addresses: [{ ip: '10.1.0.5', source: 'metadata' }],
      protection: 'inactive',
      reason: '',
    },
  ]);
});

test('start, suspend, resume', async () => {
  await seen(
    'start',
    () => host.virsh('start', 'web'),
    (vm) => vm?.state === 'running' && vm.nics[0]?.tap !== null,
  );
  assert.equal(known(UUID)?.nics[0]?.protection, 'observed');
  await seen(
    'suspend',
    () => host.virsh('suspend', 'web'),
    (vm) => vm?.state === 'paused',
  );
  await seen(
    'resume',
    () => host.virsh('resume', 'web'),
    (vm) => vm?.state === 'running',
  );
});

test('an interface comes and goes', async () => {
  const attach = () =>
    host.virsh(
      'attach-interface',
      'web',
      'bridge',
      'br0',
      '--mac',
      '52:54:00:00:00:02',
      '--model',
      'virtio',
      '--live',
    );
  await seen('attach', attach, (vm) => vm?.nics.length === 2 && vm.nics[1]?.bridge === 'br0');
});

test('a user-mode NIC is unprotected, with the reason', async () => {
  const id = '22222222-2222-4222-8222-222222222222';
  const user = `<interface type='user'><mac address='52:54:00:00:00:09'/><model type='virtio'/></interface>`;
  await host.define(guestXml({ name: 'alone', uuid: id, devices: user }));
  const vm = await host.platform.until('the VM', () => known(id), SEEN_MS);
  assert.equal(vm.nics[0]?.protection, 'unprotected');
  assert.match(vm.nics[0]?.reason ?? '', /user-mode/);
});

test('libvirtd killed: the VM goes on, and what happens afterwards is seen again', async () => {
  await host.libvirtd.stopDaemon('SIGKILL');
  await host.platform.until('libvirt is told to be away', () =>
    host.platform.messages.some((m) => m.type === 'facts' && !m.facts.libvirtUp),
  );
  await host.libvirtd.startDaemon();
  await host.platform.until('libvirt is back', () => {
    const last = host.platform.messages.findLast((m) => m.type === 'facts');
    return last?.type === 'facts' && last.facts.libvirtUp;
  });
  await seen(
    'suspend',
    () => host.virsh('suspend', 'web'),
    (vm) => vm?.state === 'paused',
  );
});

test('destroy, undefine', async () => {
  await seen(
    'destroy',
    () => host.virsh('destroy', 'web'),
    (vm) => vm?.state === 'shutoff' && vm.nics[0]?.tap === null,
  );
  await seen(
    'undefine',
    () => host.virsh('undefine', 'web'),
    (vm) => vm === undefined,
  );
});

test('a gateway of ours is no VM; a VM that says it were one is', async () => {
  const id = (n: number): string => `3333333${n}-3333-4333-8333-333333333333`;
  const spec: InstanceSpec = {
    number: 7,
    gateway: 'edge',
    form: 'vm',
    vcpus: 1,
    memoryMiB: 256,
    image: '0123456789abcdef',
  };
  const files = { kernel: '/k', initrd: '/i', disk: '/d.img', channel: '/tmp/c.sock' };
  const xml = gatewayXml(spec, files, 'qemu');
  const withId = (n: number, text: string): string => text.replace('</name>', `</name><uuid>${id(n)}</uuid>`);
  await host.define(withId(1, xml));
  const forged = xml
    .replace('<name>wocloud-gateway-7', '<name>wocloud-gateway-8')
    .replace("<interface type='ethernet'>", "<interface type='bridge'><source bridge='br0'/>");
  await host.define(withId(2, forged));
  // Defined after the gateway: when it is known, the gateway would be.
  await host.platform.until('the forged one', () => known(id(2)), SEEN_MS);
  assert.equal(known(id(1)), undefined);
  assert.ok(!host.platform.messages.some((message) => JSON.stringify(message).includes(id(1))));
});
