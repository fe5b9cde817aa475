import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadAuthorize, policyFiles, type Principal } from './authorize.ts';
import { PERMISSIONS } from './schema.ts';

const authorize = loadAuthorize();
const role = (...roles: Principal['roles']): Principal => ({
  id: 'u',
  roles,
  tenant: null,
  tenantRole: null,
});
const tenant = (tenantRole: 'owner' | 'member'): Principal => ({
  id: 'u',
  roles: [],
  tenant: 'acme',
  tenantRole,
});
const own = { tenant: 'acme' };
const may = (p: Principal, thing: { tenant: string | null }) =>
  PERMISSIONS.filter((x) => authorize.allows(p, x, thing));

test('each role may do exactly what the design gives it', () => {
  const reads = PERMISSIONS.filter((p) => p.endsWith('.read') || p === 'flow.trace');
  const security = ['alert.write', 'document.apply', 'enforcement.write', 'group.write', 'network.write'];
  const table: [Principal, { tenant: string | null }, string[]][] = [
    [role(), { tenant: null }, ['ruleset.read', 'self.read', 'self.write']],
    [role('auditor'), own, [...reads, 'self.write']],
    [
      role('system-admin'),
      { tenant: null },
      [
        ...reads.filter((p) => p !== 'audit.read'),
        ...['alert.write', 'document.apply', 'enforcement.write', 'gateway.write', 'host.write'],
        'network.write',
        ...['self.write', 'user.write'],
      ],
    ],
    [
      role('security-admin'),
      own,
      [
        ...reads.filter((p) => p !== 'audit.read'),
        ...security,
        ...['insertion.write', 'limit.write', 'ruleset.write'],
        ...['policy.write', 'publication.write', 'self.write', 'service.write', 'tenant.write', 'vm.write'],
      ],
    ],
    [
      tenant('owner'),
      own,
      [
        ...reads.filter((p) => !['audit.read', 'gateway.read', 'host.read', 'network.read'].includes(p)),
        ...['alert.write', 'document.apply', 'grant.write', 'group.write', 'insertion.write', 'limit.write'],
        ...['policy.write', 'publication.write', 'self.write', 'service.write', 'user.write', 'vm.write'],
      ],
    ],
    [
      tenant('member'),
      own,
      [
        ...['alert.read', 'event.read', 'flow.read', 'flow.trace', 'group.read', 'policy.read'],
        ...[
          'insertion.read',
          'inspection.read',
          'limit.read',
          'ruleset.read',
          'self.read',
          'self.write',
          'service.read',
          'status.read',
          'tenant.read',
          'vm.read',
        ],
      ],
    ],
    [tenant('owner'), { tenant: 'globex' }, ['ruleset.read', 'self.read', 'self.write']],
    [
      tenant('owner'),
      { tenant: null },
      ['group.read', 'ruleset.read', 'self.read', 'self.write', 'service.read'],
    ],
  ];
  for (const [principal, thing, expected] of table)
    assert.deepEqual(may(principal, thing), [...expected].sort(), JSON.stringify([principal, thing]));
});

test('an owner writes policies of the tier "tenant" alone', () => {
  const write = (tier: string) => authorize.allows(tenant('owner'), 'policy.write', { tenant: 'acme', tier });
  assert.deepEqual(['tenant', 'platform', 'emergency', 'baseline'].map(write), [true, false, false, false]);
  assert.ok(authorize.allows(role('security-admin'), 'policy.write', { tenant: null, tier: 'emergency' }));
});

test('nobody changes their own roles', () => {
  const thing = { tenant: null, user: 'u', roles: true };
  assert.equal(authorize.allows(role('system-admin'), 'user.write', thing), false);
  assert.equal(authorize.allows(role('system-admin'), 'user.write', { ...thing, user: 'other' }), true);
  assert.equal(authorize.allows(role('system-admin'), 'user.write', { tenant: null, user: 'u' }), true);
});

test('a permission the table does not have is refused', () => {
  assert.throws(() => authorize.allows(role('system-admin'), 'root.everything', { tenant: null }));
});

test('every policy file says in its first line what it gives', () => {
  for (const [name, text] of Object.entries(policyFiles())) assert.match(text, /^\/\/ \S/, name);
});
