// What is rendered to have traffic inspected, as text.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_DOCUMENTS, type Documents } from '../model.ts';
import { Planner } from '../plan.ts';
import { insertion, policy, station, vmOf } from '../testing/inspected-host.ts';
import { assignSlots, ruleIds, type LocalFacts } from './local.ts';
import type { Ruleset } from './ruleset.ts';
import { buildRuleset, deltaScript } from './script.ts';
import { Wants } from './wants.ts';

const [a, b] = [station('tap-a', 1), station('tap-b', 2)];
const PORTS = ['a', 'b', 'm'] as const;
const gateway = (n: number, index: number) => {
  const [x, y, m] = PORTS.map((side, i) => ({ device: `wog${n}${side}`, index: index + i }));
  return [n, { a: x, b: y, m }] as unknown as [
    number,
    NonNullable<ReturnType<NonNullable<LocalFacts['gateways']>['get']>>,
  ];
};

function rulesetOf(documents: Partial<Documents>, facts: Partial<LocalFacts> = {}): Ruleset {
  const planner = new Planner();
  planner.setHostNetworks('h', [{ id: 'n0', name: 'n0', bridge: 'br0', vlan: null, zone: 1 }]);
  planner.setDocuments({ ...NO_DOCUMENTS, ...documents });
  for (const at of [a, b]) planner.upsertVm(vmOf(at, 'n0'));
  const state = planner.desired('h', 1);
  return buildRuleset(state, {
    taps: new Map(state.nics.map((nic) => [nic.id, nic.name])),
    networks: new Map([
      ['n0', { interfaces: [{ name: 'br0', mac: '02:00:00:00:00:01' }], otherPorts: ['up0', 'tap-o'] }],
    ]),
    slots: assignSlots(new Map(), ruleIds(state), 0).slots,
    ports: new Map([
      [
        'br0',
        [
          { device: 'tap-a', index: 11, mac: 'fe:54:00:00:00:01' },
          { device: 'tap-b', index: 12, mac: 'fe:54:00:00:00:02' },
          { device: 'tap-o', index: 13, mac: 'fe:54:00:00:00:03' },
          { device: 'up0', index: 14, mac: '02:00:00:00:00:0a' },
        ],
      ],
    ]),
    gateways: new Map([gateway(1, 21)]),
    buckets: Array.from({ length: 16 }, () => 1),
    ...facts,
  });
}

const ofA = (spec: object = {}) => insertion('a', { appliesTo: { vm: 'tap-a' }, mode: 'inline', ...spec });
const rules = (ruleset: Ruleset, table: 'inet' | 'netdev' | 'bridge', chain: string) =>
  ruleset.get(`${table} wocloud`)?.chains.get(chain)?.rules;
const elements = (ruleset: Ruleset, table: 'inet' | 'netdev' | 'bridge', set: string) => {
  const found = ruleset.get(`${table} wocloud`)?.sets.get(set)?.elements;
  return found && [...found].map(([key, value]) => (value === '' ? key : `${key} : ${value}`));
};

test('where nothing is to be inspected nothing is rendered, whatever gateways there are', () => {
  const nothing = { gateways: new Map(), buckets: [] };
  assert.equal(deltaScript(rulesetOf({}, nothing), rulesetOf({})), '');
  const observed = insertion('x', { appliesTo: { vm: 'elsewhere' }, mode: 'inline' });
  assert.equal(deltaScript(rulesetOf({}), rulesetOf({ insertions: [observed] })), '');
  const staged = { ...policy('p', [{ name: 'r', direction: 'in', action: 'inspect' }]) };
  staged.spec = { ...staged.spec, mode: 'staged' };
  const chains = [...rulesetOf({ policies: [staged] }).values()].flatMap((table) => [...table.chains.keys()]);
  assert.ok(!chains.some((name) => /^(inspect|steer|out-tap|unsteered)/.test(name)));
});

test("an insertion's NIC is matched at both ends, and what the host is an end of only where it is closed", () => {
  const open = rulesetOf({ insertions: [ofA()] });
  const [chain] = [...(open.get('inet wocloud')?.chains.keys() ?? [])].filter((name) =>
    name.startsWith('wants-'),
  );
  assert.deepEqual(rules(open, 'inet', chain as string), ['goto want-open']);
  for (const side of ['src', 'dst'])
    assert.deepEqual(elements(open, 'inet', `inspected-${side}`), [`"br0" . ${a.mac} : jump ${chain}`]);
  assert.equal(rules(open, 'inet', 'inspection-input'), undefined);
  const closed = rulesetOf({ insertions: [ofA({ failure: 'closed' })] });
  assert.ok(rules(closed, 'inet', 'inspection-input'));
  assert.ok(rules(closed, 'inet', 'inspection-output'));
});

test('rules that inspect are known by their slots in the connection mark', () => {
  const inspects = policy('p', [
    { name: 'x', direction: 'in', action: 'inspect', services: ['tcp/80'], failure: 'closed' },
    { name: 'y', direction: 'out', action: 'inspect', services: ['tcp/81'] },
  ]);
  const ruleset = rulesetOf({ policies: [inspects] });
  const chains = [...(ruleset.get('inet wocloud')?.chains.keys() ?? [])];
  const slot = (start: string) =>
    Number(
      /^[oi]-(\d+)-inspect$/.exec(
        chains.find((c) => c.startsWith(start) && c.endsWith('-inspect')) ?? '',
      )?.[1],
    );
  const mark = (value: number) => `0x${value.toString(16).padStart(8, '0')}`;
  assert.deepEqual(elements(ruleset, 'inet', 'inspecting-in'), [`${mark(slot('i-'))} : jump want-closed`]);
  assert.deepEqual(elements(ruleset, 'inet', 'inspecting-out'), [
    `${mark(slot('o-') * 65_536)} : jump want-open`,
  ]);
});

