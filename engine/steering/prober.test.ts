// Probes through a kernel's wire on real devices: what hangs or goes is out of the kernel's set within half a second,
// and what works is in it.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { enterHost, nft, run, until } from '../flows/testing/namespace.ts';
import { instanceDevices } from '../gateways/runner.ts';
import { openLog } from '../log.ts';
import { interfaceIndex } from '../netlink/libc.ts';
import { AliveSet } from './alive-set.ts';
import { Prober } from './prober.ts';
import type { PlacedInstance, ProbeState } from './probing.ts';
import { Wire } from './testing/wire.ts';

enterHost();

const TABLE = 'table netdev wocloud { set alive { type mark; size 64; flags dynamic; }; }';
/** The promise, and what a busy machine with two processors may add. */
const PROMISED_MS = 500;

let prober: Prober;
let kernel: AliveSet;
const states: ProbeState[] = [];
const log = openLog(process.env['WOCLOUD_TEST_LOG'] ?? 'silent');

const start = (): Prober => {
  const started = new Prober(log);
  started.on('state', (state) => states.push(state));
  return started;
};
const inKernel = (number: number): boolean => kernel.read()?.has(number) === true;
const place = (...numbers: number[]): void => prober.placed(numbers.map(placed));
const placed = (number: number): PlacedInstance => {
  const { a, b } = instanceDevices(number);
  return { number, a: interfaceIndex(a), b: interfaceIndex(b) };
};
const alive = (number: number) => until(`${number} alive`, () => inKernel(number));
const gone = (number: number) => until(`${number} not alive`, () => !inKernel(number));
/** ms from now until the set no longer holds it, looked at as often as the loop allows. */
async function timeToLift(number: number, act: () => void): Promise<number> {
  const from = performance.now();
  act();
  const acted = performance.now();
  await gone(number);
  // What the commands of the test itself took counts half: it happens somewhere in between.
  return performance.now() - (from + acted) / 2;
}

before(() => {
  nft(TABLE);
  kernel = new AliveSet();
  prober = start();
});
after(async () => {
  await prober.stop();
  kernel.close();
});

test('the set is written as nft means it', async () => {
  kernel.add(3);
  assert.match(run('nft list set netdev wocloud alive'), /elements = \{ 0x03000000 \}/);
  nft('add element netdev wocloud alive { 0x0f000000 }');
  assert.deepEqual(kernel.read(), new Set([3, 15]));
  kernel.delete(3);
  kernel.delete(3);
  kernel.delete(15);
  assert.deepEqual(kernel.read(), new Set());
});

test('alive is what probes pass through and rules point to', async () => {
  const wire = new Wire(1);
  prober.watch([1]);
  await until('passing', () => prober.state(1)?.passing);
  assert.equal(inKernel(1), false, 'no rules stand yet');
  place(1);
  await alive(1);
  await until('a latency', () => (prober.status(1)?.latency ?? 0) > 0);
  prober.placed([{ ...placed(1), b: 1 }]);
  await gone(1);
  place(1);
  await alive(1);
  wire.remove();
  await gone(1);
});

test('a gateway that hangs is lifted within half a second, and comes back', async () => {
  const wire = new Wire(1);
  place(1);
  await alive(1);
  const took: number[] = [];
  for (const ways of ['both', 'forth', 'back', 'both'] as const) {
    took.push(await timeToLift(1, () => wire.cut(ways)));
    assert.equal(prober.state(1)?.lapse ?? 'probes', 'probes');
    if (ways !== 'both') wire.cut(ways === 'forth' ? 'back' : 'forth');
    wire.join();
    await alive(1);
  }
  assert.ok(Math.max(...took) < PROMISED_MS, `took ${took.map(Math.round).join(', ')} ms`);
  const lifts = states.flatMap(({ lifted }) => (lifted === null ? [] : [lifted]));
  process.stderr.write(
    `hang: lifted ${took.map(Math.round).join(', ')} ms after the cut, ${lifts.map((l) => l.toFixed(1)).join(', ')} ms after the first lost probe\n`,
  );
  await until('the count', () => (prober.counters['steering.lifted'] ?? 0) >= 4);
  wire.remove();
});

test('a device that goes away is lifted at once, and another under its name is not taken for it', async () => {
  let wire = new Wire(1);
  place(1);
  await alive(1);
  const took = await timeToLift(1, () => wire.remove());
  process.stderr.write(`gone: lifted after ${took.toFixed(1)} ms\n`);
  assert.ok(took < 200, `${took} ms`);
  await until('said', () => prober.state(1)?.lapse === 'device');
  wire = new Wire(1);
  await until('passing again', () => prober.state(1)?.passing);
  assert.equal(inKernel(1), false);
  place(1);
  await alive(1);
  wire.remove();
  await gone(1);
});

test('a busy engine changes nothing: the thread lifts by itself', async () => {
  const wire = new Wire(1);
  place(1);
  await alive(1);
  wire.cut();
  const deadline = performance.now() + PROMISED_MS;
  // This thread holds the engine's event loop, as a large plan would.
  let lifted = 0;
  while (performance.now() < deadline) if (lifted === 0 && !inKernel(1)) lifted = performance.now();
  assert.ok(lifted > 0);
  wire.remove();
});

test('a set that was made anew is filled again, and one that is away is waited for', async () => {
  const wires = [new Wire(1), new Wire(2)];
  prober.watch([1, 2]);
  place(1, 2);
  await Promise.all([alive(1), alive(2)]);
  nft('delete table netdev wocloud');
  wires[0]?.cut();
  await until('hung', () => prober.state(1)?.passing === false);
  nft(TABLE);
  assert.equal(inKernel(2), false);
  place(1, 2);
  await alive(2);
  assert.equal(inKernel(1), false);
  nft('add element netdev wocloud alive { 0x01000000, 0x09000000 }');
  place(1, 2);
  await until('strangers out', () => !inKernel(1) && !inKernel(9));
  assert.equal(inKernel(2), true);
  prober.watch([]);
  await gone(2);
  for (const wire of wires) wire.remove();
});

test('what stands when it starts stays, and is verified by probes', async () => {
  const good = new Wire(4);
  const hung = new Wire(5, { joined: false });
  await prober.stop();
  for (const number of [4, 5, 6]) kernel.add(number);
  prober = start();
  await gone(6);
  await gone(5);
  assert.equal(inKernel(4), true);
  prober.watch([4, 5]);
  await until('passing', () => prober.state(4)?.passing && (prober.status(4)?.sent ?? 0) > 10);
  assert.equal(inKernel(4), true);
  assert.equal(states.filter(({ number, alive: is }) => number === 4 && !is).length, 0);
  place(4, 5);
  await until('hung', () => prober.state(5)?.passing === false);
  assert.equal(inKernel(4), true);
  good.remove();
  hung.remove();
});

test('probes that are forged, copied, or come out at the wrong end do not count', async () => {
  const { a, b } = instanceDevices(7);
  const hung = new Wire(7, { joined: false });
  prober.watch([7]);
  place(7);
  // Every probe is sent back to where it came from.
  for (const near of ['a', 'b']) {
    run(`tc qdisc add dev far7${near} ingress`);
    run(
      `tc filter add dev far7${near} parent ffff: protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev far7${near}`,
    );
  }
  await until('probes', () => (prober.status(7)?.sent ?? 0) > 20);
  assert.equal(inKernel(7), false);
  assert.equal(prober.state(7)?.passing, false);
  assert.ok(interfaceIndex(a) > 0 && interfaceIndex(b) > 0);
  hung.remove();
});
