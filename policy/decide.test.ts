import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Policy } from '@wocloud/protocol/resources/policy.ts';
import { decide, type Packet } from './decide.ts';
import { NO_DOCUMENTS, type InventoryVm, type World } from './model.ts';

const API = 'wocloud/v1' as const;

/** The policy of the documentation, as written there. */
const web: Policy = {
  apiVersion: API,
  kind: 'Policy',
  metadata: { name: 'web', tenant: 'acme' },
  spec: {
    tier: 'tenant',
    priority: 100,
    mode: 'enforce',
    appliesTo: { selector: 'app=web' },
    rules: [
      { name: 'https-in', direction: 'in', action: 'allow', from: ['any'], services: ['tcp/443'] },
      {
        name: 'from-lb',
        direction: 'in',
        action: 'inspect',
        from: [{ selector: 'app=lb' }],
        services: ['tcp/8080'],
        log: true,
      },
      { name: 'to-db', direction: 'out', action: 'allow', to: [{ group: 'db' }], services: ['tcp/5432'] },
      { name: 'rest', direction: 'both', action: 'drop', log: true },
    ],
  },
};
const machine = (
  n: number,
  app: string,
  tenant: string | null,
  network = 'n1',
  mode: InventoryVm['mode'] = 'enforce',
): InventoryVm => ({
  id: `00000000-0000-4000-8000-00000000000${n}`,
  name: `${app}-${n}`,
  host: 'h1',
  tenant,
  mode,
  labels: { app },
  nics: [{ mac: `52:54:00:00:00:0${n}`, network, addresses: [`10.0.0.${n}`, `fd00::${n}`] }],
});
const world: World = {
  documents: {
    ...NO_DOCUMENTS,
    tenants: ['acme', 'bolt'].map((name) => ({
      apiVersion: API,
      kind: 'Tenant',
      metadata: { name },
      spec: {},
    })),
    groups: [
      {
        apiVersion: API,
        kind: 'Group',
        metadata: { name: 'db', tenant: 'acme' },
        spec: { selector: 'app=db' },
      },
    ],
    policies: [web],
  },
  vms: [
    machine(1, 'web', 'acme'),
    machine(2, 'db', 'acme'),
    machine(3, 'lb', 'acme'),
    machine(4, 'lb', 'bolt'),
    machine(5, 'db', 'acme', 'n2'),
    machine(6, 'odd', null, 'n1', 'observe'),
  ],
  hosts: new Map(),
};
const nic = (n: number) => ({ nic: `00000000-0000-4000-8000-00000000000${n}/52:54:00:00:00:0${n}` });
const outside = { address: '192.0.2.7' };
const tcp = (source: Packet['source'], destination: Packet['destination'], port: number): Packet => ({
  source,
  destination,
  protocol: 6,
  port,
});

const cases: [string, Packet, string, string, string][] = [
  ['anyone reaches the web', tcp(outside, nic(1), 443), 'allowed', '', 'acme/web/https-in'],
  [
    'another tenant is stopped by its own side first',
    tcp(nic(4), nic(1), 443),
    'dropped',
    'default/between',
    '',
  ],
  [
    'the load balancer is inspected',
    tcp(nic(3), nic(1), 8080),
    'allowed',
    'default/within',
    'acme/web/from-lb',
  ],
  [
    'another tenant with the same label is not it',
    tcp(nic(4), nic(1), 8080),
    'dropped',
    'default/between',
    '',
  ],
  ['the web reaches its database', tcp(nic(1), nic(2), 5432), 'allowed', 'acme/web/to-db', 'default/within'],
  [
    'a database on another network is not of the group here',
    tcp(nic(1), nic(5), 5432),
    'dropped',
    'acme/web/rest',
    '',
  ],
  ['and nothing else', tcp(nic(1), nic(2), 22), 'dropped', 'acme/web/rest', ''],
  ['nor outside', tcp(nic(1), outside, 443), 'dropped', 'acme/web/rest', ''],
  ['the database answers to none outside', tcp(outside, nic(2), 5432), 'dropped', '', 'default/ingress'],
  [
    "an observed VM meets its peer's rules only",
    tcp(nic(6), nic(1), 443),
    'allowed',
    '',
    'acme/web/https-in',
  ],
  [
    'the host is outside',
    tcp({ host: 'h1', address: '10.0.0.254' }, nic(2), 22),
    'dropped',
    '',
    'default/ingress',
  ],
  [
    'DHCP always passes',
    { source: nic(1), destination: { address: '255.255.255.255' }, protocol: 17, sourcePort: 68, port: 67 },
    'allowed',
    '',
    '',
  ],
];
for (const [what, packet, verdict, ruleOut, ruleIn] of cases)
  test(what, () => {
    const decision = decide(world, packet);
    assert.deepEqual([decision.verdict, decision.ruleOut, decision.ruleIn], [verdict, ruleOut, ruleIn]);
  });