test('what a NIC wants is asked in order of strictness, in both directions of a connection', () => {
  const wants = new Wants();
  wants.add('mirror', []);
  wants.add('open', [
    { protocol: 17, ports: null, icmpTypes: null },
    { protocol: 1, ports: null, icmpTypes: [8] },
  ]);
  wants.add('closed', [
    {
      protocol: 6,
      ports: [
        [443, 443],
        [8000, 8080],
      ],
      icmpTypes: null,
    },
  ]);
  assert.deepEqual(wants.rules(), [
    'ct direction original meta l4proto . th dport { 6 . 443, 6 . 8000-8080 } goto want-closed',
    'ct direction reply meta l4proto . th sport { 6 . 443, 6 . 8000-8080 } goto want-closed',
    'ct direction original icmp type { 8 } goto want-open',
    'ct direction reply icmp type { 0 } goto want-open',
    'meta l4proto { 17 } goto want-open',
    'goto want-mirror',
  ]);
  wants.add('closed', []);
  assert.deepEqual(wants.rules(), ['goto want-closed']);
});

test('every port of the bridge steers, and taps are found again by their MAC', () => {
  const ruleset = rulesetOf({ insertions: [ofA()] });
  const unmarked = 'meta mark & 0xff000000 == 0x0 accept';
  assert.deepEqual(rules(ruleset, 'netdev', 'out-tap-a'), [
    unmarked,
    `ether daddr ${a.mac} goto steer`,
    'goto flooded',
  ]);
  assert.deepEqual(rules(ruleset, 'netdev', 'out-up0'), [
    unmarked,
    'ether daddr @tap-macs goto flooded',
    'ether daddr & 00:ff:ff:ff:ff:ff @guest-tails goto flooded',
    'goto steer-beyond',
  ]);
  assert.deepEqual(rules(ruleset, 'netdev', 'out-tap-o')?.slice(1, 2), [
    'ether daddr & 00:ff:ff:ff:ff:ff == 00:54:00:00:00:03 goto steer-beyond',
  ]);
  assert.deepEqual(elements(ruleset, 'netdev', 'taps'), [`${a.mac} : 11`, `${b.mac} : 12`]);
  assert.deepEqual(elements(ruleset, 'bridge', 'steered'), ['11', '12', '13', '14']);
});

test('a gateway has a way in for each direction and for copies, and a device made anew is another', () => {
  const documents = { insertions: [ofA()] };
  const ruleset = rulesetOf(documents);
  assert.deepEqual(elements(ruleset, 'netdev', 'gateways'), [
    '0x01000000 : goto gw-1-a',
    '0x11000000 : goto gw-1-b',
    '0x41000000 : goto gw-1-m',
    '0x51000000 : goto gw-1-m',
  ]);
  assert.deepEqual(rules(ruleset, 'netdev', 'gw-1-a'), ['fwd to "wog1a" comment "21"']);
  assert.deepEqual(rules(ruleset, 'netdev', 'gw-1-m')?.[0], 'dup to "wog1m" comment "23"');
  assert.deepEqual(
    [rules(ruleset, 'netdev', 'back-wog1a'), rules(ruleset, 'netdev', 'back-wog1m')],
    [['goto returned'], ['drop']],
  );
  const anew = deltaScript(ruleset, rulesetOf(documents, { gateways: new Map([gateway(1, 31)]) }));
  assert.match(anew, /add rule netdev wocloud gw-1-a fwd to "wog1a" comment "31"/);
});

test('a bucket that moves is one element, and touches nothing else', () => {
  const documents = { insertions: [ofA()] };
  const gateways = new Map([gateway(1, 21), gateway(2, 31)]);
  const buckets = Array.from({ length: 16 }, (_, i) => 1 + (i % 2));
  const moved = buckets.map((n, i) => (i === 5 ? 1 : n));
  assert.equal(
    deltaScript(
      rulesetOf(documents, { gateways, buckets }),
      rulesetOf(documents, { gateways, buckets: moved }),
    ),
    'delete element inet wocloud buckets { 5 }\nadd element inet wocloud buckets { 5 : goto instance-1 }\n',
  );
});

test('a NIC with the MAC of another is at no place that can be told', () => {
  const planner = new Planner();
  planner.setHostNetworks(
    'h',
    ['n0', 'n1'].map((id, i) => ({ id, name: id, bridge: `br${i}`, vlan: null, zone: i + 1 })),
  );
  planner.setDocuments({
    ...NO_DOCUMENTS,
    insertions: [insertion('x', { appliesTo: 'all', mode: 'inline' })],
  });
  planner.upsertVm(vmOf(a, 'n0'));
  planner.upsertVm(vmOf({ ...b, mac: a.mac }, 'n1'));
  const state = planner.desired('h', 1);
  const ruleset = buildRuleset(state, {
    taps: new Map(state.nics.map((nic) => [nic.id, nic.name])),
    networks: new Map(),
    slots: assignSlots(new Map(), ruleIds(state), 0).slots,
  });
  assert.deepEqual(elements(ruleset, 'netdev', 'taps'), []);
  assert.deepEqual(elements(ruleset, 'inet', 'inspectable'), []);
  assert.deepEqual(elements(ruleset, 'inet', 'enforced-macs'), [a.mac]);
});
