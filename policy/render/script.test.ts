// Rendering as text, and (needs root) as the kernel takes it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { DesiredRule, DesiredSet, DesiredState } from '@wocloud/protocol/desired.ts';
import { Planner } from '../plan.ts';
import type { World } from '../model.ts';
import { run } from '../testing/kernel.ts';
import { existing, listing } from '../testing/listing.ts';
import { world } from '../testing/worlds.ts';
import { chainText } from './chains.ts';
import { assignSlots, ruleIds, type LocalFacts } from './local.ts';
import {
  GUARD_KINDS,
  TABLES,
  commentOf,
  guardPrefix,
  markOf,
  parseGuardPrefix,
  parseVerdictPrefix,
  slotsOfMark,
  verdictPrefix,
} from './names.ts';
import { buildRuleset, deltaScript, fullScript, removalScript } from './script.ts';

const any: DesiredRule['peers'] = ['any'];
const tcp = (...ports: [number, number][]) => [{ protocol: 6, ports, icmpTypes: null }];
const rule = (
  id: string,
  action: DesiredRule['action'],
  peers: DesiredRule['peers'],
  services: DesiredRule['services'] = [],
): DesiredRule => ({ id, action, staged: false, peers, services, log: false });
const last = rule('default/egress', 'drop', any);
const literal = (cidr: string) => ({ set: `c:${cidr}@n` });
const group = { set: 'g:acme/db@n' };

const cases: [string, DesiredRule[], string[]][] = [
  [
    'single ports of everyone share one map, the first rule keeps a port',
    [rule('a', 'allow', any, tcp([80, 80])), rule('b', 'drop', any, tcp([80, 80], [443, 443]))],
    ['meta l4proto . th dport vmap { 6 . 80 : goto o-1-allow, 6 . 443 : goto o-2-drop }', 'goto o-9-drop'],
  ],
  [
    'a range gets what earlier rules left of it',
    [rule('a', 'drop', any, tcp([443, 443])), rule('b', 'allow', any, tcp([400, 500]))],
    [
      'meta l4proto . th dport vmap { 6 . 443 : goto o-1-drop, 6 . 400-442 : goto o-2-allow, 6 . 444-500 : goto o-2-allow }',
      'goto o-9-drop',
    ],
  ],
  [
    'a specific rule after a general one never decides',
    [
      rule('a', 'drop', any, [{ protocol: 6, ports: null, icmpTypes: null }]),
      rule('b', 'allow', any, tcp([22, 22])),
    ],
    [
      'meta l4proto vmap { 6 : goto o-1-drop }',
      'meta l4proto . th dport vmap { 6 . 22 : goto o-2-allow }',
      'goto o-9-drop',
    ],
  ],
  [
    'rules of many single addresses collapse into one map',
    [
      rule('a', 'allow', [literal('192.0.2.1')], tcp([80, 80])),
      rule('b', 'drop', [literal('192.0.2.0/24')], tcp([443, 443])),
      rule('c', 'allow', [literal('198.51.100.7')], tcp([80, 80])),
    ],
    [
      'ip daddr . meta l4proto . th dport vmap { 192.0.2.1 . 6 . 80 : goto o-1-allow, 192.0.2.0/24 . 6 . 443 : goto o-2-drop, 198.51.100.7 . 6 . 80 : goto o-3-allow }',
      'goto o-9-drop',
    ],
  ],
  [
    'overlapping addresses of different rules stay in order',
    [
      rule('a', 'allow', [literal('192.0.2.1')], tcp([80, 80])),
      rule('b', 'drop', [literal('192.0.2.0/24')], tcp([80, 80])),
    ],
    [
      'ip daddr . meta l4proto . th dport vmap { 192.0.2.1 . 6 . 80 : goto o-1-allow }',
      'ip daddr . meta l4proto . th dport vmap { 192.0.2.0/24 . 6 . 80 : goto o-2-drop }',
      'goto o-9-drop',
    ],
  ],
  [
    'groups are sets by name, one line per family',
    [
      rule('a', 'allow', [group], tcp([5432, 5432])),
      rule('b', 'reject', [group], [{ protocol: 58, ports: null, icmpTypes: [128] }]),
    ],
    [
      'ip daddr @s4-GROUP meta l4proto . th dport vmap { 6 . 5432 : goto o-1-allow }',
      'ip6 daddr @s6-GROUP meta l4proto . th dport vmap { 6 . 5432 : goto o-1-allow }',
      'ip6 daddr @s6-GROUP icmpv6 type vmap { 128 : goto o-2-reject }',
      'goto o-9-drop',
    ],
  ],
  [
    'rules are not moved past one that may decide otherwise',
    [
      rule('a', 'allow', any, tcp([80, 80])),
      rule('b', 'drop', [group]),
      rule('c', 'allow', any, tcp([443, 443])),
    ],
    [
      'meta l4proto . th dport vmap { 6 . 80 : goto o-1-allow }',
      'ip daddr @s4-GROUP goto o-2-drop',
      'ip6 daddr @s6-GROUP goto o-2-drop',
      'meta l4proto . th dport vmap { 6 . 443 : goto o-3-allow }',
      'goto o-9-drop',
    ],
  ],
  [
    'nothing after a rule for everything is rendered',
    [rule('a', 'drop', any), rule('b', 'allow', any, tcp([1, 1]))],
    ['goto o-1-drop'],
  ],
  [
    'staged rules and the host are not between VMs',
    [{ ...rule('a', 'drop', any), staged: true }, rule('b', 'allow', ['host'])],
    ['goto o-9-drop'],
  ],
];

