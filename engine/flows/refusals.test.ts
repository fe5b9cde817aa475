// Refused and forged packets, as the kernel's log groups tell them: real packets through real nftables rules.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { FlowRecord } from '@wocloud/protocol/flow.ts';
import type { EngineAlert } from '@wocloud/protocol/reports.ts';
import { startFlows, type Flows } from './flows.ts';
import { fixedDirectory, nic } from './testing/directory.ts';
import { arp, ethernet, icmp, inject, ip, ipBytes, macBytes, tcp, udp } from './testing/frames.ts';
import { bridge, enterHost, Guest, nft, sysctl, until } from './testing/namespace.ts';

enterHost();

const A = '52:54:00:00:00:0a';
const B = '52:54:00:00:00:0b';
const records: FlowRecord[] = [];
const alerts: EngineAlert[] = [];
let flows: Flows;
let a: Guest;

const directory = fixedDirectory(
  [
    nic({
      vm: 'vm-a',
      mac: A,
      tap: 'tap-a',
      bridge: 'br-a',
      zone: 1,
      network: 'net-1',
      addresses: ['10.0.0.1'],
    }),
    nic({
      vm: 'vm-b',
      mac: B,
      tap: 'tap-b',
      bridge: 'br-a',
      zone: 1,
      network: 'net-1',
      addresses: ['10.0.0.2'],
    }),
  ],
  { 7: 'acme/web/out', 9: 'acme/db/in' },
);

// As the rendered policy has it: refusals in the forward chain, forgeries at the tap's ingress.
const RULES = `
table inet test {
  chain forward { type filter hook forward priority 0; policy accept;
    udp dport 1001 log prefix "wocloud:7:0:dropped" group 100 snaplen 128 drop
    udp dport 1002 log prefix "wocloud:7:9:rejected" group 100 snaplen 128 drop
    tcp dport 1003 log prefix "wocloud:0:9:dropped" group 100 snaplen 128 drop
    icmp type echo-request log prefix "wocloud:0:9:dropped" group 100 drop
    icmpv6 type echo-request log prefix "wocloud:0:9:dropped" group 100 drop
    udp dport 1007 log prefix "wocloud-refuse" group 102 snaplen 128 drop
    tcp dport 1008 log prefix "wocloud-refuse" group 102 snaplen 128 drop
    udp dport 1009 log prefix "wocloud:7:0:allowed" group 100 snaplen 128
    udp dport 1004 log prefix "somebody else's" group 100 drop
  }
  chain input { type filter hook input priority 0; policy accept;
    iifname "br-a" udp dport 1005 log prefix "wocloud:7:0:dropped" group 100 snaplen 128 drop
  }
  chain output { type filter hook output priority 0; policy accept;
    oifname "br-a" udp dport 1006 log prefix "wocloud:0:9:dropped" group 100 snaplen 128 drop
  }
}
table netdev guard {
  chain tap-a { type filter hook ingress device "tap-a" priority -100; policy accept;
    ether saddr != ${A} log prefix "wocloud-guard:mac:" group 101 snaplen 128 drop
    arp saddr ip != 10.0.0.1 log prefix "wocloud-guard:arp:" group 101 snaplen 128 drop
    vlan id 5 log prefix "wocloud-guard:vlan:" group 101 snaplen 128 drop
    icmpv6 type nd-neighbor-advert log prefix "wocloud-guard:nd:" group 101 snaplen 128 drop
    icmpv6 type nd-router-advert log prefix "wocloud-guard:ra:" group 101 snaplen 128 drop
    udp sport 67 log prefix "wocloud-guard:dhcp:" group 101 snaplen 128 drop
    ip saddr != 10.0.0.1 log prefix "wocloud-guard:ipv4:" group 101 snaplen 128 drop
  }
}`;

before(async () => {
  bridge('br-a', '10.0.0.254/24');
  a = new Guest('a', { bridge: 'br-a', mac: A, addresses: ['10.0.0.1/24', 'fd00::1/64'] });
  const b = new Guest('b', { bridge: 'br-a', mac: B, addresses: ['10.0.0.2/24', 'fd00::2/64'] });
  b.run('ip link set eth0 mtu 1500');
  sysctl('net.bridge.bridge-nf-call-iptables', 1);
  sysctl('net.bridge.bridge-nf-call-ip6tables', 1);
  nft(RULES);
  flows = await startFlows({
    directory,
    emit: (batch) => records.push(...batch.filter((r) => r.kind === 'drop')),
    alert: (alert) => alerts.push(alert),
    learned: () => {},
    observeBridges: () => [],
    log: { info: () => {}, warn: (fields, message) => assert.fail(`${message} ${JSON.stringify(fields)}`) },
  });
});

