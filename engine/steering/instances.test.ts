// Whatever state a host is in, deciding again and again leads to what is desired, and on the way no share of the
// connections is ever left with an instance that cannot take it while another can.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DesiredGateway } from '@wocloud/protocol/desired.ts';
import { MAX_INSTANCES } from '@wocloud/protocol/resources/gateway.ts';
import fc from 'fast-check';
import { BUCKETS, NO_BUCKETS, share } from './buckets.ts';
import {
  decide,
  DRAIN_MS,
  FAILING_MS,
  isServing,
  START_MS,
  type Decision,
  type Instance,
  type Situation,
} from './instances.ts';

const RULES = 'r'.repeat(64);

const gateway = (id: string, more: Partial<DesiredGateway> = {}): DesiredGateway => ({
  id,
  form: 'vm',
  instances: 1,
  vcpus: 1,
  memoryMiB: 768,
  image: null,
  ...more,
});
const instance = (number: number, more: Partial<Instance> = {}): Instance => ({
  number,
  gateway: 'edge',
  form: 'vm',
  image: 'new',
  vcpus: 1,
  memoryMiB: 768,
  state: 'up',
  passing: true,
  placed: true,
  failingSince: null,
  hasPassed: true,
  rules: RULES,
  refused: '',
  idleSince: null,
  ...more,
});
const situation = (more: Partial<Situation> = {}): Situation => ({
  desired: [gateway('edge')],
  images: ['new', 'old'],
  rules: RULES,
  instances: [],
  buckets: NO_BUCKETS,
  waits: new Map(),
  drainMs: DRAIN_MS,
  now: 1_000_000,
  ...more,
});
const all = (number: number): number[] => Array.from({ length: BUCKETS }, () => number);
const numbers = (list: readonly { number: number }[]): number[] => list.map(({ number }) => number);
const sizes = (buckets: readonly number[]): Record<number, number> => {
  const counts: Record<number, number> = {};
  for (const number of buckets) counts[number] = (counts[number] ?? 0) + 1;
  return counts;
};

test('a new gateway is started, all of its instances at once', () => {
  const { start } = decide(situation({ desired: [gateway('edge', { instances: 3, vcpus: 2 })] }));
  assert.deepEqual(
    start,
    [1, 2, 3].map((number) => ({
      number,
      gateway: 'edge',
      form: 'vm',
      vcpus: 2,
      memoryMiB: 768,
      image: 'new',
    })),
  );
});

test('buckets are even, and go back when an instance does', () => {
  const three = [1, 2, 3].map((n) => instance(n));
  const desired = [gateway('edge', { instances: 3 })];
  const first = decide(situation({ desired, instances: three })).buckets;
  assert.deepEqual(Object.values(sizes(first)).sort(), [5, 5, 6]);
  const without = three.map((i) => (i.number === 2 ? { ...i, passing: false, failingSince: 999_000 } : i));
  const lost = decide(situation({ desired, instances: without, buckets: first }));
  assert.deepEqual(sizes(lost.buckets), { 1: 8, 3: 8 });
  assert.deepEqual(lost.stop, []);
  assert.equal(lost.buckets.filter((n, i) => n !== first[i]).length, first.filter((n) => n === 2).length);
  const back = decide(situation({ desired, instances: three, buckets: lost.buckets })).buckets;
  assert.deepEqual(Object.values(sizes(back)).sort(), [5, 5, 6]);
});

