import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Group } from '@wocloud/protocol/resources/group.ts';
import type { Policy, PolicySpec } from '@wocloud/protocol/resources/policy.ts';
import type { Service } from '@wocloud/protocol/resources/service.ts';
import type { Documents } from './model.ts';
import { validateDocument, validateDocuments } from './validate.ts';

const API = 'wocloud/v1' as const;
const group = (name: string, tenant: string | undefined, spec: Group['spec']): Group => ({
  apiVersion: API,
  kind: 'Group',
  metadata: { name, ...(tenant && { tenant }) },
  spec,
});
const service = (name: string, ...ports: string[]): Service => ({
  apiVersion: API,
  kind: 'Service',
  metadata: { name },
  spec: { ports },
});
const policy = (
  rules: PolicySpec['rules'],
  more: Partial<PolicySpec> = {},
  tenant: string | undefined = 'acme',
): Policy => ({
  apiVersion: API,
  kind: 'Policy',
  metadata: { name: 'p', ...(tenant && { tenant }) },
  spec: { tier: 'tenant', priority: 1, mode: 'enforce', appliesTo: 'all', rules, ...more },
});
const known: Documents = {
  tenants: ['acme', 'bolt'].map((name) => ({
    apiVersion: API,
    kind: 'Tenant',
    metadata: { name },
    spec: {},
  })),
  groups: [
    group('db', 'acme', { selector: 'app=db' }),
    group('edge', undefined, { cidrs: ['192.0.2.0/24'] }),
    group('vault', 'bolt', { selector: 'app=vault' }),
  ],
  services: [service('https', 'tcp/443')],
  policies: [],
};
const inbound = { name: 'r', direction: 'in', action: 'allow' } as const;

const wrong: [string, Policy | Group | Service, string, string, string | null][] = [
  [
    'a misspelt group',
    policy([{ ...inbound, from: [{ group: 'dbs' }] }]),
    '/spec/rules/0/from/0/group',
    'group.unknown',
    'did you mean "db"?',
  ],
  [
    'a misspelt service',
    policy([{ ...inbound, services: ['tcp/80', 'htps'] }]),
    '/spec/rules/0/services/1',
    'service.unknown',
    'did you mean "https"?',
  ],
  [
    'a misspelt protocol',
    policy([{ ...inbound, services: ['tpc/80'] }]),
    '/spec/rules/0/services/0',
    'service.syntax',
    'did you mean "tcp"?',
  ],
  [
    'a reversed range',
    policy([{ ...inbound, services: ['tcp/90-80'] }]),
    '/spec/rules/0/services/0',
    'service.syntax',
    'write 80-90',
  ],
  [
    'a host as a network',
    policy([{ ...inbound, from: [{ cidr: '10.0.0.5/24' }] }]),
    '/spec/rules/0/from/0/cidr',
    'cidr.syntax',
    'write 10.0.0.0/24, or 10.0.0.5 for the one host',
  ],
  [
    'a broken selector',
    policy([{ ...inbound, from: [{ selector: 'app=' }, { selector: 'app in web' }] }]),
    '/spec/rules/0/from/1/selector',
    'selector.syntax',
    'for example: app=web, env!=prod, tier in (web, app), !legacy',
  ],
  [
    'a broken appliesTo',
    policy([inbound], { appliesTo: { selector: '=' } }),
    '/spec/appliesTo/selector',
    'selector.syntax',
    'for example: app=web, env!=prod, tier in (web, app), !legacy',
  ],
  [
    "a tier that is not the tenant's",
    policy([inbound], { tier: 'emergency' }),
    '/spec/tier',
    'tier.forbidden',
    'only the platform writes emergency, platform and baseline policies: leave out metadata.tenant',
  ],
  [
    "another tenant's VMs",
    policy([inbound], { appliesTo: { tenant: 'bolt' } }),
    '/spec/appliesTo/tenant',
    'tenant.foreign',
    'leave tenant out',
  ],
  [
    'a direction that has no such list',
    policy([{ ...inbound, to: ['any'] }]),
    '/spec/rules/0/to',
    'rule.direction',
    'name the sources under "from"',
  ],
  [
    'two rules of one name',
    policy([inbound, { ...inbound, direction: 'out' }]),
    '/spec/rules/1/name',
    'rule.duplicate',
    'rename one of them: flows name the rule that decided',
  ],
  [
    'a tenant the platform does not have',
    policy([{ ...inbound, from: [{ tenant: 'amce' }] }], {}, ''),
    '/spec/rules/0/from/0/tenant',
    'tenant.unknown',
    'did you mean "acme"?',
  ],
  ['an empty group', group('none', 'acme', {}), '/spec', 'group.empty', 'give a selector, members or cidrs'],
  [
    'a group with a wrong address',
    group('g', 'acme', { cidrs: ['10.0.0.0/8', '10.0.0/8'] }),
    '/spec/cidrs/1',
    'cidr.syntax',
    'for example 10.0.0.0/24 or 2001:db8::/64',
  ],
  [
    'a service of services',
    service('all', 'https'),
    '/spec/ports/0',
    'service.nested',
    'a Service lists ports as tcp/443, not other services',
  ],
  [
    'a service named like a protocol',
    service('tcp', 'tcp/1'),
    '/metadata/name',
    'name.reserved',
    'choose another name, for example tcp-ports',
  ],
];
for (const [what, document, path, code, hint] of wrong)
  test(`named with its place: ${what}`, () => {
    const issues = validateDocument(document, known);
    assert.deepEqual(
      issues.map((i) => ({ path: i.path, code: i.code, hint: i.hint })),
      [{ path, code, hint }],
    );
    assert.ok((issues[0]?.message.length ?? 0) > 10);
  });

test('what another tenant has, and has not, looks the same to a tenant', () => {
  const ask = (name: string) =>
    validateDocument(policy([{ ...inbound, from: [{ group: name, tenant: 'bolt' }] }]), known);
  assert.deepEqual(ask('vault'), ask('nothing'));
  const tenant = (name: string) =>
    validateDocument(policy([{ ...inbound, from: [{ tenant: name }] }]), known);
  assert.deepEqual(tenant('bolt'), tenant('nobody'));
  const [issue] = validateDocument(policy([{ ...inbound, from: [{ group: 'vaul' }] }]), known);
  assert.equal(issue?.hint, 'declare the group, or use a selector');
});

test('a right document has no issues, and a name given twice is found', () => {
  const good = policy([
    { name: 'a', direction: 'both', action: 'drop' },
    {
      name: 'b',
      direction: 'in',
      action: 'allow',
      from: ['any', 'host', { group: 'edge' }, { group: 'db' }, { vm: 'x' }],
      services: ['https', 'udp'],
    },
  ]);
  assert.deepEqual(validateDocuments({ ...known, policies: [good] }), []);
  const twice = validateDocuments({ ...known, policies: [good, good] });
  assert.deepEqual(
    twice.map((i) => [i.kind, i.tenant, i.name, i.code]),
    [['Policy', 'acme', 'p', 'name.taken']],
  );
});