after(async () => {
  await flows?.stop();
});

const send = (type: number, payload: Uint8Array, times = 1, src = A, dst = B) =>
  inject(a, [ethernet({ src, dst, type }, payload)], times);
const dropped = (dport: number, protocol = 17) =>
  until(`drop to ${dport}`, () => records.find((r) => r.dport === dport && r.protocol === protocol), 2000);
const alerted = (kind: string) =>
  until(`alert ${kind}`, () => alerts.find((alert) => alert.kind === kind), 2000);

test('a dropped packet is a record with its NICs and the rule that dropped it', async () => {
  await send(0x0800, ip('10.0.0.1', '10.0.0.2', 17, udp(4000, 1001, Buffer.alloc(10))));
  const record = await dropped(1001);
  assert.deepEqual(
    [record.verdict, record.ruleOut, record.ruleIn, record.srcVm, record.dstVm, record.point, record.network],
    ['dropped', 'acme/web/out', '', 'vm-a', 'vm-b', 'both', 'net-1'],
  );
  assert.deepEqual(
    [record.src, record.dst, record.sport, record.packetsOut, record.bytesOut],
    ['10.0.0.1', '10.0.0.2', 4000, 1, 38],
  );
  assert.ok(Math.abs(record.time / 1000 - Date.now()) < 5000);
});

test('equal refusals of one moment are one record with their count', async () => {
  await send(0x0800, ip('10.0.0.1', '10.0.0.2', 17, udp(4001, 1002)), 500);
  await until(
    '500 packets',
    () => {
      const mine = records.filter((r) => r.dport === 1002);
      return mine.reduce((sum, r) => sum + r.packetsOut, 0) === 500;
    },
    3000,
  );
  const mine = records.filter((r) => r.dport === 1002);
  assert.ok(mine.length < 20, `${mine.length} records`);
  for (const record of mine) assert.deepEqual([record.verdict, record.ruleIn], ['rejected', 'acme/db/in']);
  assert.equal(new Set(mine.map((r) => r.flow)).size, mine.length);
});

test('TCP, ICMP and IPv6 with extension headers are read', async () => {
  await send(0x0800, ip('10.0.0.1', '10.0.0.2', 6, tcp(4002, 1003, 2)));
  assert.equal((await dropped(1003, 6)).sport, 4002);
  await send(0x0800, ip('10.0.0.1', '10.0.0.2', 1, icmp(8, 0)));
  const ping = await until('ping', () => records.find((r) => r.protocol === 1), 2000);
  assert.deepEqual([ping.sport, ping.dport], [8, 0]);
  const hopByHop = Buffer.concat([Buffer.of(60, 0, 1, 4, 0, 0, 0, 0), Buffer.of(17, 0, 1, 4, 0, 0, 0, 0)]);
  await send(0x86dd, ip('fd00::1', 'fd00::2', 0, Buffer.concat([hopByHop, udp(4003, 1001)])));
  const six = await until('IPv6', () => records.find((r) => r.src === 'fd00::1' && r.protocol === 17), 2000);
  assert.deepEqual([six.sport, six.dport, six.srcVm, six.dstVm], [4003, 1001, 'vm-a', 'vm-b']);
});

test('what is refused between a VM and the host names the VM', async () => {
  const host = (await import('node:fs')).readFileSync('/sys/class/net/br-a/address', 'utf8').trim();
  await send(0x0800, ip('10.0.0.1', '10.0.0.254', 17, udp(4004, 1005)), 1, A, host);
  const up = await dropped(1005);
  assert.deepEqual([up.srcVm, up.dstVm, up.point], ['vm-a', '', 'source']);
  const { createSocket } = await import('node:dgram');
  const socket = createSocket('udp4');
  socket.on('error', () => {});
  await new Promise((resolve) => socket.send(Buffer.alloc(1), 1006, '10.0.0.2', resolve));
  socket.close();
  const down = await dropped(1006);
  assert.deepEqual([down.srcVm, down.dstVm, down.point], ['', 'vm-b', 'destination']);
});

test('who is rejected where the host has no route is told so at once', async () => {
  const refused = await a.script(`
    import { connect } from 'node:net';
    const began = performance.now();
    connect({ port: 1008, host: '10.0.0.2' }).on('error', (error) => console.log(error.code, performance.now() - began < 500));`);
  assert.equal(refused, 'ECONNREFUSED true');
  assert.equal(flows.counters['answers.sent'], 1);
});

