// Needs root: guests in namespaces of this process. Floods are stopped before they cost anything and told by name,
// connections and bandwidth are held to their limits, and when the limits go nothing is left.
import assert from 'node:assert/strict';
import { execFile, type ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { promisify } from 'node:util';
import type { DesiredLimits, DesiredState } from '@wocloud/protocol/desired.ts';
import type { FlowRecord } from '@wocloud/protocol/flow.ts';
import type { EngineAlert } from '@wocloud/protocol/reports.ts';
import { startFlows, type Flows } from '../flows/flows.ts';
import { bridge, run, until } from '../flows/testing/namespace.ts';
import type { Notice } from '../health/facts.ts';
import { LinkWatch } from '../inventory/link-watch.ts';
import { openLog } from '../log.ts';
import { removeEverything } from '../remove.ts';
import {
  makeVm,
  rule,
  startFilter,
  stateDir,
  stateOf,
  type TestFilter,
  type TestVm,
} from '../testing/filter.ts';
import { isInside, runInside } from '../testing/namespaces.ts';
import { Limits } from './limits.ts';

const LISTEN = 'listen';
const NO_LIMITS: DesiredLimits = {
  connections: null,
  connectionsPerSecond: null,
  synsPerSecond: 2_000,
  sendKbps: null,
  receiveKbps: null,
};

let vms: TestVm[];
let dir: string;
let filter: TestFilter;
let limits: Limits;
let flows: Flows;
let links: NodeJS.Timeout;
let generation = 0;
let notices: readonly Notice[] = [];
const alerts: EngineAlert[] = [];
const records: FlowRecord[] = [];
const children: ChildProcess[] = [];

const vm = (n: number): TestVm => vms[n - 1] as TestVm;
const inGuest = (n: number, ...command: string[]) =>
  promisify(execFile)('ip', ['netns', 'exec', vm(n).guest.name, ...command], { timeout: 30_000 });

/** The state with these limits, by number of the VM. */
function limited(by: Readonly<Record<number, Partial<DesiredLimits>>>): DesiredState {
  const open = [80, 81, 5201].map((port) => rule(`acme/web/${port}`, 'allow', port));
  const state = stateOf(++generation, vms, open);
  const nics = state.nics.map((nic, i) =>
    by[i + 1] ? { ...nic, limits: { ...NO_LIMITS, ...by[i + 1] } } : nic,
  );
  return { ...state, nics };
}

/** Wants it, and waits until queues and devices are there too. */
async function want(state: DesiredState): Promise<void> {
  await filter.want(state);
  await limits.idle();
  const sending = state.nics.filter((nic) => (nic.limits?.sendKbps ?? null) !== null).length;
  await until('the shapers', () => filter.placement?.shapers.size === sending);
  await filter.enforcer.idle();
  await limits.idle();
}

const counted = (guest: number): number =>
  Number(/packets (\d+)/.exec(vm(guest).guest.run('nft list table ip probe'))?.[1]);

/** How many of `count` connections from one to another get through, all kept open; ended by the guest's end. */
async function connects(from: number, to: number, port: number, count: number): Promise<number> {
  const code = `import { connect } from 'node:net'; let up = 0, open = ${count};
    const done = () => { if (--open === 0) { console.log(up); process.exit(); } };
    for (let i = 0; i < ${count}; i++) { const s = connect(${port}, '${vm(to).ip}');
      const timer = setTimeout(() => { s.destroy(); done(); }, 700);
      s.on('connect', () => { clearTimeout(timer); up++; done(); }).on('error', () => { clearTimeout(timer); done(); }); }`;
  return Number(await vm(from).guest.script(code));
}

interface Measured {
  mbits: number;
  packets: number;
  retransmits: number;
}

async function throughput(from: number, to: number, seconds: number): Promise<Measured> {
  const server = vm(to).guest.run(`iperf3 -s -1 -D -I /run/iperf3.pid`);
  assert.equal(server, '');
  await until('iperf3 to listen', () => vm(to).guest.run('ss -Hltn sport = :5201') !== '');
  const { stdout } = await inGuest(from, 'iperf3', '-J', '-c', vm(to).ip, '-t', String(seconds), '-O', '1');
  const { end } = JSON.parse(stdout) as {
    end: { sum_sent: { retransmits: number }; sum_received: { bits_per_second: number } };
  };
  const mbits = end.sum_received.bits_per_second / 1e6;
  return { mbits, packets: (mbits * 1e6 * seconds) / 8 / 1448, retransmits: end.sum_sent.retransmits };
}

if (isInside()) tests();
else test('a host in namespaces of its own', () => runInside(import.meta.filename));

function tests(): void {
  before(async () => {
    bridge('br0');
    run('ip link set br0 address 02:00:00:00:00:b0');
    vms = [makeVm(1), makeVm(2), makeVm(3)];
    dir = stateDir();
    for (const port of [80, 81])
      children.push(
        await vm(2).guest.serve(
          `import { createServer } from 'node:net'; createServer((s) => s.on('data', (d) => s.write(d)).on('error', () => {})).listen({ port: ${port}, backlog: 4096 }, () => console.log('${LISTEN}'));`,
        ),
      );
    vm(2).guest.run(
      'nft -f -',
      'table ip probe { chain c { type filter hook prerouting priority -300; tcp dport 80 tcp flags & (syn | ack) == syn counter; }; }',
    );
    const log = openLog(process.env['WOCLOUD_TEST_LOG'] ?? 'silent');
    limits = new Limits({
      bridges: () => filter.inventory.bridges,
      onNotices: (list) => (notices = list),
      log,
    });
    filter = await startFilter(dir, vms, 'observe', true, (placement) => limits.placed(placement));
    flows = await startFlows({
      directory: filter.directory,
      emit: (list) => records.push(...list),
      alert: (alert) => alerts.push(alert),
      learned: () => {},
      observeBridges: () => [],
      log,
    });
    const watch = new LinkWatch();
    links = setInterval(() => {
      if (watch.poll()) void filter.inventory.refreshBridges().then(() => filter.enforcer.signal());
    }, 50);
  });
  after(async () => {
    clearInterval(links);
    await flows.stop();
    await filter.close();
    await limits.close();
    for (const child of children) child.kill('SIGKILL');
    rmSync(dir, { recursive: true });
  });
  afterEach(() => {
    assert.equal(filter.enforcer.counters['filter.failures'], 0);
    assert.equal(limits.counters['limits.failures'], 0);
  });

  test('a flood of connection attempts is stopped at once, told by name, and harms nobody else', async (t) => {
    await want(limited({}));
    let entries = 0;
    const watching = setInterval(() => {
      entries = Math.max(entries, Number(run('conntrack -C')));
    }, 100);
    t.after(() => clearInterval(watching));
    const began = performance.now();
    const flood = inGuest(1, 'timeout', '2', 'hping3', '-q', '-S', '-p', '80', '--flood', vm(2).ip)
      .catch((error: { stderr: string }) => error)
      .then(({ stderr }) => ({ said: stderr, seconds: (performance.now() - began) / 1000 }));
    const alert = await until('an alert', () => alerts.find(({ kind }) => kind === 'syn.flood'));
    // While it goes on: another client of the victim, and the flooding VM's other destinations.
    assert.equal(await connects(3, 2, 80, 20), 20);
    assert.equal(await connects(1, 2, 81, 20), 20);
    assert.equal(await connects(1, 2, 80, 1), 0);
    const { said, seconds } = await flood;
    const sent = Number(/(\d+) packets transmitted/.exec(said)?.[1]);
    const through = counted(2);
    const rate = sent / seconds;
    t.diagnostic(
      `${through} of ${sent} attempts at ${Math.round(rate)} a second got through; at most ${entries} connections tracked`,
    );
    // 1,000 at once and 2,000 a second pass until that is spent: 56 ms at 20,000 a second. How fast this one was
    // depends on what else the machine does.
    assert.ok(rate > 3_000, `the flood was none: ${sent}`);
    const due = 1_000 + (2_000 * 1_000) / (rate - 2_000);
    assert.ok(through < due * 1.5, `${through} of ${sent} got through, not some ${due}`);
    assert.ok(entries < through + 200, `${entries} connections tracked`);
    assert.equal(alert.vm, vm(1).id);
    assert.equal(alert.evidence['destination'], vm(2).ip);
    assert.equal(alert.evidence['destinationPort'], 80);
    const told = () =>
      alerts.filter(({ kind }) => kind === 'syn.flood').reduce((sum, { count }) => sum + count, 0);
    await until('everything refused to be told', () => told() >= sent - through);
  });

  test('a flood in another name is refused as forged, and fills nothing', async () => {
    const refused = () => run('nft list set netdev wocloud syn-refused4').includes('elements');
    run('nft flush set netdev wocloud syn-refused4');
    const before = counted(2);
    await inGuest(
      1,
      'timeout',
      '1',
      'hping3',
      '-q',
      '-S',
      '-p',
      '80',
      '-i',
      'u100',
      '--rand-source',
      vm(2).ip,
    ).catch(() => {});
    assert.equal(counted(2), before);
    assert.equal(refused(), false);
    const alert = await until('an alert', () => alerts.find(({ kind }) => kind === 'spoof.ipv4'));
    assert.equal(alert.vm, vm(1).id);
  });

  test('a VM has as many connections open as its Limit allows', async () => {
    await want(limited({ 3: { connections: 15 } }));
    records.length = 0;
    run('conntrack -F');
    assert.equal(await connects(3, 2, 81, 40), 15);
    // Others have none.
    assert.equal(await connects(1, 2, 81, 40), 40);
    const drop = await until('a record', () => records.find(({ kind }) => kind === 'drop'));
    assert.equal(drop.ruleOut, 'limit/connections');
    assert.equal(drop.srcVm, vm(3).id);
    const alert = await until('an alert', () => alerts.find(({ kind }) => kind === 'limit.connections'));
    assert.equal(alert.vm, vm(3).id);
    // Those are closed by now.
    assert.equal(await connects(3, 2, 81, 15), 15);
  });

  test('a VM opens connections as fast as its Limit allows', async () => {
    await want(limited({ 3: { connectionsPerSecond: 10 } }));
    records.length = 0;
    const up = await connects(3, 2, 81, 40);
    // A second's worth at once, and what the 0.7 s that it tries bring.
    assert.ok(up >= 10 && up <= 18, `${up} of 40`);
    const drop = await until('a record', () => records.find(({ kind }) => kind === 'drop'));
    assert.equal(drop.ruleOut, 'limit/rate');
    await until('an alert', () => alerts.find(({ kind }) => kind === 'limit.rate'));
  });

  for (const mbits of [20, 200])
    test(`what a VM sends and receives is held to ${mbits} Mbit/s`, async (t) => {
      await want(limited({ 1: { sendKbps: mbits * 1000 }, 3: { receiveKbps: mbits * 1000 } }));
      assert.deepEqual(notices, []);
      for (const [from, to] of [
        [1, 2],
        [2, 3],
      ] as const) {
        const measured = await throughput(from, to, 3);
        t.diagnostic(
          `${from} to ${to}: ${measured.mbits.toFixed(1)} Mbit/s, ${measured.retransmits} retransmits`,
        );
        assert.ok(
          measured.mbits > mbits * 0.93 && measured.mbits < mbits * 1.01,
          `${from} to ${to}: ${measured.mbits} Mbit/s`,
        );
        assert.ok(measured.retransmits < measured.packets * 0.03, `${measured.retransmits} retransmits`);
      }
      const free = await throughput(2, 1, 1);
      assert.ok(free.mbits > mbits * 2, `the other way: ${free.mbits} Mbit/s`);
    });

  test('what a VM sends through its shaper is guarded like anything else', async () => {
    alerts.length = 0;
    const before = counted(2);
    await inGuest(
      1,
      'hping3',
      '-q',
      '-S',
      '-c',
      '20',
      '-p',
      '80',
      '-i',
      'u1000',
      '-a',
      '10.0.0.77',
      vm(2).ip,
    ).catch(() => {});
    await until('an alert', () => alerts.find(({ kind }) => kind === 'spoof.ipv4'));
    assert.equal(counted(2), before);
  });

  test('what someone else takes away is put back; what someone else has put there stays, and is told', async () => {
    const index = Number(run('cat /sys/class/net/tap-g1/ifindex'));
    run(`tc qdisc del dev wol${index}b ingress`);
    run(`tc qdisc del dev wol${index}a root`);
    run(`ip link set wol${index}a down`);
    run('tc qdisc del dev tap-g3 root');
    run('tc qdisc replace dev tap-g3 root handle 1: htb');
    limits.placed(filter.placement as never);
    await limits.idle();
    assert.match(run('tc qdisc show dev tap-g3'), /htb 1:/);
    assert.equal(notices[0]?.code, 'limit.bandwidth.taken');
    assert.match(notices[0]?.message ?? '', /tap-g3/);
    assert.match(run(`tc qdisc show dev wol${index}a`), /tbf 776f:/);
    assert.equal(await connects(1, 2, 81, 5), 5);
    run('tc qdisc del dev tap-g3 root');
    limits.placed(filter.placement as never);
    await limits.idle();
    assert.match(run('tc qdisc show dev tap-g3'), /tbf 776f:/);
    assert.deepEqual(notices, []);
  });

  test('when the limits go, their queues and devices go', async () => {
    await want(limited({}));
    await until('no device', () => !run('ip -o link').includes('wol'));
    assert.doesNotMatch(run('tc qdisc show'), /776f:/);
    assert.equal(await connects(1, 2, 81, 5), 5);
  });

  test('removal leaves nothing', async () => {
    await want(limited({ 1: { sendKbps: 20_000, receiveKbps: 20_000 } }));
    assert.match(run('ip -o link'), /wol/);
    clearInterval(links);
    await filter.enforcer.close();
    await limits.close();
    const done = await removeEverything(dir);
    assert.ok(
      done.some((line) => line.includes('queues and devices')),
      done.join('\n'),
    );
    assert.doesNotMatch(run('ip -o link'), /wol/);
    assert.doesNotMatch(run('tc qdisc show'), /776f:/);
    assert.doesNotMatch(run('nft list tables'), /wocloud/);
  });
}
