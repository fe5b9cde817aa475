// Observation of bridges on which nothing is enforced: real traffic, without br_netfilter, beside a hostile ruleset.
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { after, before, test } from 'node:test';
import type { FlowRecord } from '@wocloud/protocol/flow.ts';
import { startFlows, type Flows } from './flows.ts';
import { fixedDirectory, nic, type FixedDirectory } from './testing/directory.ts';
import { arp, ethernet, icmp, inject, ip, ipBytes, tcp } from './testing/frames.ts';
import { bridge, enterHost, Guest, nft, run, sysctl, until } from './testing/namespace.ts';

enterHost();

const MAC = (n: string) => `52:54:00:00:00:${n}`;
const records: FlowRecord[] = [];
const learned = new Set<string>();
let flows: Flows;
let directory: FixedDirectory;
let a: Guest;
let b: Guest;

const nics = [
  nic({
    vm: 'vm-a',
    mac: MAC('0a'),
    tap: 'tap-a',
    bridge: 'br-a',
    mode: 'observe',
    addresses: ['10.0.0.1', 'fd00::1'],
  }),
  // Nobody knows its addresses yet.
  nic({ vm: 'vm-b', mac: MAC('0b'), tap: 'tap-b', bridge: 'br-a', mode: 'observe' }),
  ...[5, 6].flatMap((vlan) =>
    ['c', 'd'].map((name, i) =>
      nic({
        vm: `vm-${name}${vlan}`,
        mac: MAC(`${name}${vlan}`),
        tap: `tap-${name}${vlan}`,
        bridge: 'br-v',
        vlan,
        network: `net-${vlan}`,
        mode: 'observe',
        addresses: [`10.0.0.${i + 1}`],
      }),
    ),
  ),
];

before(async () => {
  bridge('br-a', '10.0.0.254/24');
  bridge('br-v');
  sysctl('net.bridge.bridge-nf-call-iptables', 0);
  sysctl('net.bridge.bridge-nf-call-ip6tables', 0);
  // As Docker and firewalld leave it: nothing may be forwarded.
  nft('table inet foreign {\n chain forward { type filter hook forward priority 0; policy drop;\n }\n}');
  a = new Guest('a', { bridge: 'br-a', mac: MAC('0a'), addresses: ['10.0.0.1/24', 'fd00::1/64'] });
  b = new Guest('b', { bridge: 'br-a', mac: MAC('0b'), addresses: ['10.0.0.2/24', 'fd00::2/64'] });
  for (const vlan of [5, 6])
    for (const [i, name] of ['c', 'd'].entries())
      new Guest(`${name}${vlan}`, {
        bridge: 'br-v',
        mac: MAC(`${name}${vlan}`),
        addresses: [`10.0.0.${i + 1}/24`],
      });
  directory = fixedDirectory(nics);
  flows = await startFlows({
    directory,
    emit: (batch) => records.push(...batch),
    alert: (alert) => assert.fail(`unexpected alert ${alert.kind}`),
    learned: (mac, address) => learned.add(`${mac} ${address}`),
    observeBridges: () => ['br-a', 'br-v'],
    log: { info: () => {}, warn: (fields, message) => assert.fail(`${message} ${JSON.stringify(fields)}`) },
    dumpEvery: 300,
  });
});

after(async () => {
  await flows?.stop();
});

const client = (to: string, port: number, sizes: number[], localPort: number) => `
  import { createSocket } from 'node:dgram';
  const socket = createSocket('${to.includes(':') ? 'udp6' : 'udp4'}');
  const sizes = ${JSON.stringify(sizes)};
  let answered = 0;
  socket.on('message', () => { if (++answered === sizes.length) { console.log(answered); socket.close(); } });
  socket.bind(${localPort}, () => { for (const size of sizes) socket.send(Buffer.alloc(size), ${port}, '${to}'); });`;
const echo = (family: 'udp4' | 'udp6', port: number) => `
  import { createSocket } from 'node:dgram';
  const socket = createSocket('${family}');
  socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address));
  socket.bind(${port}, () => console.log('up'));`;

const of = (sport: number, kind: FlowRecord['kind'], vm = 'vm-a') =>
  records.findLast((r) => r.sport === sport && r.kind === kind && r.srcVm === vm);