for (const [what, rules, text] of cases)
  test(`chain text: ${what}`, () => {
    const sets = new Map<string, DesiredSet>(
      rules
        .flatMap((r) => r.peers)
        .flatMap((p) =>
          typeof p === 'string'
            ? []
            : [
                [
                  p.set,
                  { id: p.set, network: 'n', elements: [/^c:(.*)@/.exec(p.set)?.[1] ?? '10.0.0.1'] },
                ] as const,
              ],
        ),
    );
    const slots = new Map([...rules.map((r, i): [string, number] => [r.id, i + 1]), ['default/egress', 9]]);
    const chain = chainText({ id: 'out-x', rules: [...rules, last] }, 'out', 'n', sets, slots);
    assert.deepEqual(
      chain.rules.map((line) => line.replaceAll(/@s([46])-[0-9a-f]{16}/g, '@s$1-GROUP')),
      text,
    );
  });

function factsOf(w: World): { state: DesiredState; local: LocalFacts } {
  const planner = new Planner();
  planner.setDocuments(w.documents);
  for (const machine of w.vms) planner.upsertVm({ ...machine, host: 'h1' });
  planner.setHostNetworks('h1', w.hosts.get('h1') ?? []);
  const state = planner.desired('h1', 1);
  return {
    state,
    local: {
      taps: new Map(),
      slots: assignSlots(new Map(), ruleIds(state), 0).slots,
      networks: new Map([
        ['n1', { interfaces: [{ name: 'br-n1', mac: '02:00:00:00:01:00' }], otherPorts: [] }],
      ]),
    },
  };
}

async function inNamespace(body: (namespace: string) => Promise<void>): Promise<void> {
  const namespace = `wps${process.pid}`;
  await run('ip', ['netns', 'add', namespace]);
  try {
    await body(namespace);
  } finally {
    await run('ip', ['netns', 'delete', namespace]);
  }
}
const apply = (namespace: string, script: string) =>
  script === '' ? Promise.resolve('') : run('ip', ['netns', 'exec', namespace, 'nft', '-f', '-'], script);