test('an upgrade waits for the new one to pass and to have the rules, moves the buckets, drains, ends the old one', () => {
  const old = instance(1, { image: 'old' });
  const at = (instances: Instance[], buckets: readonly number[], now = 1_000_000) =>
    decide(situation({ instances, buckets, now }));
  assert.deepEqual(numbers(at([old], all(1)).start), [2]);
  const booting = instance(2, { passing: false, hasPassed: false, failingSince: 999_999, rules: '' });
  for (const young of [
    booting,
    { ...booting, passing: true, failingSince: null },
    { ...booting, rules: RULES },
  ]) {
    const decision = at([old, young], all(1));
    assert.deepEqual([decision.start, decision.stop, decision.buckets], [[], [], all(1)]);
  }
  const moved = at([old, instance(2)], all(1));
  assert.deepEqual(moved.buckets, all(2));
  assert.deepEqual([...moved.retiring], [1]);
  assert.deepEqual(at([old, instance(2, { placed: false })], all(1)).buckets, all(1), 'no rule leads there');
  assert.deepEqual(moved.stop, [], 'the kernel does not know yet');
  const idle = { ...old, idleSince: 1_000_000 };
  assert.deepEqual(at([idle, instance(2)], all(2), 1_000_000 + DRAIN_MS - 1).stop, []);
  assert.deepEqual(at([idle, instance(2)], all(2), 1_000_000 + DRAIN_MS).stop, [
    { number: 1, why: 'replaced' },
  ]);
  const hung = { ...old, passing: false, failingSince: 999_999 };
  assert.deepEqual(numbers(at([hung, instance(2)], all(2)).stop), [1], 'nothing comes out of it anyway');
  // The new one dies while the old one drains: it serves again.
  const back = at([idle, instance(2, { passing: false, failingSince: 1_000_001 })], all(2), 1_000_002);
  assert.deepEqual(back.buckets, all(1));
  assert.deepEqual(back.retiring, new Set());
});

test('each of form, image, processors and memory asks for an upgrade; what is not known does not', () => {
  const changed: Partial<Instance>[] = [
    { form: 'container' },
    { image: 'old' },
    { vcpus: 2 },
    { memoryMiB: 512 },
  ];
  for (const more of changed)
    assert.equal(decide(situation({ instances: [instance(1, more)] })).start.length, 1);
  const unknown = instance(1, { vcpus: null, memoryMiB: null });
  assert.equal(decide(situation({ instances: [unknown] })).start.length, 0);
});

test('rules that a running instance has not loaded yet, or refuses, take nothing from it', () => {
  const buckets = all(1);
  for (const more of [
    { rules: 'x'.repeat(64) },
    { rules: 'x'.repeat(64), refused: RULES },
    { rules: null },
  ]) {
    const decision = decide(situation({ instances: [instance(1, more)], buckets }));
    assert.deepEqual([decision.buckets, decision.stop], [buckets, []]);
  }
  assert.deepEqual(decide(situation({ instances: [instance(1, { rules: '' })] })).buckets, NO_BUCKETS);
  assert.deepEqual(decide(situation({ instances: [instance(1, { rules: '' })], rules: '' })).buckets, all(1));
});

test('one that ended or fails for long is taken away and started anew, not before its time', () => {
  const ended = decide(
    situation({
      instances: [instance(1, { state: 'ended', passing: false, failingSince: 0 })],
      buckets: all(1),
    }),
  );
  assert.deepEqual(ended.stop, [{ number: 1, why: 'failed' }]);
  assert.deepEqual(ended.buckets, NO_BUCKETS);
  const now = 1_000_000;
  const since = (ms: number, hasPassed: boolean) =>
    decide(
      situation({
        instances: [instance(1, { passing: false, failingSince: now - ms, hasPassed })],
        buckets: all(1),
      }),
    );
  assert.deepEqual(since(FAILING_MS - 1, true).stop, []);
  assert.deepEqual(since(FAILING_MS, true).stop, [{ number: 1, why: 'failed' }]);
  assert.deepEqual(since(FAILING_MS, false).stop, []);
  assert.deepEqual(since(START_MS, false).stop, [{ number: 1, why: 'failed' }]);
  const waiting = decide(situation({ waits: new Map([['edge', { until: now + 1, reason: 'no memory' }]]) }));
  assert.deepEqual(waiting.start, []);
  assert.match(waiting.problems.get('edge')?.message ?? '', /no memory/);
});