for (const [family, to, header, port] of [
  ['udp4', '10.0.0.2', 28, 5353],
  ['udp6', 'fd00::2', 48, 5354],
] as const)
  test(`an exchange over ${family} is told at once, and its bytes exactly`, async () => {
    const server = await b.serve(echo(family, port));
    try {
      const sizes = [1, 20, 300, 1200];
      await a.script(client(to, port, sizes, 40_000 + port));
      const start = await until('start', () => of(40_000 + port, 'start'), 1000);
      assert.deepEqual(
        [start.srcVm, start.dstVm, start.point, start.verdict, start.dst, start.dport, start.ruleOut],
        ['vm-a', 'vm-b', 'both', 'observed', to, port, ''],
      );
      const bytes = sizes.reduce((sum, n) => sum + n + header, 0);
      const update = await until('counters', () => {
        const last = of(40_000 + port, 'update');
        return last && last.packetsIn === sizes.length && last;
      });
      assert.deepEqual([update.bytesOut, update.bytesIn, update.packetsOut], [bytes, bytes, sizes.length]);
      assert.equal(update.flow, start.flow);
    } finally {
      server.kill();
    }
  });

test('a TCP connection ends when it is closed, with all it carried; a new one on the same ports is another flow', async () => {
  const server = await b.serve(`
    import { createServer } from 'node:net';
    createServer({ allowHalfOpen: true }, (socket) => socket.on('data', () => {}).on('end', () => socket.end('bye')))
      .listen(8080, () => console.log('up'));`);
  try {
    // What the wire carried, counted by the kernel beside us.
    nft(
      'table netdev count {\n chain a { type filter hook ingress device "tap-a" priority 0;\n tcp dport 8080 counter\n }\n}',
    );
    const connect = () =>
      a.script(`
        import { connect } from 'node:net';
        const socket = connect({ port: 8080, host: '10.0.0.2', localPort: 40001 }, () => socket.end(Buffer.alloc(50000)));
        socket.resume().on('close', () => console.log('closed'));`);
    await connect();
    const end = await until('end', () => of(40_001, 'end'), 3000);
    const [, packets, bytes] = /packets (\d+) bytes (\d+)/.exec(run('nft list chain netdev count a')) ?? [];
    assert.deepEqual([end.packetsOut, end.bytesOut], [Number(packets), Number(bytes)]);
    assert.ok(end.bytesIn > 0 && end.end >= end.start);
    // The same ports again, from a server that reset its TIME_WAIT: forged, so that it is really the same tuple.
    const frame = (flags: number) =>
      ethernet(
        { src: MAC('0a'), dst: MAC('0b'), type: 0x0800 },
        ip('10.0.0.1', '10.0.0.2', 6, tcp(40_001, 8080, flags)),
      );
    await inject(a, [frame(2)]);
    const again = await until(
      'second start',
      () => {
        const last = of(40_001, 'start');
        return last && last.flow !== end.flow && last;
      },
      2000,
    );
    const second = await until(
      'its counters',
      () => records.find((r) => r.flow === again.flow && r.packetsOut > 0),
      3000,
    );
    assert.ok(second.bytesOut < 1000, `${second.bytesOut} bytes are the first connection's`);
  } finally {
    run('nft delete table netdev count');
    server.kill();
  }
});

test('a forged reset does not hide what goes on after it', async () => {
  const server = await b.serve(`
    import { createServer } from 'node:net';
    createServer((socket) => socket.on('data', () => {}).on('error', () => {})).listen(8081, () => console.log('up'));`);
  const talker = await a.serve(`
    import { connect } from 'node:net';
    const socket = connect({ port: 8081, host: '10.0.0.2', localPort: 40002 }, () => {
      setInterval(() => socket.write(Buffer.alloc(100)), 20);
      console.log('up');
    });`);
  try {
    const start = await until('start', () => of(40_002, 'start'), 2000);
    // Out of window: the receiver ignores it.
    const reset = ip('10.0.0.1', '10.0.0.2', 6, tcp(40_002, 8081, 4));
    await inject(a, [ethernet({ src: MAC('0a'), dst: MAC('0b'), type: 0x0800 }, reset)]);
    await until('told as ended', () => records.find((r) => r.flow === start.flow && r.kind === 'end'), 3000);
    const later = await until(
      'told again',
      () => {
        const last = of(40_002, 'update');
        return last && last.flow !== start.flow && last;
      },
      5000,
    );
    assert.equal(later.srcVm, 'vm-a');
  } finally {
    talker.kill();
    server.kill();
  }
});

