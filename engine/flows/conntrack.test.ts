// Connections between guests of a host, as records: real packets, real connection tracking.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { FlowRecord } from '@wocloud/protocol/flow.ts';
import { startFlows, type Flows } from './flows.ts';
import { fixedDirectory, nic } from './testing/directory.ts';
import { ethernet, icmp, inject, ip } from './testing/frames.ts';
import { bridge, enterHost, Guest, nft, run, sysctl, until } from './testing/namespace.ts';

enterHost();

const records: FlowRecord[] = [];
let flows: Flows;
let a: Guest;
let b: Guest;
let c: Guest;
let d: Guest;

// Two networks with the same addresses, told apart by zone; rule slots 7 (out) and 9 (in) in the mark.
const RULES = `
table inet test {
  chain zones { type filter hook prerouting priority raw;
    iifname "br-a" ct zone set 1
    iifname "br-b" ct zone set 2
  }
  chain forward { type filter hook forward priority 0; policy accept;
    ct state new ct mark set 0x00070009
  }
}`;

const directory = fixedDirectory(
  [
    nic({
      vm: 'vm-a',
      mac: '52:54:00:00:00:0a',
      zone: 1,
      network: 'net-1',
      addresses: ['10.0.0.1', 'fd00::1'],
    }),
    nic({
      vm: 'vm-b',
      mac: '52:54:00:00:00:0b',
      zone: 1,
      network: 'net-1',
      addresses: ['10.0.0.2', 'fd00::2'],
    }),
    nic({
      vm: 'vm-c',
      mac: '52:54:00:00:00:0c',
      zone: 2,
      network: 'net-2',
      addresses: ['10.0.0.1'],
      mode: 'observe',
    }),
  ],
  { 7: 'acme/web/out', 9: 'acme/web/in' },
);

before(async () => {
  bridge('br-a');
  bridge('br-b');
  nft(RULES);
  sysctl('net.bridge.bridge-nf-call-iptables', 1);
  sysctl('net.bridge.bridge-nf-call-ip6tables', 1);
  sysctl('net.netfilter.nf_conntrack_acct', 1);
  sysctl('net.netfilter.nf_conntrack_timestamp', 1);
  a = new Guest('a', { bridge: 'br-a', mac: '52:54:00:00:00:0a', addresses: ['10.0.0.1/24', 'fd00::1/64'] });
  b = new Guest('b', { bridge: 'br-a', mac: '52:54:00:00:00:0b', addresses: ['10.0.0.2/24', 'fd00::2/64'] });
  c = new Guest('c', { bridge: 'br-b', mac: '52:54:00:00:00:0c', addresses: ['10.0.0.1/24'] });
  d = new Guest('d', { bridge: 'br-b', mac: '52:54:00:00:00:0d', addresses: ['10.0.0.2/24'] });
  flows = await startFlows({
    directory,
    emit: (batch) => records.push(...batch),
    alert: (alert) => assert.fail(`unexpected alert ${alert.kind}`),
    learned: () => {},
    observeBridges: () => [],
    log: { info: () => {}, warn: (fields, message) => assert.fail(`${message} ${JSON.stringify(fields)}`) },
    dumpEvery: 200,
  });
});

after(async () => {
  await flows?.stop();
});

/** Sends `sizes.length` datagrams and waits for each one's echo. */
function udpClient(to: string, port: number, sizes: number[], localPort: number): string {
  return `
    import { createSocket } from 'node:dgram';
    const socket = createSocket('${to.includes(':') ? 'udp6' : 'udp4'}');
    const sizes = ${JSON.stringify(sizes)};
    let answered = 0;
    socket.on('message', () => { if (++answered === sizes.length) { console.log(answered); socket.close(); } });
    socket.bind(${localPort}, () => { for (const size of sizes) socket.send(Buffer.alloc(size), ${port}, '${to}'); });`;
}

function udpEcho(family: 'udp4' | 'udp6', port: number): string {
  return `
    import { createSocket } from 'node:dgram';
    const socket = createSocket('${family}');
    socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address));
    socket.bind(${port}, () => console.log('up'));`;
}

const of = (sport: number, kind: FlowRecord['kind'], network = 'net-1') =>
  records.find((r) => r.sport === sport && r.kind === kind && r.network === network);

test('a UDP exchange: start at once, end with the bytes the guests sent, headers included', async () => {
  const server = await b.serve(udpEcho('udp4', 5353));
  try {
    const sizes = [1, 20, 300, 1400];
    await a.script(udpClient('10.0.0.2', 5353, sizes, 40_001));
    const start = await until('start', () => of(40_001, 'start'), 2000);
    assert.equal(start.srcVm, 'vm-a');
    assert.equal(start.dstVm, 'vm-b');
    assert.equal(start.point, 'both');
    assert.equal(start.verdict, 'allowed');
    assert.deepEqual([start.ruleOut, start.ruleIn], ['acme/web/out', 'acme/web/in']);
    assert.deepEqual([start.src, start.dst, start.protocol, start.dport], ['10.0.0.1', '10.0.0.2', 17, 5353]);
    assert.equal(start.end, 0);
    assert.ok(Math.abs(start.start / 1000 - Date.now()) < 5000);
    run('conntrack -D -p udp --orig-port-src 40001');
    const end = await until('end', () => of(40_001, 'end'), 2000);
    const bytes = sizes.reduce((sum, n) => sum + n + 28, 0);
    assert.deepEqual([end.packetsOut, end.packetsIn], [sizes.length, sizes.length]);
    assert.deepEqual([end.bytesOut, end.bytesIn], [bytes, bytes]);
    assert.equal(end.flow, start.flow);
    assert.equal(end.start, start.start);
    assert.ok(end.end >= end.start);
  } finally {
    server.kill();
  }
});