test('a gateway whose image is not here says so, and keeps what runs', () => {
  const desired = [gateway('edge', { image: 'f'.repeat(16), instances: 2 })];
  const { start, stop, problems, buckets } = decide(situation({ desired, instances: [instance(1)] }));
  assert.deepEqual([start, stop, buckets], [[], [], all(1)]);
  assert.match(problems.get('edge')?.message ?? '', /is not on it/);
});

test('what nobody wants any more is drained and ended', () => {
  const decision = decide(situation({ desired: [], instances: [instance(1)], buckets: all(1) }));
  assert.deepEqual([decision.buckets, decision.stop], [NO_BUCKETS, []]);
  const idle = decide(situation({ desired: [], instances: [instance(1, { idleSince: 0 })] }));
  assert.deepEqual(idle.stop, [{ number: 1, why: 'unwanted' }]);
});

test('shares are even, with the fewest moves, whatever they were', () => {
  const number = fc.integer({ min: 0, max: MAX_INSTANCES });
  fc.assert(
    fc.property(
      fc.array(number, { minLength: BUCKETS, maxLength: BUCKETS }),
      fc.uniqueArray(fc.integer({ min: 1, max: MAX_INSTANCES }), { minLength: 1 }),
      (before, instances) => {
        const after = share(before, instances);
        const counts = instances.map((n) => after.filter((x) => x === n).length);
        assert.equal(
          counts.reduce((a, b) => a + b, 0),
          BUCKETS,
        );
        assert.ok(Math.max(...counts) - Math.min(...counts) <= 1);
        assert.equal(share(after, instances), after);
        const least = Math.floor(BUCKETS / instances.length);
        const larger = BUCKETS - least * instances.length;
        const held = instances.map((n) => before.filter((x) => x === n).length).sort((a, b) => b - a);
        const keepable = held.reduce((sum, n, i) => sum + Math.min(n, i < larger ? least + 1 : least), 0);
        assert.equal(after.filter((n, i) => n === before[i]).length, keepable);
      },
    ),
  );
});

/** A host that does what is decided: instances start, come up, get rules; what is stopped goes. */
class World {
  now = 1_000_000;
  instances: Instance[];
  buckets: readonly number[];
  readonly desired: readonly DesiredGateway[];

  constructor(desired: readonly DesiredGateway[], instances: Instance[], buckets: readonly number[]) {
    this.desired = desired;
    this.instances = instances;
    this.buckets = buckets;
  }

  situation(): Situation {
    const { desired, instances, buckets, now } = this;
    return situation({ desired, instances, buckets, now });
  }

  step(): Decision {
    const decision = decide(this.situation());
    this.check(decision);
    this.now += 4_000;
    const stopped = new Set(numbers(decision.stop));
    this.buckets = decision.buckets;
    this.instances = this.instances
      .filter(({ number, state }) => !stopped.has(number) && state !== 'stopping')
      .map((i) => {
        const idle = this.buckets.includes(i.number) ? null : (i.idleSince ?? this.now);
        if (i.state === 'starting') return { ...i, state: 'up', idleSince: idle };
        if (i.state !== 'up') return i;
        // What boots comes to pass and then to have rules; what failed for good stays so.
        const boots = !i.hasPassed && i.failingSince !== null && this.now - i.failingSince > 10_000;
        const passing = i.passing || boots;
        return {
          ...i,
          passing,
          hasPassed: passing || i.hasPassed,
          failingSince: passing ? null : i.failingSince,
          rules: passing ? RULES : i.rules,
          idleSince: idle,
        };
      });
    for (const { number, gateway: of, form, image, vcpus, memoryMiB } of decision.start)
      this.instances.push(
        instance(number, {
          gateway: of,
          form,
          image,
          vcpus,
          memoryMiB,
          state: 'starting',
          passing: false,
          hasPassed: false,
          failingSince: this.now,
          rules: '',
        }),
      );
    return decision;
  }

