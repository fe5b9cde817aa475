// Whose traffic is inspected: as the plan says it, as the reference does, and what validation refuses.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DesiredGateway } from '@wocloud/protocol/desired.ts';
import type { Insertion } from '@wocloud/protocol/resources/insertion.ts';
import { decide, type End } from './decide.ts';
import { NO_DOCUMENTS, nicId, type Documents, type InventoryVm } from './model.ts';
import { Planner } from './plan.ts';
import { insertion, policy, station, vmOf } from './testing/inspected-host.ts';
import { validateDocument } from './validate.ts';

const networks = ['n0', 'n1'].map((id, i) => ({ id, name: id, bridge: `br${i}`, vlan: null, zone: i + 1 }));
const [one, two, three] = [1, 2, 3].map((n) => station(`vm-${n}`, n)) as [
  ReturnType<typeof station>,
  ReturnType<typeof station>,
  ReturnType<typeof station>,
];

function plannerOf(documents: Partial<Documents>, vms: readonly InventoryVm[]): Planner {
  const planner = new Planner();
  for (const host of ['h', 'h2']) planner.setHostNetworks(host, networks);
  planner.setDocuments({ ...NO_DOCUMENTS, ...documents });
  for (const vm of vms) planner.upsertVm(vm);
  return planner;
}

const VMS = [
  vmOf(one, 'n0', { labels: { app: 'web' } }),
  vmOf(two, 'n0', { tenant: 'bolt', labels: { app: 'web' } }),
  vmOf(three, 'n0', { host: 'h2', labels: { app: 'web' } }),
];
const web = { appliesTo: { selector: 'app=web' }, mode: 'inline' } as const;

test('an insertion names the NICs of its VMs on each host; a tenant never reaches beyond its own', () => {
  const planner = plannerOf(
    { insertions: [insertion('all', web), insertion('own', { ...web, services: ['tcp/443'] }, 'acme')] },
    VMS,
  );
  const nic = (at: { tap: string }) =>
    VMS.flatMap((vm) => (vm.name === at.tap ? [nicId(vm.id, vm.nics[0]?.mac ?? '')] : []));
  const tcp = { protocol: 6, ports: [[443, 443]], icmpTypes: null };
  assert.deepEqual(planner.desired('h').insertions, [
    {
      id: '-/all',
      order: 0,
      nics: [...nic(one), ...nic(two)],
      mode: 'inline',
      failure: 'open',
      services: [],
    },
    { id: 'acme/own', order: 1, nics: nic(one), mode: 'inline', failure: 'open', services: [tcp] },
  ]);
  assert.deepEqual(
    planner.desired('h2').insertions.map(({ id, nics }) => [id, nics]),
    [
      ['-/all', nic(three)],
      ['acme/own', nic(three)],
    ],
  );
});

test('only hosts whose VMs are concerned are planned anew, and what did not change stays the same object', () => {
  const all = insertion('all', web);
  const planner = plannerOf({ insertions: [all] }, VMS);
  const before = planner.desired('h');
  planner.desired('h2');
  const closed = insertion('third', { appliesTo: { vm: 'vm-3' }, mode: 'inline', failure: 'closed' });
  planner.setDocuments({ ...NO_DOCUMENTS, insertions: [all, closed] });
  assert.deepEqual(planner.dirtyHosts(), ['h2']);
  assert.equal(planner.desired('h2').insertions.length, 2);
  planner.upsertVm(vmOf(two, 'n0', { tenant: 'bolt', labels: {} }));
  assert.deepEqual(planner.dirtyHosts(), ['h']);
  const after = planner.desired('h');
  assert.equal(after.insertions[0]?.nics.length, 1);
  assert.equal(after.chains, before.chains);
  assert.equal(planner.desired('h').insertions, after.insertions);
  planner.setDocuments({ ...NO_DOCUMENTS });
  assert.deepEqual(planner.dirtyHosts(), ['h', 'h2']);
  assert.deepEqual(planner.desired('h').insertions, []);
});

test('gateways and their rules are for the hosts that run some', () => {
  const planner = plannerOf({}, VMS);
  const gateway: DesiredGateway = {
    id: 'g',
    form: 'vm',
    instances: 2,
    vcpus: 1,
    memoryMiB: 768,
    image: null,
  };
  for (const host of ['h', 'h2']) planner.desired(host);
  planner.setGateways('h', [gateway]);
  planner.setRules('abc');
  assert.deepEqual(planner.dirtyHosts(), ['h']);
  const { gateways, rules } = planner.desired('h');
  assert.deepEqual([gateways, rules], [[gateway], [{ id: 'rules', digest: 'abc' }]]);
  assert.deepEqual(planner.desired('h2').rules, []);
  planner.setRules('abc');
  assert.deepEqual(planner.dirtyHosts(), []);
  planner.setRules(null);
  assert.deepEqual(planner.desired('h').rules, []);
});

test('a service that is gone makes an insertion inspect everything, and is named', () => {
  const planner = plannerOf({ insertions: [insertion('all', { ...web, services: ['gone'] })] }, VMS);
  assert.deepEqual(planner.desired('h').insertions[0]?.services, []);
  assert.match(planner.problems().join(), /-\/all: no service "gone"/);
});

const ANYTHING = policy('anything', [{ name: 'all', direction: 'both', action: 'allow' }]);
const inspecting = (failure?: 'open' | 'closed') =>
  policy('look', [
    { name: 'dns', direction: 'in', action: 'inspect', services: ['udp/53'], ...(failure && { failure }) },
    { name: 'all', direction: 'both', action: 'allow' },
  ]);
