import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineAlert } from '@wocloud/protocol/reports.ts';
import type { LocalNic } from '../directory.ts';
import type { Forgery } from '../flows/reading.ts';
import { until } from '../flows/testing/namespace.ts';
import { Floods, type RefusedPair } from './floods.ts';
import { rateOf, stepsTo, type Found, type Held, type Step } from './shaping.ts';

const held = (send: number | null, receive: number | null): Held => ({
  name: 'web-1',
  mac: '52:54:00:00:00:01',
  tap: { device: 'tap1', index: 7 },
  send,
  receive,
});
const names = { first: 'wol7a', second: 'wol7b', unfinished: 'wol7n' };
const first = { name: 'wol7a', index: 11, isUp: true };
const second = { name: 'wol7b', index: 10, isUp: true };
const add: Step = { do: 'add', names, mac: '52:54:00:00:00:01', tap: 7, kbps: 1_000 };
const found = (more: Partial<Found> = {}): Found => ({
  pairs: [],
  queues: new Map([[7, null]]),
  leading: new Set(),
  ...more,
});
const own = (kbps: number) => ({ own: rateOf(kbps) });
const whole = found({
  pairs: [first, second],
  queues: new Map([
    [7, null],
    [11, own(1_000)],
  ]),
  leading: new Set([10]),
});

const cases: [string, Held[], Found, Step[]][] = [
  ['nothing limited, nothing there', [], found(), []],
  [
    'what a VM receives waits at its tap',
    [held(null, 1_000)],
    found(),
    [{ do: 'rate', index: 7, kbps: 1_000 }],
  ],
  ['what it sends, in a pair', [held(1_000, null)], found(), [add]],
  ['all in place', [held(1_000, null)], whole, []],
  ['another rate', [held(2_000, null)], whole, [{ do: 'rate', index: 11, kbps: 2_000 }]],
  [
    'half a pair is made anew',
    [held(1_000, null)],
    { ...whole, pairs: [second], queues: new Map() },
    [{ do: 'delete', index: 10 }, add],
  ],
  [
    'an unfinished pair is made anew',
    [held(1_000, null)],
    { ...whole, pairs: [{ ...first, name: 'wol7n' }, second] },
    [{ do: 'delete', index: 11 }, { do: 'delete', index: 10 }, add],
  ],
  [
    'a pair that leads nowhere, and is down',
    [held(1_000, null)],
    { ...whole, leading: new Set(), pairs: [{ ...first, isUp: false }, second] },
    [
      { do: 'lead', index: 10, mac: '52:54:00:00:00:01', tap: 7 },
      { do: 'up', index: 11 },
    ],
  ],
  [
    'no limit any more',
    [],
    { ...whole, queues: new Map([...whole.queues, [7, own(5_000)]]) },
    [
      { do: 'delete', index: 11 },
      { do: 'delete', index: 10 },
      { do: 'free', index: 7 },
    ],
  ],
  [
    'what is not ours stays',
    [],
    found({
      pairs: [
        { name: 'wolfgang', index: 3, isUp: true },
        { name: 'wol0a', index: 4, isUp: true },
      ],
      queues: new Map([[7, { foreign: 'htb 1:' }]]),
    }),
    [],
  ],
];
for (const [what, wanted, there, steps] of cases)
  test(`steps: ${what}`, () => assert.deepEqual(stepsTo(wanted, there).steps, steps));

test("a tap with somebody else's queue is left alone, and that is told", () => {
  const { steps, notices } = stepsTo(
    [held(null, 1_000)],
    found({ queues: new Map([[7, { foreign: 'htb 1:' }]]) }),
  );
  assert.deepEqual(steps, []);
  assert.equal(notices[0]?.code, 'limit.bandwidth.taken');
  assert.match(notices[0]?.message ?? '', /web-1.*tap1.*htb 1:/);
});

test('every rate that a Limit may name fits the kernel', () => {
  for (const kbps of [64, 1_000, 100_000, 10_000_000, 400_000_000]) {
    const { rate, burst, limit } = rateOf(kbps);
    assert.equal(rate, (kbps * 1000) / 8);
    assert.ok(burst >= 16_384 && burst < 2 ** 31 && limit > burst + 60_000 && limit < 2 ** 32, `${kbps}`);
  }
});

const nic: LocalNic = {
  id: '00000000-0000-4000-8000-000000000001/52:54:00:00:00:01',
  vm: '00000000-0000-4000-8000-000000000001',
  name: 'web-1',
  mac: '52:54:00:00:00:01',
  tap: 'tap1',
  bridge: 'br0',
  vlan: null,
  network: 'n1',
  zone: 1,
  mode: 'enforce',
  addresses: ['10.0.0.1'],
};
const forgery: Forgery = {
  prefix: 'wocloud-guard:syn:',
  time: 1,
  packets: 9,
  etherType: 0x0800,
  vlan: -1,
  inIndex: 7,
  link: new Uint8Array(14),
  payload: new Uint8Array(0),
};
/** What is told when the kernel says this the first time, and the next. */
async function told(...looks: RefusedPair[][]): Promise<EngineAlert[]> {
  const alerts: EngineAlert[] = [];
  const directory = { byTap: (tap: string) => (tap === 'tap1' ? nic : undefined) };
  const finder = { byPort: (index: number) => (index === 7 ? nic : undefined) };
  let looked = 0;
  const floods = new Floods(
    directory as never,
    finder as never,
    (alert) => alerts.push(alert),
    async () => looks[looked++] ?? [],
  );
  floods.take(forgery);
  await until('all looks', () => looked >= looks.length && alerts.length >= looks.length);
  floods.close();
  return alerts;
}
const refused = (destination: string, packets: number): RefusedPair => ({
  tap: 'tap1',
  destination,
  port: 80,
  packets,
});

test('a flood is told with where it goes, and then with how fast', async () => {
  const [start, after] = await told(
    [refused('10.0.0.2', 500), refused('10.0.0.3', 20)],
    [refused('10.0.0.2', 700), refused('10.0.0.3', 20)],
  );
  assert.equal(start?.kind, 'syn.flood');
  assert.equal(start?.vm, nic.vm);
  assert.equal(start?.count, 520);
  assert.match(start?.title ?? '', /^VM web-1 floods 10\.0\.0\.2 port 80, and 1 more/);
  assert.equal(after?.count, 200);
  assert.ok(Number(after?.evidence['refusedPerSecond']) > 50);
});

test('a flood of more destinations than can be counted is told too', async () => {
  const [alert] = await told([]);
  assert.equal(alert?.vm, nic.vm);
  assert.match(alert?.title ?? '', /^VM web-1 floods more destinations/);
});