  check({ start, stop, buckets, retiring }: Decision): void {
    const there = new Set(numbers(this.instances));
    for (const { number } of start) {
      assert.ok(number >= 1 && number <= MAX_INSTANCES && !there.has(number));
      there.add(number);
    }
    assert.ok(there.size <= MAX_INSTANCES);
    assert.equal(buckets.length, BUCKETS);
    const byNumber = new Map(this.instances.map((i) => [i.number, i]));
    const can = this.instances.filter((i) => isServing(i, RULES) && !retiring.has(i.number));
    for (const number of buckets) {
      const to = byNumber.get(number);
      if (can.length > 0) assert.ok(to && can.includes(to), 'a bucket that nobody serves though one could');
      if (number !== 0)
        assert.ok(to && (to.state === 'up' || to.state === 'starting') && !retiring.has(number));
    }
    for (const { number } of stop)
      if (byNumber.get(number)?.passing === true)
        assert.ok(!this.buckets.includes(number), 'ended while it serves');
  }
}

const anyInstance = (number: number): fc.Arbitrary<Instance> =>
  fc
    .record({
      gateway: fc.constantFrom('a', 'b', 'c', 'gone'),
      form: fc.constantFrom('vm' as const, 'container' as const),
      image: fc.constantFrom('new', 'old'),
      vcpus: fc.constantFrom(1, 2, null),
      state: fc.constantFrom(
        'starting' as const,
        'up' as const,
        'up' as const,
        'ended' as const,
        'stopping' as const,
      ),
      passing: fc.boolean(),
      hasPassed: fc.boolean(),
      rules: fc.constantFrom(RULES, '', null, 'x'.repeat(64)),
    })
    .map((more) => {
      const passing = more.passing && more.state === 'up';
      return instance(number, {
        ...more,
        passing,
        hasPassed: more.hasPassed || passing,
        failingSince: passing ? null : 1_000_000,
      });
    });

const anyWorld = fc
  .record({
    desired: fc.tuple(
      ...['a', 'b', 'c'].map((id) =>
        fc.option(
          fc
            .record({
              instances: fc.integer({ min: 1, max: 7 }),
              form: fc.constantFrom('vm' as const, 'container' as const),
              image: fc.constantFrom(null, 'old', 'new'),
            })
            .map((more) => gateway(id, more)),
        ),
      ),
    ),
    instances: fc
      .uniqueArray(fc.integer({ min: 1, max: MAX_INSTANCES }))
      .chain((list) => fc.tuple(...list.map(anyInstance))),
    buckets: fc.array(fc.integer({ min: 0, max: MAX_INSTANCES }), { minLength: BUCKETS, maxLength: BUCKETS }),
  })
  .map(
    ({ desired, instances, buckets }) =>
      new World(
        desired.filter((g) => g !== null),
        instances,
        buckets,
      ),
  );

test('from any state, step by step, to the desired one', () => {
  fc.assert(
    fc.property(anyWorld, (world) => {
      const asked = world.desired.reduce((sum, g) => sum + g.instances, 0);
      for (let i = 0; i < 400; i++) world.step();
      const { start, stop, retiring, buckets, problems } = decide(world.situation());
      assert.deepEqual(stop, []);
      assert.deepEqual(retiring, new Set());
      assert.deepEqual(start, []);
      if (asked > MAX_INSTANCES) assert.ok(world.instances.length === MAX_INSTANCES && problems.size > 0);
      else
        for (const g of world.desired) {
          const mine = world.instances.filter((i) => i.gateway === g.id);
          assert.equal(mine.length, g.instances);
          assert.ok(
            mine.every((i) => i.form === g.form && i.image === (g.image ?? 'new') && isServing(i, RULES)),
          );
        }
      if (world.desired.length > 0) assert.deepEqual(share(buckets, numbers(world.instances)), buckets);
      else assert.deepEqual([world.instances, buckets], [[], NO_BUCKETS]);
    }),
    { numRuns: 300 },
  );
});
