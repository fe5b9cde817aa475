// Walks the whole operation table: each operation has a handler, a permission that is kept for every role and for
// nobody, and leaves exactly one entry in the audit log.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { OPERATIONS, type Operation, type OperationId } from '@wocloud/protocol/api.ts';
import { operationUrl } from '@wocloud/protocol/client.ts';
import type { User } from '@wocloud/protocol/views.ts';
import { startTestPlatform, type TestPlatform, type TestUser } from '../testing/platform.ts';

const TABLE = Object.entries(OPERATIONS) as [OperationId, Operation][];
type As = Pick<User, 'roles' | 'tenant' | 'tenantRole'>;
const platformRole = (...roles: User['roles']): As => ({ roles, tenant: null, tenantRole: null });
const ROLES: Record<string, As> = {
  nothing: platformRole(),
  'system-admin': platformRole('system-admin'),
  'security-admin': platformRole('security-admin'),
  auditor: platformRole('auditor'),
  owner: { roles: [], tenant: 'acme', tenantRole: 'owner' },
  member: { roles: [], tenant: 'acme', tenantRole: 'member' },
};

let p: TestPlatform;
before(async () => {
  p = await startTestPlatform();
});
after(() => p.close());

/** Sends the operation with an input that names nothing that exists. */
async function attempt(id: OperationId, token?: string): Promise<{ status: number; code: string }> {
  const operation: Operation = OPERATIONS[id];
  const query = id === 'search.get' ? { q: 'x' } : {};
  const response = await fetch(p.url + operationUrl(operation, { id: 'nothing', name: 'nothing' }, query), {
    method: operation.method,
    headers: {
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...(operation.body ? { 'content-type': 'application/json' } : {}),
    },
    ...(operation.body ? { body: '{}' } : {}),
  });
  if (operation.raw && response.ok) {
    await response.body?.cancel();
    return { status: response.status, code: '' };
  }
  const text = await response.text();
  return {
    status: response.status,
    code: response.ok ? '' : ((JSON.parse(text) as { code: string }).code ?? ''),
  };
}

const entries = () =>
  p.context.db.query<{ index: number; operation: string; who: string; outcome: string; status: number }>(
    'SELECT index, operation, who, outcome, status FROM audit ORDER BY index',
  );

async function walk(
  who: string,
  token: string | undefined,
  permitted: (o: Operation) => boolean,
): Promise<void> {
  for (const [id, operation] of TABLE) {
    const before = (await entries()).length;
    const { status, code } = await attempt(id, token);
    const refused = code === 'unauthenticated' || code === 'forbidden';
    assert.equal(refused, !permitted(operation), `${who} ${id}: ${status} ${code}`);
    assert.ok(status !== 500 && status !== 503, `${who} ${id}: ${status} ${code}`);
    const made = (await entries()).slice(before);
    assert.deepEqual(
      made.map((e) => [e.operation, e.status, e.outcome === 'denied']),
      [[id, status, refused || status === 401]],
      `${who} ${id}: audit`,
    );
    if (token) assert.equal(made[0]?.who, who);
  }
}

test('every operation has a handler', () => {
  assert.deepEqual(
    TABLE.map(([id]) => id).filter((id) => p.handlers[id] === undefined),
    [],
  );
});

test('nobody may do anything but sign in, and every attempt is in the audit log', () =>
  walk('anonymous', undefined, (o) => o.permission === null));

for (const [name, as] of Object.entries(ROLES))
  test(`${name} may do what the policies say, and every operation is in the audit log`, async () => {
    const user: TestUser = await p.user(name, as);
    const principal = { id: user.id, ...as };
    await walk(
      name,
      user.token,
      (o) => o.permission === null || p.core.authorize.allows(principal, o.permission, { tenant: as.tenant }),
    );
  });

test('after all that the audit log is intact', async () => {
  const auditor = await p.user('checker', platformRole('auditor'));
  const verdict = await auditor.call('audit.verify');
  assert.deepEqual([verdict.intact, verdict.brokenAt], [true, null]);
  assert.ok(verdict.entries >= TABLE.length * (Object.keys(ROLES).length + 1));
});
