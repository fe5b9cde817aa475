// Needs root: bridges and guests in namespaces of this process. What is wanted stands in the kernel, is proven, holds
// against others, survives the engine, and goes without a trace.
import assert from 'node:assert/strict';
import { verify } from 'node:crypto';
import type { ChildProcess } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { receiptText } from '@wocloud/protocol/reports.ts';
import { bridge, Guest, nft, run, until } from '../flows/testing/namespace.ts';
import { NO_BRIDGES } from '../inventory/bridges.ts';
import { removeEverything } from '../remove.ts';
import { NftWatch } from './watch.ts';
import { isInside, runInside } from '../testing/namespaces.ts';
import {
  HOST,
  hostKey,
  makeVm,
  rule,
  startFilter,
  stateDir,
  stateOf,
  type TestFilter,
  type TestVm,
} from '../testing/filter.ts';

const CALL_FLAGS = ['iptables', 'ip6tables', 'arptables'].map(
  (n) => `/proc/sys/net/bridge/bridge-nf-call-${n}`,
);

let vms: TestVm[];
let dir: string;
let filter: TestFilter;
/** Programs of guests, to be ended at the end. */
const children: ChildProcess[] = [];

const vm = (n: number): TestVm => vms[n - 1] as TestVm;
const wocloudTables = (): string[] =>
  run('nft list tables')
    .split('\n')
    .filter((line) => / wocloud/.test(line));
const bridgeFlag = (): string => readFileSync('/sys/class/net/br0/bridge/nf_call_iptables', 'utf8').trim();

/** Whether guest `from` gets an answer from `to` on a TCP port. */
function reaches(from: number, to: number, port: number): Promise<boolean> {
  const code = `import { connect } from 'node:net'; const s = connect(${port}, '${vm(to).ip}');
    const end = (x) => { console.log(x); process.exit(); };
    s.on('connect', () => s.write('x')).on('data', () => end('yes')).on('error', () => end('no')); setTimeout(() => end('no'), 700);`;
  return vm(from)
    .guest.script(code)
    .then((answer) => answer === 'yes');
}

/** Sends `count` pings from 1 to 2 in the background; resolves to how many were lost. */
async function pinging(count: number, during: () => Promise<unknown>): Promise<number> {
  const done = vm(1).guest.script(
    `import { spawnSync } from 'node:child_process'; const r = spawnSync('ping', ['-c', '${count}', '-i', '0.01', '-W', '1', '${vm(2).ip}'], { encoding: 'utf8' });
     const m = /(\\d+) packets transmitted, (\\d+) received/.exec(r.stdout); console.log(m[1] - m[2]);`,
  );
  await during();
  return Number(await done);
}

if (isInside()) tests();
else test('a host in namespaces of its own', () => runInside(import.meta.filename));