test('from any state to any other: by delta, by taking over, and from nothing is the same in the kernel', async () => {
  await inNamespace((namespace) =>
    fc.assert(
      fc.asyncProperty(world, world, async (first, second) => {
        const [a, b] = [factsOf(first), factsOf(second)];
        const [from, to] = [buildRuleset(a.state, a.local), buildRuleset(b.state, b.local)];
        await apply(namespace, fullScript(to));
        const wanted = await listing(namespace);
        await apply(namespace, fullScript(from));
        await apply(namespace, deltaScript(from, to));
        assert.equal(await listing(namespace), wanted, 'by delta');
        await apply(namespace, fullScript(from));
        await apply(namespace, fullScript(to, await existing(namespace)));
        assert.equal(await listing(namespace), wanted, 'by taking over');
        assert.equal(deltaScript(to, buildRuleset(b.state, b.local)), '');
        await apply(namespace, removalScript());
        assert.equal((await existing(namespace)).size, 0);
      }),
      { numRuns: 12, endOnFailure: true },
    ),
  );
});

test('ten thousand rules are a handful of lookups', () => {
  const rules = Array.from({ length: 10_000 }, (_, i) =>
    rule(
      `r${i}`,
      i % 3 ? 'allow' : 'drop',
      [literal(`10.${i >> 8}.${i & 255}.0/24`)],
      tcp([1 + (i % 1000), 1 + (i % 1000)]),
    ),
  );
  const sets = new Map(
    rules.map((r, i) => [
      `c:10.${i >> 8}.${i & 255}.0/24@n`,
      { id: r.id, network: 'n', elements: [`10.${i >> 8}.${i & 255}.0/24`] },
    ]),
  );
  const slots = new Map([...rules.map((r, i): [string, number] => [r.id, i + 10]), ['default/egress', 9]]);
  const start = performance.now();
  const chain = chainText({ id: 'x', rules: [...rules, last] }, 'out', 'n', sets, slots);
  assert.equal(chain.rules.length, 2);
  assert.ok(performance.now() - start < 2000);
});

test('what logs, marks and comments carry can be read back', () => {
  assert.deepEqual(parseVerdictPrefix(verdictPrefix('out', 17, 'drop')), {
    outSlot: 17,
    inSlot: 0,
    verdict: 'dropped',
  });
  assert.deepEqual(parseVerdictPrefix(verdictPrefix('in', 65_535, 'reject')), {
    outSlot: 0,
    inSlot: 65_535,
    verdict: 'rejected',
  });
  assert.equal(parseVerdictPrefix('wocloud:x:0:dropped'), null);
  for (const kind of GUARD_KINDS) assert.equal(parseGuardPrefix(guardPrefix(kind)), kind);
  assert.deepEqual(slotsOfMark(markOf(65_535, 3)), { out: 65_535, in: 3 });
  const long = `${'a'.repeat(63)}/${'b'.repeat(63)}/${'c'.repeat(63)}`;
  assert.ok(commentOf(long).length < 128);
  assert.notEqual(commentOf(long), commentOf(`${long.slice(0, -1)}d`));
  assert.equal(commentOf('acme/web/https-in'), 'acme/web/https-in');
  assert.equal(TABLES.length, 3);
});

test('slots stay with their rule, and a freed one rests before it is given again', () => {
  const first = assignSlots(new Map(), ['a', 'b'], 0);
  assert.deepEqual(
    [...first.slots],
    [
      ['a', 1],
      ['b', 2],
    ],
  );
  const second = assignSlots(first.slots, ['b', 'c'], first.last);
  assert.deepEqual(
    [...second.slots],
    [
      ['b', 2],
      ['c', 3],
    ],
  );
  const wrapped = assignSlots(second.slots, ['b', 'c', 'd', 'e'], 65_534);
  assert.deepEqual(
    [...wrapped.slots],
    [
      ['b', 2],
      ['c', 3],
      ['d', 65_535],
      ['e', 1],
    ],
  );
  assert.throws(
    () =>
      assignSlots(
        new Map(),
        Array.from({ length: 65_536 }, (_, i) => `r${i}`),
        0,
      ),
    { code: 'render.slots' },
  );
});
