// What of a desired state can be enforced here: observed NICs and their networks are not touched at all.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EMPTY_STATE, type DesiredNic, type DesiredState } from '@wocloud/protocol/desired.ts';
import type { Bridges } from '../inventory/bridges.ts';
import type { KnownVm } from '../inventory/observed.ts';
import { NO_BUCKETS } from '../steering/buckets.ts';
import { place } from './placement.ts';

const id = (n: number): string => `0000000${n}-0000-4000-8000-000000000000`;
const mac = (n: number): string => `52:54:00:00:00:0${n}`;
const nic = (n: number, mode: DesiredNic['mode'], network = 'n1'): DesiredNic => ({
  id: `${id(n)}/${mac(n)}`,
  vm: id(n),
  name: `v${n}`,
  tenant: null,
  mac: mac(n),
  network,
  mode,
  addresses: [],
  out: 'o',
  in: 'i',
});
const stateOf = (...nics: DesiredNic[]): DesiredState => ({
  ...EMPTY_STATE,
  generation: 1,
  networks: [
    { id: 'n1', name: 'n1', bridge: 'br0', vlan: null, zone: 1 },
    { id: 'n2', name: 'n2', bridge: 'br1', vlan: 20, zone: 2 },
  ],
  nics,
  chains: [],
  sets: [],
});
const port = (device: string, bridge: string, address: string, vlan: number | null = null) =>
  [device, { device, index: 1, mac: address, bridge, ovs: false, vlan }] as const;
const bridges: Bridges = {
  ports: new Map([
    port('vnet1', 'br0', 'fe:54:00:00:00:01'),
    port('vnet2', 'br0', 'fe:54:00:00:00:02'),
    port('eth0', 'br0', '02:00:00:00:00:01'),
    port('vnet3', 'br1', 'fe:54:00:00:00:03', 20),
    port('vnet4', 'br1', 'fe:54:00:00:00:04', 30),
  ]),
  bridges: new Map([
    ['br0', { vlanFiltering: false, mac: '02:00:00:00:00:aa', vlan: null }],
    ['br1', { vlanFiltering: true, mac: '02:00:00:00:00:bb', vlan: null }],
  ]),
  vlanDevices: [{ device: 'br1.20', mac: '02:00:00:00:00:bb', bridge: 'br1', vlan: 20 }],
};
function running(n: number, tap: string | null, unprotectable = ''): [string, KnownVm] {
  const own = {
    mac: mac(n),
    model: 'virtio',
    link: 'bridge' as const,
    source: 'br0',
    bridge: 'br0',
    tap,
    vlan: null,
  };
  const metadata = { tenant: null, labels: {}, addresses: [], problems: [] };
  const domain = {
    id: id(n),
    name: `v${n}`,
    title: '',
    vcpus: 1,
    memoryKiB: 1,
    metadata,
    nics: [own],
    agent: false,
  };
  return [
    id(n),
    {
      domain,
      state: tap === null && unprotectable === '' ? 'shutoff' : 'running',
      nics: [{ ...own, unprotectable }],
    },
  ];
}
const none = new Map<string, string>();
const protectionOf = (placement: ReturnType<typeof place>, n: number) =>
  placement.protections.get(`${id(n)}/${mac(n)}`);

test('a network without an enforced NIC is left out, with its NICs', () => {
  const state = stateOf(nic(1, 'enforce'), nic(3, 'observe', 'n2'));
  const placed = place({
    buckets: NO_BUCKETS,
    state,
    vms: new Map([running(1, 'vnet1'), running(3, 'vnet3')]),
    bridges,
    blocked: none,
  });
  assert.deepEqual(
    placed.state.networks.map((n) => n.id),
    ['n1'],
  );
  assert.deepEqual([...placed.bridges], ['br0']);
  assert.equal(placed.vlans, false);
  assert.deepEqual([...placed.taps.values()], ['vnet1']);
  assert.deepEqual(placed.networks.get('n1')?.otherPorts, ['eth0', 'vnet2']);
  assert.equal(protectionOf(placed, 3)?.protection, 'observed');
});

