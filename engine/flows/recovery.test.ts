// What becomes of flows when events are lost, the engine dies, its thread dies, or their VM goes.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { FlowRecord } from '@wocloud/protocol/flow.ts';
import { startFlows, type Flows } from './flows.ts';
import { fixedDirectory, nic, type FixedDirectory } from './testing/directory.ts';
import { bridge, enterHost, Guest, nft, run, sysctl, until } from './testing/namespace.ts';

enterHost();

const tableFile = join(tmpdir(), `wocloud-flows-test-${process.pid}`);
let a: Guest;
let directory: FixedDirectory;
const nics = [
  nic({
    vm: 'vm-a',
    mac: '52:54:00:00:00:0a',
    zone: 1,
    network: 'net-1',
    bridge: 'br-a',
    addresses: ['10.0.0.1'],
  }),
  nic({
    vm: 'vm-b',
    mac: '52:54:00:00:00:0b',
    zone: 1,
    network: 'net-1',
    bridge: 'br-a',
    addresses: ['10.0.0.2'],
  }),
  // The same address on a network the host does not route to.
  nic({
    vm: 'vm-x',
    mac: '52:54:00:00:00:1a',
    zone: 2,
    network: 'net-2',
    bridge: 'br-x',
    addresses: ['10.0.0.1'],
  }),
];

before(() => {
  bridge('br-a', '10.0.0.254/24');
  nft(`
table inet test {
  chain zones { type filter hook prerouting priority raw;
    iifname "br-a" ip daddr != 10.0.0.254 ct zone set 1
  }
  chain forward { type filter hook forward priority 0; policy accept;
    ct state new accept
  }
}`);
  sysctl('net.bridge.bridge-nf-call-iptables', 1);
  sysctl('net.netfilter.nf_conntrack_acct', 1);
  sysctl('net.netfilter.nf_conntrack_timestamp', 1);
  a = new Guest('a', { bridge: 'br-a', mac: '52:54:00:00:00:0a', addresses: ['10.0.0.1/24'] });
  new Guest('b', { bridge: 'br-a', mac: '52:54:00:00:00:0b', addresses: ['10.0.0.2/24'] });
  directory = fixedDirectory(nics);
});

after(() => rmSync(tableFile, { force: true }));

const start = (records: FlowRecord[], more: { room?: number; dumpEvery?: number } = {}): Promise<Flows> =>
  startFlows({
    directory,
    emit: (batch) => records.push(...batch),
    alert: () => {},
    learned: () => {},
    observeBridges: () => [],
    log: { info: () => {}, warn: () => {} },
    tableFile,
    dumpEvery: 60_000,
    ...more,
  });

/** One datagram to each of `count` ports from `first` on. */
const sendTo = (first: number, count: number, from: number, to = '10.0.0.2') =>
  a.script(`
    import { createSocket } from 'node:dgram';
    const socket = createSocket('udp4').bind(${from}, async () => {
      for (let i = 0; i < ${count}; i++)
        await new Promise((resolve) => socket.send('x', ${first} + i, '${to}', resolve));
      socket.close();
    });
    socket.on('error', () => {});`);

test('an engine that comes back goes on with its flows, and ends those that ended meanwhile', async () => {
  const before: FlowRecord[] = [];
  const first = await start(before);
  await sendTo(2000, 2, 41_000);
  const [kept, lost] = await until('two starts', () => {
    const found = before.filter((r) => r.kind === 'start' && r.sport === 41_000);
    return found.length === 2 && found.sort((x, y) => x.dport - y.dport);
  });
  await first.stop();
  run('conntrack -D -p udp --orig-port-dst 2001');
  await sendTo(2000, 1, 41_000);
  const after: FlowRecord[] = [];
  const second = await start(after, { dumpEvery: 100 });
  try {
    const update = await until('update', () => after.find((r) => r.dport === 2000 && r.kind === 'update'));
    assert.deepEqual([update.flow, update.start, update.packetsOut], [kept?.flow, kept?.start, 2]);
    const end = await until('end', () => after.find((r) => r.dport === 2001 && r.kind === 'end'));
    assert.equal(end.flow, lost?.flow);
    assert.equal(second.counters['flows.ends_recovered'], 1);
    run('conntrack -D -p udp --orig-port-dst 2000');
    const last = await until('end', () => after.find((r) => r.dport === 2000 && r.kind === 'end'));
    assert.equal(last.flow, kept?.flow);
  } finally {
    await second.stop();
  }
});

test('events the kernel throws away are counted, and their flows found by dumping', async () => {
  const records: FlowRecord[] = [];
  // Room for a handful of events.
  const flows = await start(records, { room: 4096 });
  try {
    await sendTo(3000, 2000, 42_000);
    await until('loss counted', () => (flows.counters['flows.events_lost'] ?? 0) > 0);
    assert.ok((flows.counters['flows.overruns'] ?? 0) > 0);
    await flows.dump();
    const starts = records.filter((r) => r.kind === 'start' && r.sport === 42_000);
    assert.equal(starts.length, 2000);
    assert.equal(new Set(starts.map((r) => r.flow)).size, 2000);
    const recovered = flows.counters['flows.starts_recovered'] ?? 0;
    assert.ok(recovered > 0);
    run('conntrack -F');
    await flows.dump();
    await flows.dump();
    const ends = records.filter((r) => r.kind === 'end' && r.sport === 42_000);
    assert.deepEqual(new Set(ends.map((r) => r.flow)), new Set(starts.map((r) => r.flow)));
    assert.equal(ends.length, 2000);
  } finally {
    await flows.stop();
  }
});

test('what the host itself talks to is the NIC its route leads to', async () => {
  const records: FlowRecord[] = [];
  const flows = await start(records);
  try {
    await sendTo(4000, 1, 43_000, '10.0.0.254');
    const record = await until('start', () => records.find((r) => r.sport === 43_000));
    assert.deepEqual(
      [record.srcVm, record.dstVm, record.network, record.point],
      ['vm-a', '', 'net-1', 'source'],
    );
  } finally {
    await flows.stop();
  }
});

test("a VM's flows end as its own when the VM has gone before them", async () => {
  const records: FlowRecord[] = [];
  const flows = await start(records);
  try {
    await sendTo(5000, 1, 44_000);
    await until('start', () => records.find((r) => r.sport === 44_000));
    directory.change([]);
    run('conntrack -D -p udp --orig-port-src 44000');
    const end = await until('end', () => records.find((r) => r.sport === 44_000 && r.kind === 'end'));
    assert.deepEqual([end.srcVm, end.dstVm], ['vm-a', 'vm-b']);
    await sendTo(5001, 1, 44_001);
    await until('a stranger', () => (flows.counters['flows.foreign'] ?? 0) > 0);
    assert.equal(records.filter((r) => r.sport === 44_001).length, 0);
  } finally {
    directory.change(nics);
    await flows.stop();
  }
});

test('a second engine is told that somebody reads the log groups already', async () => {
  const first = await start([]);
  try {
    await assert.rejects(start([]), {
      code: 'flows.reader-failed',
      message: /log group \d+ .*another program/,
    });
  } finally {
    await first.stop();
  }
});