test('the same addresses on two VLANs of one bridge are told apart', async () => {
  const at = async (vlan: number) => {
    const frame = ip('10.0.0.1', '10.0.0.2', 1, icmp(8, 0, Buffer.from([0, 1, 0, 1])));
    const guest = Object.assign(Object.create(Guest.prototype) as Guest, {
      name: `c${vlan}`,
      tap: `tap-c${vlan}`,
    });
    await inject(guest, [
      ethernet({ src: MAC(`c${vlan}`), dst: MAC(`d${vlan}`), type: 0x0800, vlan }, frame),
    ]);
    return until(
      `ping on ${vlan}`,
      () => records.find((r) => r.protocol === 1 && r.srcVm === `vm-c${vlan}`),
      2000,
    );
  };
  const [five, six] = [await at(5), await at(6)];
  assert.deepEqual([five.network, five.dstVm, five.sport, five.dport], ['net-5', 'vm-d5', 8, 0]);
  assert.deepEqual([six.network, six.dstVm], ['net-6', 'vm-d6']);
  assert.notEqual(five.flow, six.flow);
});

test('what the host and a guest say to each other is told', async () => {
  const socket = createSocket('udp4');
  await new Promise<void>((resolve) => socket.bind(6000, '10.0.0.254', resolve));
  const heard = new Promise<void>((resolve) =>
    socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address, () => resolve())),
  );
  await a.script(client('10.0.0.254', 6000, [100], 40_003));
  await heard;
  socket.close();
  const start = await until('start', () => of(40_003, 'start'), 1000);
  assert.deepEqual([start.dstVm, start.point, start.dst], ['', 'source', '10.0.0.254']);
  const update = await until('answer counted', () => {
    const last = of(40_003, 'update');
    return last && last.packetsIn > 0 && last;
  });
  assert.deepEqual([update.bytesOut, update.bytesIn], [128, 128]);
});

test('addresses are learned from ARP, neighbour discovery and packets, for the MAC that uses them', async () => {
  const frames = [
    ethernet(
      { src: MAC('0b'), dst: 'ff:ff:ff:ff:ff:ff', type: 0x0806 },
      arp(1, [MAC('0b'), '10.0.0.77'], ['00:00:00:00:00:00', '10.0.0.1']),
    ),
    ethernet(
      { src: MAC('0b'), dst: '33:33:ff:00:00:78', type: 0x86dd },
      ip('::', 'ff02::1:ff00:78', 58, icmp(135, 0, Buffer.concat([Buffer.alloc(4), ipBytes('fd00::78')]))),
    ),
    // Somebody else's MAC on this tap teaches nothing.
    ethernet(
      { src: MAC('66'), dst: 'ff:ff:ff:ff:ff:ff', type: 0x0806 },
      arp(1, [MAC('66'), '10.0.0.66'], ['00:00:00:00:00:00', '10.0.0.1']),
    ),
  ];
  await inject(b, frames);
  await until('ARP', () => learned.has(`${MAC('0b')} 10.0.0.77`), 2000);
  await until('DAD', () => learned.has(`${MAC('0b')} fd00::78`), 2000);
  assert.ok(learned.has(`${MAC('0b')} 10.0.0.2`));
  assert.ok(![...learned].some((text) => text.includes('10.0.0.66')));
});

test('a guest that comes later is observed as soon as it is known; one that goes is told to its end', async () => {
  const late = new Guest('e', { bridge: 'br-a', mac: MAC('0e'), addresses: ['10.0.0.9/24'] });
  directory.change([
    ...nics,
    nic({
      vm: 'vm-e',
      mac: MAC('0e'),
      tap: 'tap-e',
      bridge: 'br-a',
      mode: 'observe',
      addresses: ['10.0.0.9'],
    }),
  ]);
  await flows.reconcile();
  await late.script(`
    import { createSocket } from 'node:dgram';
    const socket = createSocket('udp4').bind(40009, () => socket.send('x', 9, '10.0.0.2', () => socket.close()));`);
  const start = await until('start', () => of(40_009, 'start', 'vm-e'), 1000);
  run('ip link del tap-e');
  directory.change(nics);
  run('nft flush set bridge wocloud_observe n1-flows4');
  run('nft flush set bridge wocloud_observe n2-flows4');
  run('nft flush set bridge wocloud_observe n3-flows4');
  const end = await until('end', () => records.find((r) => r.flow === start.flow && r.kind === 'end'), 3000);
  assert.equal(end.srcVm, 'vm-e');
});

test('nothing was lost, nothing was touched, and nothing is left behind', async () => {
  for (const name of ['observe.lost', 'observe.table_full', 'flows.malformed', 'observe.failures'])
    assert.equal(flows.counters[name], 0, name);
  assert.ok((flows.counters['observe.packets'] ?? 0) > 0);
  await flows.stop();
  assert.doesNotMatch(run('nft list tables'), /wocloud/);
  assert.match(run('nft list tables'), /inet foreign/);
});
