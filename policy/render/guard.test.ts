// Needs root: a guest in a network namespace forges what it can; the tap's guard refuses each by its name.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { DesiredState } from '@wocloud/protocol/desired.ts';
import { NO_DOCUMENTS, type InventoryVm } from '../model.ts';
import { Planner } from '../plan.ts';
import { BROADCAST, ETHERTYPE, NOBODY, arp, ethernet, groupMac, ip } from '../testing/frames.ts';
import {
  dhcp,
  extension,
  forgeries,
  fragment6,
  linkLocalOf,
  option,
  override,
  speaker,
  target,
  udp,
  zero,
  type Station,
} from '../testing/forgeries.ts';
import { KernelHost } from '../testing/kernel.ts';
import { assignSlots, ruleIds } from './local.ts';
import { LOG_GROUP, parseGuardPrefix, type GuardKind } from './names.ts';
import { renderFull } from './script.ts';

const MAC = ['52:54:00:00:00:01', '52:54:00:00:00:02', '52:54:00:00:00:03'] as const;
const [me, second, third] = MAC.map((m, i): Station => ({
  mac: m,
  ipv4: `10.0.0.${i + 1}`,
  ipv6: `fd00::${i + 1}`,
  linkLocal: linkLocalOf(m),
})) as [Station, Station, Station];
const { mac, linkLocal } = me;
const victim = second.mac;
const { from1, packet, nd, plain } = speaker({ me, victim: second });
let kernel: KernelHost;
let tapIndex = new Map<number, string>();

function state(): DesiredState {
  const planner = new Planner();
  planner.setDocuments({
    ...NO_DOCUMENTS,
    tenants: [
      {
        apiVersion: 'wocloud/v1',
        kind: 'Tenant',
        metadata: { name: 'acme' },
        spec: { defaults: { ingress: 'allow' } },
      },
    ],
  });
  planner.setHostNetworks('h1', [{ id: 'n1', name: 'n1', bridge: 'br0', vlan: null, zone: 1 }]);
  MAC.forEach((m, i) => {
    const machine: InventoryVm = {
      id: `00000000-0000-4000-8000-00000000000${i + 1}`,
      name: `vm-${i + 1}`,
      host: 'h1',
      tenant: 'acme',
      mode: i === 2 ? 'observe' : 'enforce',
      labels: {},
      nics: [{ mac: m, network: 'n1', addresses: [`10.0.0.${i + 1}`, `fd00::${i + 1}`] }],
    };
    planner.upsertVm(machine);
  });
  return planner.desired('h1', 1);
}

before(async () => {
  kernel = await KernelHost.create(['tap1', 'tap2', 'tap3', 'tap4'].map((tap) => ({ tap, bridge: 'br0' })));
  const desired = state();
  await kernel.nft(
    renderFull(desired, {
      taps: new Map(desired.nics.map((nic) => [nic.id, `tap${nic.name.slice(3)}`])),
      networks: new Map([
        ['n1', { interfaces: [{ name: 'br0', mac: '02:00:00:00:01:00' }], otherPorts: ['tap3', 'tap4'] }],
      ]),
      slots: assignSlots(new Map(), ruleIds(desired), 0).slots,
    }),
  );
  await kernel.listen(LOG_GROUP.guard);
  const links = JSON.parse(await kernel.inHost('ip', '-j', 'link')) as { ifindex: number; ifname: string }[];
  tapIndex = new Map(links.map((l) => [l.ifindex, l.ifname]));
});
after(() => kernel.close());

const rest = ip({
  src: '10.0.0.1',
  dst: '10.0.0.2',
  protocol: 17,
  payload: udp('10.0.0.1', '10.0.0.2', 1, 2),
});
const attacks: [string, GuardKind, Buffer, string?][] = [
  ...forgeries({ me, victim: second, bystander: third }),
  ["an observed VM using an enforced one's MAC", 'theft', ethernet(victim, mac, ETHERTYPE.ip, rest), 'tap3'],
  [
    "an unknown port using an enforced VM's MAC",
    'theft',
    ethernet(victim, mac, ETHERTYPE.arp, arp(2, mac, '10.0.0.1', victim, '10.0.0.2')),
    'tap4',
  ],
];