test('what a rule lets through and logs is counted, and no refusal', async () => {
  await send(0x0800, ip('10.0.0.1', '10.0.0.2', 17, udp(4006, 1009)));
  await until('allowed', () => flows.counters['refusals.allowed'] === 1, 2000);
});

test('a packet somebody else logs to the group is counted, and not taken for ours', async () => {
  await send(0x0800, ip('10.0.0.1', '10.0.0.2', 17, udp(4005, 1004)));
  await until('foreign', () => flows.counters['refusals.foreign'] === 1, 2000);
  assert.equal(records.filter((r) => r.dport === 1004).length, 0);
});

const ND = (type: number, rest: Uint8Array) => ip('fe80::66', 'ff02::1', 58, icmp(type, 0, rest));

const forgeries: [
  kind: string,
  type: number,
  payload: Buffer,
  src: string,
  evidence: Record<string, unknown>,
][] = [
  [
    'mac',
    0x0800,
    ip('10.0.0.1', '10.0.0.2', 17, udp(1, 2)),
    '52:54:00:00:00:66',
    { sourceMac: '52:54:00:00:00:66' },
  ],
  [
    'ipv4',
    0x0800,
    ip('10.0.0.66', '10.0.0.2', 17, udp(1, 2)),
    A,
    { claimedIp: '10.0.0.66', destinationPort: 2 },
  ],
  [
    'arp',
    0x0806,
    arp(2, [A, '10.0.0.254'], [B, '10.0.0.2']),
    A,
    { arp: 'reply', claimedIp: '10.0.0.254', claimedMac: A },
  ],
  [
    'nd',
    0x86dd,
    ND(
      136,
      Buffer.concat([Buffer.alloc(4), ipBytes('fd00::2'), Buffer.of(2, 1), macBytes('52:54:00:00:00:66')]),
    ),
    A,
    { message: 'neighbour advertisement', target: 'fd00::2', claimedMac: '52:54:00:00:00:66' },
  ],
  [
    'ra',
    0x86dd,
    ND(
      134,
      Buffer.concat([
        Buffer.of(64, 0, 7, 8),
        Buffer.alloc(8),
        Buffer.of(3, 4, 64, 192),
        Buffer.alloc(12),
        ipBytes('2001:db8::'),
      ]),
    ),
    A,
    { prefix: '2001:db8::/64', routerLifetime: 1800 },
  ],
  [
    'dhcp',
    0x0800,
    ip(
      '10.0.0.1',
      '255.255.255.255',
      17,
      udp(
        67,
        68,
        Buffer.concat([Buffer.alloc(16), ipBytes('10.9.9.9'), ipBytes('10.0.0.1'), Buffer.alloc(212)]),
      ),
    ),
    A,
    { message: 'DHCP server reply', offeredIp: '10.9.9.9', server: '10.0.0.1' },
  ],
];
for (const [kind, type, payload, src, evidence] of forgeries)
  test(`a forged packet (${kind}) raises an alert that names the VM and what it claimed`, async () => {
    await send(type, payload, 1, src);
    const alert = await alerted(`spoof.${kind}`);
    assert.equal(alert.vm, 'vm-a');
    assert.match(alert.title, /VM vm-a sent/);
    assert.equal(alert.evidence['tap'], 'tap-a');
    for (const [name, value] of Object.entries(evidence)) assert.equal(alert.evidence[name], value, name);
  });

test('a forged VLAN tag is told with its id', async () => {
  await inject(a, [
    ethernet({ src: A, dst: B, type: 0x0800, vlan: 5 }, ip('10.0.0.1', '10.0.0.2', 17, udp(1, 2))),
  ]);
  assert.equal((await alerted('spoof.vlan')).evidence['vlan'], 5);
});

test('a storm of forgeries is one alert at first, and its count is not lost', async () => {
  const before = alerts.length;
  const counted = flows.counters['guard.packets'] ?? 0;
  await send(0x0800, ip('10.0.0.66', '10.0.0.2', 17, udp(1, 2)), 2000);
  await until('2000 packets', () => (flows.counters['guard.packets'] ?? 0) - counted === 2000, 3000);
  assert.equal(alerts.length, before);
  assert.equal(flows.counters['guard.lost'], 0);
  await flows.stop();
  const total = alerts.filter((x) => x.kind === 'spoof.ipv4').reduce((sum, x) => sum + x.count, 0);
  assert.equal(total, 2001);
});