const of1 = (name: string, spec: object = {}, tenant?: string): Insertion =>
  insertion(name, { appliesTo: { vm: 'vm-1' }, mode: 'inline', ...spec }, tenant);
const mirror = { mode: 'mirror' };
const closed = { failure: 'closed' };
const at = (vm: InventoryVm): End => ({ nic: nicId(vm.id, vm.nics[0]?.mac ?? '') });
const [first, second] = [vmOf(one, 'n0'), vmOf(two, 'n0')];
const outside: End = { address: '192.0.2.7' };
const routed: End = { address: '192.0.2.7', routed: true };
const host: End = { host: 'h', address: '10.0.0.254' };

const cases: [what: string, documents: Partial<Documents>, to: End, inspection: unknown, verdict: string][] =
  [
    ['nobody wants it', {}, at(second), null, 'allowed'],
    ['one insertion', { insertions: [of1('a')] }, at(second), ['inline', 'open', '-/a', null], 'allowed'],
    ['another service', { insertions: [of1('a', { services: ['tcp'] })] }, at(second), null, 'allowed'],
    [
      'inline before a copy',
      { insertions: [of1('a', mirror), of1('b', {}, 'acme')] },
      at(second),
      ['inline', 'open', 'acme/b', null],
      'allowed',
    ],
    [
      'closed before open',
      { insertions: [of1('a'), of1('b', closed)] },
      at(second),
      ['inline', 'closed', '-/b', null],
      'allowed',
    ],
    [
      "of equals the platform's is named",
      { insertions: [of1('a', {}, 'acme'), of1('z')] },
      at(second),
      ['inline', 'open', '-/z', null],
      'allowed',
    ],
    ['a rule', { policies: [inspecting()] }, at(second), ['inline', 'open', '-/look/dns', null], 'allowed'],
    [
      'a closed rule before an open insertion',
      { policies: [inspecting('closed')], insertions: [of1('a')] },
      at(second),
      ['inline', 'closed', '-/look/dns', null],
      'allowed',
    ],
    [
      'an address beyond the uplink',
      { insertions: [of1('a', closed)] },
      outside,
      ['inline', 'closed', '-/a', null],
      'allowed',
    ],
    ['routed, open', { insertions: [of1('a')] }, routed, ['inline', 'open', '-/a', 'routed'], 'allowed'],
    [
      'routed, closed',
      { insertions: [of1('a', closed)] },
      routed,
      ['inline', 'closed', '-/a', 'routed'],
      'dropped',
    ],
    [
      'to the host, closed',
      { insertions: [of1('a', closed)] },
      host,
      ['inline', 'closed', '-/a', 'host'],
      'dropped',
    ],
    ['to many', { insertions: [of1('a', closed)] }, { address: '224.0.0.251' }, null, 'allowed'],
  ];

for (const [what, documents, destination, inspection, verdict] of cases)
  test(`inspection: ${what}`, () => {
    const world = plannerOf({ policies: [ANYTHING], ...documents }, [first, second]).world();
    const decision = decide(world, {
      source: at(first),
      destination,
      protocol: 17,
      sourcePort: 4000,
      port: 53,
    });
    const found = decision.inspection;
    assert.deepEqual(found && [found.mode, found.failure, found.by, found.obstacle], inspection);
    assert.equal(decision.verdict, verdict);
  });

test('nothing is inspected that is refused, or whose VMs are only observed', () => {
  const insertions = [of1('a')];
  const ask = (documents: Partial<Documents>, ...vms: InventoryVm[]) =>
    decide(plannerOf({ insertions, ...documents }, vms).world(), {
      source: at(first),
      destination: at(second),
      protocol: 17,
      port: 53,
    });
  const refused = ask(
    { policies: [policy('no', [{ name: 'no', direction: 'in', action: 'drop' }])] },
    first,
    second,
  );
  assert.deepEqual([refused.verdict, refused.inspection], ['dropped', null]);
  assert.equal(ask({ policies: [ANYTHING] }, { ...first, mode: 'observe' }, second).inspection, null);
});

const mistakes: [string, Insertion | ReturnType<typeof policy>, path: string, code: string][] = [
  ['a mirror that is to be closed', of1('a', { ...mirror, ...closed }), '/spec/failure', 'insertion.failure'],
  ['an unknown group', of1('a', { appliesTo: { group: 'none' } }), '/spec/appliesTo/group', 'group.unknown'],
  [
    'an unknown tenant',
    of1('a', { appliesTo: { tenant: 'none' } }),
    '/spec/appliesTo/tenant',
    'tenant.unknown',
  ],
  ['an unknown service', of1('a', { services: ['htps'] }), '/spec/services/0', 'service.unknown'],
  [
    "another tenant's VMs",
    of1('a', { appliesTo: { vm: 'x', tenant: 'bolt' } }, 'acme'),
    '/spec/appliesTo/tenant',
    'tenant.foreign',
  ],
  [
    'a failure of what asks no gateway',
    policy('p', [{ name: 'r', direction: 'in', action: 'allow', failure: 'open' }]),
    '/spec/rules/0/failure',
    'rule.failure',
  ],
];

for (const [what, document, path, code] of mistakes)
  test(`refused: ${what}`, () => {
    assert.deepEqual(
      validateDocument(document, NO_DOCUMENTS).map((issue) => [issue.path, issue.code]),
      [[path, code]],
    );
  });

test('a sound insertion is none to be refused', () => {
  assert.deepEqual(validateDocument(of1('a', { services: ['tcp/443'], ...closed }), NO_DOCUMENTS), []);
  assert.deepEqual(validateDocument(of1('a', { ...mirror, failure: 'open' }), NO_DOCUMENTS), []);
});