test('a VLAN of a bridge has its own ports and its own way to the host', () => {
  const placed = place({
    buckets: NO_BUCKETS,
    state: stateOf(nic(3, 'enforce', 'n2')),
    vms: new Map([running(3, 'vnet3')]),
    bridges,
    blocked: none,
  });
  assert.equal(placed.vlans, true);
  assert.deepEqual(placed.networks.get('n2'), {
    interfaces: [{ name: 'br1.20', mac: '02:00:00:00:00:bb' }],
    otherPorts: [],
  });
});

test('where others would drop its frames, a NIC stays observed, with the reason', () => {
  const placed = place({
    buckets: NO_BUCKETS,
    state: stateOf(nic(1, 'enforce')),
    vms: new Map([running(1, 'vnet1')]),
    bridges,
    blocked: new Map([['br0', 'Docker']]),
  });
  assert.deepEqual(protectionOf(placed, 1), { protection: 'observed', reason: 'Docker' });
  assert.deepEqual(placed.state.nics, []);
  assert.equal(placed.bridges.size, 0);
});

test('a NIC out of reach is unprotected even when enforcing is wanted', () => {
  const placed = place({
    buckets: NO_BUCKETS,
    state: stateOf(nic(1, 'enforce')),
    vms: new Map([running(1, null, 'macvtap')]),
    bridges,
    blocked: none,
  });
  assert.deepEqual(protectionOf(placed, 1), { protection: 'unprotected', reason: 'macvtap' });
  assert.deepEqual(placed.state.nics, []);
});

test('rules of a VM that is off stand already, and its tap is known by its MAC before libvirt says so', () => {
  const off = place({
    buckets: NO_BUCKETS,
    state: stateOf(nic(5, 'enforce')),
    vms: new Map([running(5, null)]),
    bridges,
    blocked: none,
  });
  assert.equal(protectionOf(off, 5)?.protection, 'inactive');
  assert.equal(off.state.nics.length, 1);
  assert.equal(off.taps.size, 0);
  const starting = place({
    buckets: NO_BUCKETS,
    state: stateOf(nic(2, 'enforce')),
    vms: new Map([running(2, null)]),
    bridges,
    blocked: none,
  });
  assert.deepEqual([...starting.taps.values()], ['vnet2']);
});

test("a tap that is another running VM's is not taken for a starting one's", () => {
  const twin: [string, KnownVm] = running(9, 'vnet2');
  const placed = place({
    buckets: NO_BUCKETS,
    state: stateOf(nic(2, 'enforce')),
    vms: new Map([running(2, null), twin]),
    bridges,
    blocked: none,
  });
  assert.equal(placed.taps.size, 0);
});

test('a gateway is one whose devices are all there, and every port of its bridges is known', () => {
  const more = ['wog2a', 'wog2b', 'wog2m', 'wog3a', 'wog3b'].map((device, i) => {
    const [name, found] = port(device, '', '');
    return [name, { ...found, bridge: null, index: 10 + i }] as const;
  });
  const placed = place({
    buckets: NO_BUCKETS,
    state: stateOf(nic(1, 'enforce')),
    vms: new Map([running(1, 'vnet1')]),
    bridges: { ...bridges, ports: new Map([...bridges.ports, ...more]) },
    blocked: none,
  });
  assert.deepEqual(
    [...placed.gateways],
    [
      [
        2,
        {
          a: { device: 'wog2a', index: 10 },
          b: { device: 'wog2b', index: 11 },
          m: { device: 'wog2m', index: 12 },
        },
      ],
    ],
  );
  assert.deepEqual([...placed.ports.keys()], ['br0']);
  assert.deepEqual(
    placed.ports
      .get('br0')
      ?.map(({ device }) => device)
      .sort(),
    ['eth0', 'vnet1', 'vnet2'],
  );
});