test('inspection is told apart, and an observed VM shows what would happen', () => {
  assert.equal(decide(world, tcp(nic(3), nic(1), 8080)).action, 'inspect');
  const observed = decide(world, tcp(nic(2), nic(6), 22));
  assert.deepEqual(
    [observed.verdict, observed.stagedVerdict, observed.stagedRule],
    ['dropped', 'dropped', 'default/between'],
  );
  const mine = decide(world, tcp(nic(6), outside, 22));
  assert.deepEqual(
    [mine.verdict, mine.stagedVerdict, mine.stagedRule],
    ['observed', 'allowed', 'default/egress'],
  );
});

test('a staged policy decides nothing and shows what it would', () => {
  const staged: World = {
    ...world,
    documents: { ...world.documents, policies: [{ ...web, spec: { ...web.spec, mode: 'staged' } }] },
  };
  const decision = decide(staged, tcp(nic(1), nic(2), 22));
  assert.deepEqual([decision.verdict, decision.ruleOut], ['allowed', 'default/within']);
  assert.deepEqual([decision.stagedVerdict, decision.stagedRule], ['dropped', 'acme/web/rest']);
});

test('the steps say what was asked and what matched', () => {
  const [out, into] = decide(world, tcp(nic(3), nic(1), 8080)).steps;
  assert.deepEqual(
    out?.rules.map((r) => [r.rule, r.matched]),
    [['default/within', true]],
  );
  assert.deepEqual(
    into?.rules.map((r) => [r.rule, r.matched]),
    [
      ['acme/web/https-in', false],
      ['acme/web/from-lb', true],
    ],
  );
});

test('tiers come before priorities, priorities before names', () => {
  const rule = (
    name: string,
    tier: Policy['spec']['tier'],
    priority: number,
    tenant: string | undefined,
  ): Policy => ({
    ...web,
    metadata: { name, ...(tenant && { tenant }) },
    spec: {
      ...web.spec,
      tier,
      priority,
      appliesTo: 'all',
      rules: [{ name: 'r', direction: 'out', action: 'allow', services: ['tcp/9'] }],
    },
  });
  const order = [
    rule('z', 'emergency', 9, undefined),
    rule('a', 'platform', 1, undefined),
    rule('y', 'tenant', 1, undefined),
    rule('b', 'tenant', 1, 'acme'),
    rule('a', 'tenant', 2, 'acme'),
    rule('c', 'baseline', 0, undefined),
  ];
  for (let first = 0; first < order.length; first++) {
    const policies = order.slice(first).toReversed();
    const decision = decide(
      { ...world, documents: { ...world.documents, policies } },
      tcp(nic(1), outside, 9),
    );
    const expected = order[first] as Policy;
    assert.equal(decision.ruleOut, `${expected.metadata.tenant ?? '-'}/${expected.metadata.name}/r`);
  }
});