test('an exchange over IPv6 counts its longer headers', async () => {
  const server = await b.serve(udpEcho('udp6', 5454));
  try {
    await a.script(udpClient('fd00::2', 5454, [100, 200], 40_002));
    await until('start', () => of(40_002, 'start'), 2000);
    run('conntrack -D -f ipv6 -p udp --orig-port-src 40002');
    const end = await until('end', () => of(40_002, 'end'), 2000);
    assert.deepEqual([end.src, end.dst], ['fd00::1', 'fd00::2']);
    assert.deepEqual([end.bytesOut, end.bytesIn], [300 + 96, 300 + 96]);
  } finally {
    server.kill();
  }
});

test('the same addresses on two networks are two flows', async () => {
  const servers = await Promise.all([b.serve(udpEcho('udp4', 5555)), d.serve(udpEcho('udp4', 5555))]);
  try {
    await Promise.all([a, c].map((guest) => guest.script(udpClient('10.0.0.2', 5555, [10], 40_003))));
    const one = await until('start on net-1', () => of(40_003, 'start', 'net-1'), 2000);
    const two = await until('start on net-2', () => of(40_003, 'start', 'net-2'), 2000);
    assert.notEqual(one.flow, two.flow);
    assert.deepEqual([one.srcVm, one.dstVm, one.point, one.verdict], ['vm-a', 'vm-b', 'both', 'allowed']);
    assert.deepEqual([two.srcVm, two.dstVm, two.point, two.verdict], ['vm-c', '', 'source', 'observed']);
  } finally {
    for (const server of servers) server.kill();
  }
});

test('a TCP connection ends when both sides have closed it, not when the kernel forgets it', async () => {
  const server = await b.serve(`
    import { createServer } from 'node:net';
    createServer({ allowHalfOpen: true }, (socket) => socket.on('data', () => {}).on('end', () => socket.end('bye')))
      .listen(8080, '10.0.0.2', () => console.log('up'));`);
  try {
    await a.script(`
      import { connect } from 'node:net';
      const socket = connect({ port: 8080, host: '10.0.0.2', localPort: 40004 }, () => socket.end(Buffer.alloc(5000)));
      socket.resume().on('close', () => console.log('closed'));`);
    const end = await until('end', () => of(40_004, 'end'), 3000);
    const start = of(40_004, 'start');
    assert.equal(end.flow, start?.flow);
    assert.equal(end.protocol, 6);
    assert.ok(end.bytesOut > 5000 && end.bytesOut < 6000, `${end.bytesOut} bytes out`);
    assert.ok(end.end >= end.start && end.end <= Date.now() * 1000);
    run('conntrack -D -p tcp --orig-port-src 40004');
    await flows.dump();
    assert.equal(records.filter((r) => r.sport === 40_004 && r.kind === 'end').length, 1);
  } finally {
    server.kill();
  }
});

test('a flow that lives on is told again with its counters, as the same flow', async () => {
  const server = await b.serve(udpEcho('udp4', 5656));
  const client = await a.serve(`
    import { createSocket } from 'node:dgram';
    const socket = createSocket('udp4').bind(40005, () => {
      setInterval(() => socket.send(Buffer.alloc(72), 5656, '10.0.0.2'), 20);
      console.log('up');
    });`);
  try {
    const updates = await until('updates', () => {
      const found = records.filter((r) => r.sport === 40_005 && r.kind === 'update');
      return found.length >= 3 && found;
    });
    assert.equal(new Set(updates.map((r) => r.flow)).size, 1);
    assert.equal(updates[0]?.flow, of(40_005, 'start')?.flow);
    for (const update of updates) assert.equal(update.bytesOut, update.packetsOut * 100);
    assert.ok((updates.at(-1)?.bytesOut ?? 0) > (updates[0]?.bytesOut ?? 0));
  } finally {
    client.kill();
    server.kill();
  }
});

test('a ping is a flow with its type and code', async () => {
  const echo = icmp(8, 0, Buffer.from([0, 77, 0, 1, ...Buffer.alloc(56)]));
  const [src, dst] = ['52:54:00:00:00:0a', '52:54:00:00:00:0b'];
  await inject(a, [ethernet({ src, dst, type: 0x0800 }, ip('10.0.0.1', '10.0.0.2', 1, echo))], 3);
  const start = await until('start', () => records.find((r) => r.protocol === 1 && r.kind === 'start'), 2000);
  assert.deepEqual([start.sport, start.dport, start.srcVm], [8, 0, 'vm-a']);
  const update = await until('counters', () =>
    records.find((r) => r.flow === start.flow && r.kind === 'update'),
  );
  assert.deepEqual([update.packetsOut, update.packetsIn, update.bytesOut], [3, 3, 3 * 84]);
});

test('nothing was lost or unreadable on the way', () => {
  const { counters } = flows;
  assert.equal(counters['flows.malformed'], 0);
  assert.equal(counters['flows.events_lost'], 0);
  assert.ok((counters['flows.events'] ?? 0) > 0);
});
