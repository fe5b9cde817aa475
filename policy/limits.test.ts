import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Group } from '@wocloud/protocol/resources/group.ts';
import type { Limit, LimitSpec } from '@wocloud/protocol/resources/limit.ts';
import type { AppliesTo } from '@wocloud/protocol/resources/policy.ts';
import { NO_DOCUMENTS, type Documents, type InventoryVm } from './model.ts';
import { Planner } from './plan.ts';
import { validateDocument, validateDocuments } from './validate.ts';

const limit = (
  name: string,
  appliesTo: AppliesTo,
  spec: Omit<LimitSpec, 'appliesTo'>,
  tenant?: string,
): Limit => ({
  apiVersion: 'wocloud/v1',
  kind: 'Limit',
  metadata: { name, ...(tenant && { tenant }) },
  spec: { appliesTo, ...spec },
});
const groups: Group[] = [
  {
    apiVersion: 'wocloud/v1',
    kind: 'Group',
    metadata: { name: 'db', tenant: 'acme' },
    spec: { selector: 'app=db' },
  },
];
const documents = (...limits: Limit[]): Documents => ({
  ...NO_DOCUMENTS,
  tenants: ['acme', 'bolt'].map((name) => ({
    apiVersion: 'wocloud/v1',
    kind: 'Tenant',
    metadata: { name },
    spec: {},
  })),
  groups,
  limits,
});
const vm = (n: number, tenant: string, labels: Record<string, string> = {}): InventoryVm => ({
  id: `00000000-0000-4000-8000-00000000000${n}`,
  name: `vm-${n}`,
  host: `h${n}`,
  tenant,
  labels,
  mode: 'enforce',
  nics: [{ mac: `52:54:00:00:00:0${n}`, network: 'n1', addresses: [`10.0.0.${n}`] }],
});
const HOSTS = ['h1', 'h2', 'h3'];

function planned(...limits: Limit[]): Planner {
  const planner = new Planner();
  planner.setDocuments(documents(...limits));
  for (const host of HOSTS)
    planner.setHostNetworks(host, [{ id: 'n1', name: 'n1', bridge: 'br0', vlan: null, zone: 1 }]);
  for (const machine of [vm(1, 'acme', { app: 'db' }), vm(2, 'acme'), vm(3, 'bolt', { app: 'db' })])
    planner.upsertVm(machine);
  return planner;
}
/** The limits of the three VMs; each is on a host of its own. */
const limitsOf = (planner: Planner) => HOSTS.map((host) => planner.desired(host).nics[0]?.limits);
const NONE = {
  connections: null,
  connectionsPerSecond: null,
  synsPerSecond: 2000,
  sendKbps: null,
  receiveKbps: null,
};

test('a VM that no Limit applies to has none', () => {
  assert.deepEqual(limitsOf(planned()), [undefined, undefined, undefined]);
  assert.deepEqual(limitsOf(planned(limit('l', { vm: 'vm-9' }, { connections: 5 }))), [
    undefined,
    undefined,
    undefined,
  ]);
});

test('of all Limits that apply, the strictest of each kind counts', () => {
  const planner = planned(
    limit('all', 'all', { connections: 100, sendKbps: 10_000 }),
    limit('db', { selector: 'app=db' }, { connections: 500, sendKbps: 1_000, receiveKbps: 2_000 }),
    limit('two', { vm: 'vm-2' }, { synsPerSecond: 5_000, connectionsPerSecond: 7 }),
  );
  const db = { ...NONE, connections: 100, sendKbps: 1_000, receiveKbps: 2_000 };
  assert.deepEqual(limitsOf(planner), [
    db,
    { ...NONE, connections: 100, sendKbps: 10_000, synsPerSecond: 5_000, connectionsPerSecond: 7 },
    db,
  ]);
});

test("a tenant's Limit is for its own VMs, whatever it says", () => {
  const all = planned(limit('all', 'all', { connections: 5 }, 'acme'));
  assert.deepEqual(
    limitsOf(all).map((l) => l?.connections),
    [5, 5, undefined],
  );
  const group = planned(limit('db', { group: 'db' }, { connections: 5 }, 'acme'));
  assert.deepEqual(
    limitsOf(group).map((l) => l?.connections),
    [5, undefined, undefined],
  );
  const foreign = planned(limit('theirs', { tenant: 'bolt' }, { connections: 5 }, 'acme'));
  assert.deepEqual(limitsOf(foreign), [undefined, undefined, undefined]);
});

test('a change concerns the hosts of the VMs it is about, and no others', () => {
  const planner = planned(limit('db', { selector: 'app=db' }, { connections: 5 }));
  limitsOf(planner);
  assert.deepEqual(planner.dirtyHosts(), []);
  planner.setDocuments(documents(limit('db', { selector: 'app=db' }, { connections: 6 })));
  assert.deepEqual(planner.dirtyHosts(), ['h1', 'h3']);
  assert.deepEqual(
    limitsOf(planner).map((l) => l?.connections),
    [6, undefined, 6],
  );
  planner.setDocuments(documents(limit('db', { selector: 'app=db' }, { connections: 6 })));
  assert.deepEqual(planner.dirtyHosts(), []);
  planner.upsertVm(vm(2, 'acme', { app: 'db' }));
  assert.deepEqual(planner.dirtyHosts(), ['h2']);
  assert.equal(planner.desired('h2').nics[0]?.limits?.connections, 6);
  planner.setDocuments(documents());
  assert.deepEqual(planner.dirtyHosts(), HOSTS);
  assert.deepEqual(limitsOf(planner), [undefined, undefined, undefined]);
});

const wrong: [string, Limit, string, string, string | null][] = [
  [
    'a misspelt group',
    limit('l', { group: 'dbs' }, { connections: 1 }, 'acme'),
    '/spec/appliesTo/group',
    'group.unknown',
    'did you mean "db"?',
  ],
  [
    'a selector that does not parse',
    limit('l', { selector: 'app in (' }, { connections: 1 }),
    '/spec/appliesTo/selector',
    'selector.syntax',
    null,
  ],
  [
    "another tenant's VMs",
    limit('l', { tenant: 'bolt' }, { connections: 1 }, 'acme'),
    '/spec/appliesTo/tenant',
    'tenant.foreign',
    'leave tenant out',
  ],
  [
    'a tenant that is not there',
    limit('l', { tenant: 'bol' }, { connections: 1 }),
    '/spec/appliesTo/tenant',
    'tenant.unknown',
    'did you mean "bolt"?',
  ],
  [
    'nothing limited',
    limit('l', 'all', {}),
    '/spec',
    'limit.empty',
    'give one of connections, connectionsPerSecond, synsPerSecond, sendKbps, receiveKbps',
  ],
];
for (const [what, document, path, code, hint] of wrong)
  test(`named with its place: ${what}`, () => {
    const [issue, ...more] = validateDocument(document, documents(document));
    assert.deepEqual([issue?.path, issue?.code, more], [path, code, []]);
    if (hint !== null) assert.equal(issue?.hint, hint);
  });

test('a name given twice is found', () => {
  const two = limit('l', 'all', { connections: 1 });
  assert.deepEqual(
    validateDocuments(documents(two, { ...two })).map(({ code, kind }) => [code, kind]),
    [['name.taken', 'Limit']],
  );
});