function tests(): void {
  before(async () => {
    // As on a host where nobody has switched it on.
    for (const path of CALL_FLAGS) run('tee ' + path, '0');
    bridge('br0');
    // Else it takes the least of its ports' addresses, another one whenever ports change.
    run('ip link set br0 address 02:00:00:00:00:b0');
    vms = [makeVm(1), makeVm(2), makeVm(3)];
    dir = stateDir();
    for (const port of [80, 81])
      children.push(
        await vm(2).guest.serve(
          `import { createServer } from 'node:net'; createServer((s) => s.on('data', (d) => s.write(d)).on('error', () => {})).listen(${port}, () => console.log('ready'));`,
        ),
      );
    filter = await startFilter(dir, vms);
  });
  after(async () => {
    await filter.close();
    for (const child of children) child.kill('SIGKILL');
    rmSync(dir, { recursive: true });
  });
  afterEach(() => assert.equal(filter.enforcer.counters['filter.failures'], 0));

  const web = [rule('acme/web/http', 'allow', 80)];
  const icmp = {
    ...rule('acme/web/ping', 'allow'),
    services: [{ protocol: 1, ports: null, icmpTypes: null }],
  };

  test('observing puts nothing into the kernel', async () => {
    const receipt = await filter.want(stateOf(1, vms, web, 'observe'));
    assert.equal(receipt.result, 'applied');
    assert.deepEqual(new Set(receipt.nics.map((n) => n.protection)), new Set(['observed']));
    assert.deepEqual(wocloudTables(), []);
    assert.equal(bridgeFlag(), '0');
    assert.equal(await reaches(1, 2, 81), true);
  });

  test('enforcing: what is allowed passes, the rest does not, and a signed receipt says so', async () => {
    const receipt = await filter.want(stateOf(2, vms, web));
    assert.equal(receipt.result, 'applied');
    assert.deepEqual(new Set(receipt.nics.map((n) => n.protection)), new Set(['enforced']));
    assert.equal(receipt.digest, filter.kernel.digest);
    const { signature, ...signed } = receipt;
    assert.ok(
      verify('sha256', Buffer.from(receiptText(HOST, signed)), hostKey, Buffer.from(signature, 'base64')),
    );
    assert.equal(await reaches(1, 2, 80), true);
    assert.equal(await reaches(1, 2, 81), false);
  });

  test('a change is a delta, read back object by object', async () => {
    await filter.want(stateOf(3, vms, [...web, rule('acme/web/alt', 'allow', 81)]));
    assert.equal(await reaches(1, 2, 81), true);
    assert.deepEqual(await filter.enforcer.between(() => filter.enforcer.drift()), []);
    await filter.want(stateOf(4, vms, web));
    assert.equal(await reaches(1, 2, 81), false);
    assert.deepEqual(await filter.enforcer.between(() => filter.enforcer.drift()), []);
  });

  test('a revoked rule ends the connections it allowed, and no others', async () => {
    await filter.want(stateOf(5, vms, [...web, rule('acme/web/alt', 'allow', 81)]));
    const talk = (port: number) =>
      vm(1).guest.serve(
        `import { connect } from 'node:net'; const s = connect(${port}, '${vm(2).ip}', () => s.write('x'));
       s.on('data', () => { console.log('up'); setTimeout(() => s.write('x'), 100); }).on('error', () => {});`,
      );
    children.push(await talk(80), await talk(81));
    const ports = () =>
      run('conntrack -L -p tcp --state ESTABLISHED')
        .match(/dport=8[01](?= )/g)
        ?.sort() ?? [];
    assert.deepEqual(ports(), ['dport=80', 'dport=81']);
    await filter.want(stateOf(6, vms, web));
    assert.deepEqual(ports(), ['dport=80']);
  });

  for (const [what, command] of [
    ['a deleted chain element', 'nft flush chain inet wocloud forward'],
    ['a deleted table', 'nft delete table netdev wocloud'],
    ['everything flushed', 'nft flush ruleset'],
    ['an added rule', 'nft insert rule inet wocloud forward accept'],
  ] as const)
    test(`${what} is put right within a second, and told with who did it`, async () => {
      const { digest } = filter.kernel;
      filter.alerts.length = 0;
      run(command);
      const alert = await until('an alert', () => filter.alerts[0], 1_000);
      assert.equal(alert.kind, 'firewall.drift');
      assert.equal(alert.evidence['process'], 'nft');
      await filter.enforcer.idle();
      await until('the same rules', () => filter.kernel.digest === digest, 2_000);
      assert.deepEqual(await filter.enforcer.between(() => filter.enforcer.drift()), []);
      assert.equal(await reaches(1, 2, 81), false);
      assert.equal(await reaches(1, 2, 80), true);
    });

  test("other people's tables are not our business", async () => {
    filter.alerts.length = 0;
    const { digest } = filter.kernel;
    nft('table inet other { chain c { tcp dport 1 accept; }; }');
    await filter.enforcer.idle();
    assert.deepEqual(filter.alerts, []);
    assert.equal(filter.kernel.digest, digest);
    nft('delete table inet other');
  });

  for (const [kernel, afterwards] of [
    ['keeps the chain', ''],
    ['takes the chain away', 'nft delete chain netdev wocloud tap-tap-g3'],
  ] as const)
    test(`a tap that comes again under its name is guarded again, where the kernel ${kernel} with the device`, async () => {
      // Unwatched: what the older kernel does by itself must not look like tampering that is put right.
      await filter.close();
      filter = await startFilter(dir, vms, 'observe', false);
      filter.enforcer.signal();
      await filter.enforcer.idle();
      const old = vm(3);
      run(`ip link del ${old.guest.tap}`);
      run('ip netns del g3');
      if (afterwards) run(afterwards);
      const guest = new Guest('g3', { bridge: 'br0', mac: old.mac, addresses: [`${old.ip}/24`] });
      vms[2] = { ...old, guest };
      await filter.inventory.refreshBridges();
      const before = filter.enforcer.counters['filter.transactions'];
      filter.enforcer.signal();
      await filter.enforcer.idle();
      assert.equal(filter.enforcer.counters['filter.transactions'] - before, afterwards ? 1 : 0);
      assert.match(
        run('nft list chain netdev wocloud tap-tap-g3'),
        /device "tap-g3"[^}]*\n\t\tjump guard\n\t}/,
      );
      assert.deepEqual(await filter.enforcer.between(() => filter.enforcer.drift()), []);
      assert.equal(await reaches(3, 2, 80), true);
      run('ip -n g3 link set eth0 address 52:54:00:00:00:99');
      assert.equal(await reaches(3, 2, 80), false);
      run(`ip -n g3 link set eth0 address ${old.mac}`);
      await filter.close();
      filter = await startFilter(dir, vms);
      filter.enforcer.signal();
      await filter.enforcer.idle();
    });

  test('a killed engine: the rules stand, the next one adopts them without writing, and no packet is lost', async () => {
    await filter.want(stateOf(7, vms, [...web, icmp]));
    await filter.enforcer.close();
    const { digest } = filter.kernel;
    const watch = new NftWatch();
    const generation = watch.generation();
    const lost = await pinging(150, async () => {
      await filter.close();
      filter = await startFilter(dir, vms);
      filter.enforcer.signal();
      await filter.enforcer.idle();
    });
    assert.equal(lost, 0);
    assert.equal(filter.enforcer.counters['filter.adopted'], 1);
    assert.equal(filter.enforcer.counters['filter.transactions'], 0);
    assert.equal(filter.kernel.digest, digest);
    assert.equal(watch.generation(), generation);
    watch.close();
    assert.equal(filter.enforcer.generation, 7);
  });

  test('a desired state that comes before the host was looked at changes nothing until then', async () => {
    const { digest } = filter.kernel;
    await filter.close();
    filter = await startFilter(dir, vms);
    const [known, bridges] = [new Map(filter.inventory.vms), filter.inventory.bridges];
    filter.inventory.vms.clear();
    filter.inventory.bridges = NO_BRIDGES;
    filter.inventory.isKnown = false;
    const watch = new NftWatch();
    const generation = watch.generation();
    filter.enforcer.signal(performance.now());
    await filter.enforcer.idle();
    assert.equal(watch.generation(), generation);
    assert.equal(bridgeFlag(), '1');
    watch.close();
    for (const [id, vm] of known) filter.inventory.vms.set(id, vm);
    filter.inventory.bridges = bridges;
    filter.inventory.isKnown = true;
    filter.enforcer.signal();
    await filter.enforcer.idle();
    assert.equal(filter.kernel.digest, digest);
    assert.equal(filter.enforcer.counters['filter.adopted'], 1);
  });

  test('twenty policies published while packets flow: none of the allowed is lost, none of the forbidden passes', async () => {
    let through = 0;
    const lost = await pinging(200, async () => {
      for (let i = 0; i < 20; i++) {
        await filter.want(
          stateOf(10 + i, vms, [...web, icmp, rule(`acme/web/extra-${i}`, 'allow', 2_000 + i)]),
        );
        if (i % 7 === 0 && (await reaches(1, 2, 81))) through++;
      }
    });
    assert.equal(lost, 0);
    assert.equal(through, 0);
  });

  test('observing again takes everything back', async () => {
    await filter.want(stateOf(40, vms, web, 'observe'));
    assert.deepEqual(wocloudTables(), []);
    assert.equal(bridgeFlag(), '0');
    assert.equal(await reaches(1, 2, 81), true);
  });

  test('beside a firewall that drops what is forwarded: no packet is lost, the NICs stay observed, and the reason is told', async () => {
    nft('table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }');
    const lost = await pinging(50, async () => {
      const receipt = await filter.want(stateOf(41, vms, [...web, icmp]));
      assert.deepEqual(new Set(receipt.nics.map((n) => n.protection)), new Set(['observed']));
      assert.match(receipt.nics[0]?.reason ?? '', /ip filter FORWARD could drop frames/);
    });
    assert.equal(lost, 0);
    assert.deepEqual(wocloudTables(), []);
    assert.equal(bridgeFlag(), '0');
    assert.equal(filter.notices[0]?.code, 'bridge.foreign-firewall');
    assert.match(filter.notices[0]?.action ?? '', /--bridged-frames accept/);
  });

  test('once that firewall lets bridged frames pass, enforcing begins by itself', async () => {
    nft('insert rule ip filter FORWARD iifname "br0" oifname "br0" accept');
    await until('enforced', () => filter.receipts.at(-1)?.nics[0]?.protection === 'enforced', 5_000);
    assert.equal(await reaches(1, 2, 80), true);
    assert.equal(await reaches(1, 2, 81), false);
    assert.deepEqual(filter.notices, []);
  });

  test('told to make way, the engine puts a tagged rule there, and removal leaves no trace', async () => {
    await filter.want(stateOf(42, vms, web, 'observe'));
    nft('flush chain ip filter FORWARD');
    await filter.close();
    filter = await startFilter(dir, vms, 'accept');
    const lost = await pinging(50, () => filter.want(stateOf(43, vms, [...web, icmp])));
    assert.equal(lost, 0);
    assert.match(
      run('nft list chain ip filter FORWARD'),
      /iifname "br0" oifname "br0" .*accept comment "wocloud bridged"/,
    );
    assert.equal(await reaches(1, 2, 80), true);
    assert.equal(await reaches(1, 2, 81), false);
    await filter.close();
    const done = await removeEverything(dir);
    assert.ok(done.length >= 4, done.join('; '));
    assert.doesNotMatch(run('nft list ruleset'), /wocloud/);
    assert.equal(bridgeFlag(), '0');
    assert.equal(await reaches(1, 2, 81), true);
    assert.deepEqual(await removeEverything(dir), ['nothing of ours was there']);
    filter = await startFilter(dir, vms);
  });
}
