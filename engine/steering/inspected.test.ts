// Needs root. Traffic between guests through gateways that stand for real ones, with the firewall as it is: it goes
// through them, survives their death as the insertion says, and moves to another without a connection lost.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import type { DesiredInsertion, DesiredState } from '@wocloud/protocol/desired.ts';
import { bridge, until } from '../flows/testing/namespace.ts';
import { LinkWatch } from '../inventory/link-watch.ts';
import { nicId } from '../inventory/observed.ts';
import { openLog } from '../log.ts';
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
import { AliveSet } from './alive-set.ts';
import { Prober } from './prober.ts';
import { Steering } from './steering.ts';
import { FakeChannel, FakeRunner } from './testing/fakes.ts';

const PING_EVERY_MS = 10;
const PROMISED_MS = 500;

if (!isInside()) test('inside', () => runInside(import.meta.filename));
else inside();

function inside(): void {
  const log = openLog(process.env['WOCLOUD_TEST_LOG'] ?? 'silent');
  let vms: TestVm[];
  let filter: TestFilter;
  let runner: FakeRunner;
  let prober: Prober;
  let steering: Steering;
  let links: LinkWatch;
  let timer: NodeJS.Timeout;
  let alive: AliveSet;
  let state: DesiredState;

  const insertion = (more: Partial<DesiredInsertion> = {}): DesiredInsertion => {
    const [first] = vms as [TestVm];
    return {
      id: 'acme/all',
      order: 0,
      nics: [nicId(first.id, first.mac)],
      mode: 'inline',
      failure: 'open',
      services: [],
      ...more,
    };
  };
  const want = async (more: Partial<DesiredState>): Promise<void> => {
    state = { ...state, ...more, generation: state.generation + 1 };
    const receipt = await filter.want(state);
    assert.equal(receipt.error, '');
    steering.signal();
  };
  const serving = (...numbers: number[]) =>
    until(
      `serving: ${numbers.join()}`,
      () =>
        numbers.every((n) => filter.placement?.buckets.includes(n) && alive.read()?.has(n)) &&
        filter.placement?.buckets.every((n) => numbers.includes(n)),
    );
  /** Frames that have entered a gateway. */
  const entered = (number: number): number =>
    Number(readFileSync(`/sys/class/net/far${number}a/statistics/rx_packets`, 'utf8')) +
    Number(readFileSync(`/sys/class/net/far${number}b/statistics/rx_packets`, 'utf8'));

  /** Pings from the first guest to the second; resolves to the longest time without an answer, in ms, and their number. */
  async function pinging(
    count: number,
    during: () => Promise<unknown>,
  ): Promise<{ gap: number; answered: number }> {
    const [one, two] = vms as [TestVm, TestVm];
    const done = one.guest.script(
      `import { spawnSync } from 'node:child_process';
       const r = spawnSync('ping', ['-n', '-D', '-c', '${count}', '-i', '${PING_EVERY_MS / 1000}', '-W', '1', '${two.ip}'], { encoding: 'utf8' });
       console.log(JSON.stringify([...r.stdout.matchAll(/^\\[([0-9.]+)\\].*icmp_seq=/gm)].map((m) => Number(m[1]) * 1000)));`,
    );
    await during();
    const times = JSON.parse(await done) as number[];
    const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
    return { gap: Math.round(Math.max(0, ...gaps)), answered: times.length };
  }
  /** The gateway through which the pings go. */
  async function taking(): Promise<number> {
    const before = new Map([...runner.running.keys()].map((number) => [number, entered(number)]));
    // Probes enter, too, twenty a second.
    const busy = () => [...before].find(([number, frames]) => entered(number) - frames > 50)?.[0];
    return until('a gateway that takes them', busy);
  }

  before(async () => {
    bridge('br0');
    vms = [makeVm(1), makeVm(2)];
    runner = new FakeRunner();
    prober = new Prober(log);
    filter = await startFilter(stateDir(), vms, 'observe', true, (placement) => steering.placed(placement));
    state = stateOf(1, vms, [rule('acme/base/in', 'allow')]);
    steering = new Steering({
      dir: stateDir(),
      desired: () => state,
      runner,
      images: async () => ['new'],
      prober,
      open: () => new FakeChannel(() => ''),
      mtu: () => 1_500,
      drainMs: 500,
      eve: () => {},
      log,
    });
    prober.on('wrote', (generations) => filter.kernel.own(generations));
    steering.on('buckets', () => {
      filter.buckets = steering.buckets;
      filter.enforcer.signal();
    });
    links = new LinkWatch();
    timer = setInterval(() => {
      if (!links.poll()) return;
      void filter.inventory.refreshBridges().then(() => filter.enforcer.signal());
      steering.signal();
    }, 50);
    alive = new AliveSet();
    await want({});
  });
  afterEach(() => want({ insertions: [] }));
  after(async () => {
    clearInterval(timer);
    await steering.stop();
    await prober.stop();
    await filter.close();
    links.close();
    alive.close();
  });

  const gateways = (instances: number, more = {}): DesiredState['gateways'] => [
    { id: 'edge', form: 'vm', instances, vcpus: 1, memoryMiB: 512, image: null, ...more },
  ];

  test('what is to be inspected goes through the gateway, and everything else does not', async () => {
    await want({ gateways: gateways(1), insertions: [insertion()] });
    await serving(1);
    const before = entered(1);
    const { answered } = await pinging(50, async () => {});
    assert.equal(answered, 50);
    assert.ok(entered(1) - before >= 100, `${entered(1) - before} frames`);
  });

  test('open: a gateway that hangs interrupts for less than half a second, and traffic passes uninspected', async () => {
    await want({ gateways: gateways(1), insertions: [insertion()] });
    await serving(1);
    const { gap, answered } = await pinging(300, async () => {
      runner.wires.get(await taking())?.cut();
    });
    process.stderr.write(`open, hang: ${gap} ms\n`);
    assert.ok(gap < PROMISED_MS, `${gap} ms`);
    assert.ok(answered > 100);
    runner.wires.get(1)?.join();
    await serving(1);
  });

  test('closed: without a gateway nothing passes, and all does again when it is back', async () => {
    await want({ gateways: gateways(1), insertions: [insertion({ failure: 'closed' })] });
    await serving(1);
    runner.wires.get(1)?.cut();
    await until('lifted', () => !alive.read()?.has(1));
    assert.equal((await pinging(20, async () => {})).answered, 0);
    runner.wires.get(1)?.join();
    await serving(1);
    assert.equal((await pinging(20, async () => {})).answered, 20);
  });

  test('closed: another gateway takes over within half a second', async () => {
    await want({ gateways: gateways(2), insertions: [insertion({ failure: 'closed' })] });
    await serving(1, 2);
    const { gap } = await pinging(300, async () => {
      const number = await taking();
      runner.wires.get(number)?.cut();
      await serving(3 - number);
      runner.wires.get(number)?.join();
      await serving(1, 2);
    });
    process.stderr.write(`closed, hang, another takes over: ${gap} ms\n`);
    assert.ok(gap < PROMISED_MS + 100, `${gap} ms`);
  });

  test('an upgrade loses nothing', async () => {
    await want({ gateways: gateways(1), insertions: [insertion({ failure: 'closed' })] });
    await until('one', () => runner.running.size === 1);
    const [number = 0] = runner.running.keys();
    await serving(number);
    const { gap, answered } = await pinging(400, async () => {
      await want({ gateways: gateways(1, { memoryMiB: 1_024 }) });
      await until('replaced', () => runner.stopped.includes(number) && runner.running.size === 1);
    });
    process.stderr.write(`upgrade: ${400 - answered} of 400 lost, at most ${gap} ms\n`);
    assert.equal(answered, 400);
  });

  test('the firewall finds nothing that others have done', () => {
    assert.deepEqual(filter.alerts, []);
  });
}