/** They come out at the victim's tap, or at a port that is no VM's (where a DHCP server may be). */
const honest: [string, Buffer, string?][] = [
  ['ARP', from1(BROADCAST, ETHERTYPE.arp, arp(1, mac, '10.0.0.1', NOBODY, '10.0.0.2'))],
  [
    'an ARP probe for its own address',
    from1(BROADCAST, ETHERTYPE.arp, arp(1, mac, '0.0.0.0', NOBODY, '10.0.0.1')),
  ],
  ['IPv4', plain('10.0.0.1')],
  ['IPv6', plain('fd00::1')],
  ['link-local IPv6', plain(linkLocal)],
  [
    'a solicitation with its own address',
    nd('fd00::1', 'ff02::1:ff00:2', 135, target('fd00::2', option(1, mac))),
  ],
  ['an advertisement of itself', nd('fd00::1', 'fd00::2', 136, override('fd00::1', option(2, mac)))],
  ['an advertisement without option', nd(linkLocal, 'fd00::2', 136, override(linkLocal))],
  ['duplicate detection of its own address', nd('::', 'ff02::1:ff00:1', 135, target('fd00::1'))],
  [
    'duplicate detection with a nonce',
    nd('::', 'ff02::1:ff00:1', 135, target(linkLocal, option(14, victim))),
  ],
  ['a router solicitation', nd(linkLocal, 'ff02::2', 133, Buffer.concat([zero(4), option(1, mac)]))],
  ['a router solicitation before it has an address', nd('::', 'ff02::2', 133, zero(4))],
  [
    'a DHCP request',
    packet('0.0.0.0', '255.255.255.255', 17, udp('0.0.0.0', '255.255.255.255', 68, 67, dhcp(mac)), BROADCAST),
    'tap4',
  ],
  [
    'multicast',
    packet(
      '10.0.0.1',
      '224.0.0.251',
      17,
      udp('10.0.0.1', '224.0.0.251', 5353, 5353),
      groupMac('224.0.0.251'),
    ),
  ],
];

for (const [what, kind, frame, tap = 'tap1'] of attacks)
  test(`refused and named: ${what}`, async () => {
    await kernel.send([[tap, frame]]);
    const got = await kernel.received();
    for (const [port, frames] of got) assert.deepEqual(frames, [], `came out at ${port}`);
    const lines = await kernel.logged();
    assert.deepEqual(
      lines.map((line) => [parseGuardPrefix(line.prefix), tapIndex.get(line.indev ?? 0)]),
      [[kind, tap]],
    );
  });

for (const [what, frame, at = 'tap2'] of honest)
  test(`let through: ${what}`, async () => {
    await kernel.send([['tap1', frame]]);
    const got = await kernel.received();
    assert.deepEqual(await kernel.logged(), []);
    const out = got.get(at) ?? [];
    assert.equal(out.length, 1);
    assert.deepEqual(out[0]?.subarray(0, frame.length), frame);
  });

test('let through: a datagram in honest fragments, put together before it is judged', async () => {
  const whole = udp('10.0.0.1', '10.0.0.2', 7000, 7001, zero(2000));
  const piece = (from: number, to: number, more: boolean) =>
    from1(
      victim,
      ETHERTYPE.ip,
      ip({
        src: '10.0.0.1',
        dst: '10.0.0.2',
        protocol: 17,
        payload: whole.subarray(from, to),
        id: 77,
        fragment: (more ? 0x2000 : 0) | (from / 8),
      }),
    );
  await kernel.send([
    ['tap1', piece(0, 1480, true)],
    ['tap1', piece(1480, whole.length, false)],
  ]);
  const got = (await kernel.received()).get('tap2') ?? [];
  assert.deepEqual(await kernel.logged(), []);
  const data = Buffer.concat(got.map((frame) => frame.subarray(34)));
  assert.deepEqual(data.subarray(0, whole.length), whole);
});

test('refused after reassembly: a DHCPv6 reply whose header hides in later fragments', async () => {
  const data = Buffer.concat([
    extension(60, 70),
    extension(60, 70),
    extension(17, 4),
    udp('fd00::1', 'fd00::2', 547, 546),
  ]);
  const cut = 1120;
  const frames = [
    fragment6(60, 0, true, data.subarray(0, cut)),
    fragment6(60, cut / 8, false, data.subarray(cut)),
  ];
  await kernel.send(frames.map((f) => ['tap1', packet('fd00::1', 'fd00::2', 44, f)] as const));
  const got = await kernel.received();
  for (const [port, list] of got) assert.deepEqual(list, [], `came out at ${port}`);
  assert.deepEqual(
    new Set((await kernel.logged()).map((l) => parseGuardPrefix(l.prefix))),
    new Set(['fragment']),
  );
});

test('refusals are counted per tap and kind, however many were logged', async () => {
  const frames = Array.from({ length: 100 }, () => ['tap1', plain('10.0.0.9')] as const);
  const count = async () => {
    const listed = JSON.parse(
      await kernel.inHost('nft', '-j', 'list', 'set', 'netdev', 'wocloud', 'refused-ipv4'),
    );
    const [entry] = listed.nftables.flatMap(
      (o: { set?: { elem?: { elem: { counter: { packets: number } } }[] } }) => o.set?.elem ?? [],
    );
    return entry.elem.counter.packets as number;
  };
  const start = await count();
  await kernel.send(frames);
  await kernel.received();
  assert.equal((await count()) - start, 100);
  const logged = (await kernel.logged()).length;
  assert.ok(logged > 0 && logged < 60, `${logged} lines`);
});
