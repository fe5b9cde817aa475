import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createClient, type Client } from '@wocloud/protocol/client.ts';
import type { Session } from '@wocloud/protocol/views.ts';
import { fakeVm } from '../testing/fake-engine.ts';
import { codeOf, startTestPlatform, type TestPlatform, type TestUser } from '../testing/platform.ts';
import { createFirstAdmin } from './first.ts';
import { hashPassword, verifyPassword } from './password.ts';
import { lockSeconds } from './session.ts';

let p: TestPlatform;
let admin: TestUser;
let owner: TestUser;
const PASSWORD = 'correct horse battery';
const vm = fakeVm({ name: 'web-1', tenant: 'acme' });
const theirs = fakeVm({ name: 'gx-1', tenant: 'globex' }, '10.0.0.2');

before(async () => {
  p = await startTestPlatform();
  admin = await p.user('root', { roles: ['system-admin'] });
  owner = await p.user('alice', { tenant: 'acme', tenantRole: 'owner' });
  const security = await p.user('sec', { roles: ['security-admin'] });
  await security.call('tenants.put', {
    params: { name: 'acme' },
    body: { apiVersion: 'wocloud/v1', kind: 'Tenant', metadata: { name: 'acme' }, spec: {} },
  });
  await p.engine('kvm1', [vm, theirs]);
});
after(() => p.close());

interface Browser {
  client: Client;
  cookie: string;
  session: Session;
  response: Response;
}
/** Signs in as a browser does. */
async function signIn(name: string, password: string): Promise<Browser> {
  const response = await fetch(`${p.url}/v1/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, password }),
  });
  const session = (await response.json()) as Session;
  const cookie = response.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  const client = createClient({
    baseUrl: p.url,
    csrf: () => session.csrf,
    fetch: (url, init) => fetch(url, { ...init, headers: { ...(init?.headers as object), cookie } }),
  });
  return { client, cookie, session, response };
}
const make = (name: string) =>
  admin.call('users.create', { body: { name, password: PASSWORD, tenant: 'acme', tenantRole: 'member' } });

test('a password is kept as argon2id, and only the right one matches', async () => {
  const hash = await hashPassword(PASSWORD);
  assert.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  assert.deepEqual(
    [
      await verifyPassword(PASSWORD, hash),
      await verifyPassword('wrong', hash),
      await verifyPassword('', '-'),
    ],
    [true, false, false],
  );
});

test('signing in gives a cookie no script can read, and says what one may do', async () => {
  await make('carol');
  const { response, session, client } = await signIn('carol', PASSWORD);
  assert.equal(response.status, 201);
  assert.match(response.headers.getSetCookie()[0] ?? '', /; HttpOnly; SameSite=Strict/);
  assert.deepEqual([session.user.name, session.user.tenant], ['carol', 'acme']);
  assert.ok(session.permissions.includes('vm.read') && !session.permissions.includes('user.read'));
  assert.equal((await client.call('session.get')).csrf, session.csrf);
  assert.ok(!JSON.stringify(session).includes('argon2'));
});

test('a write of a browser session needs its CSRF token; signing out ends the session', async () => {
  await make('dave');
  const { client, cookie } = await signIn('dave', PASSWORD);
  const forged = await fetch(`${p.url}/v1/session`, { method: 'DELETE', headers: { cookie } });
  assert.equal(forged.status, 403);
  await client.call('session.get');
  await client.call('session.delete');
  assert.equal(await codeOf(client.call('session.get')), 'unauthenticated');
});

test('wrong passwords lock the name for a while, the right one included; unknown names look the same', async () => {
  await make('erin');
  const attempts: number[] = [];
  for (let i = 0; i < 6; i++) attempts.push((await signIn('erin', `wrong ${i}`)).response.status);
  assert.deepEqual(attempts, [401, 401, 401, 401, 401, 429]);
  const right = await signIn('erin', PASSWORD);
  assert.equal(right.response.status, 429);
  assert.ok(Number(right.response.headers.get('retry-after')) > 0);
  assert.equal((await signIn('nobody', PASSWORD)).response.status, 401);
  assert.deepEqual([4, 5, 6, 20].map(lockSeconds), [0, 15, 30, 900]);
});

test('a disabled user is out at once, with every session and token', async () => {
  const user = await make('frank');
  const { client } = await signIn('frank', PASSWORD);
  const { secret } = await client.call('tokens.create', { body: { name: 'ci' } });
  const byToken = createClient({ baseUrl: p.url, token: secret });
  assert.equal((await byToken.call('session.get')).user.name, 'frank');
  await admin.call('users.update', { params: { id: user.id }, body: { disabled: true } });
  assert.equal(await codeOf(byToken.call('session.get')), 'unauthenticated');
  assert.equal(await codeOf(client.call('session.get')), 'unauthenticated');
  assert.equal((await signIn('frank', PASSWORD)).response.status, 403);
});

test('a token is shown once, kept as a hash, and works until it is revoked', async () => {
  const { secret, token } = await owner.call('tokens.create', { body: { name: 'ci', expiresInDays: 1 } });
  assert.match(secret, /^woc_[a-z0-9]{16}_[A-Za-z0-9_-]{43}$/);
  const rows = await p.context.db.query('SELECT * FROM tokens WHERE id = $1', [token.id]);
  assert.ok(!JSON.stringify(rows).includes(secret.split('_').slice(2).join('_')));
  const client = createClient({ baseUrl: p.url, token: secret });
  await client.call('session.get');
  assert.equal(await codeOf(admin.call('tokens.delete', { params: { id: token.id } })), 'not-found');
  await owner.call('tokens.delete', { params: { id: token.id } });
  assert.equal(await codeOf(client.call('session.get')), 'unauthenticated');
});

test('changing the password ends the other sessions and needs the present one', async () => {
  await make('grace');
  const [here, elsewhere] = [await signIn('grace', PASSWORD), await signIn('grace', PASSWORD)];
  const change = (current: string) =>
    here.client.call('session.password', { body: { current, next: `new ${PASSWORD}` } });
  assert.equal(await codeOf(change('wrong')), 'wrong-credentials');
  await change(PASSWORD);
  await here.client.call('session.get');
  assert.equal(await codeOf(elsewhere.client.call('session.get')), 'unauthenticated');
  assert.equal((await signIn('grace', `new ${PASSWORD}`)).response.status, 201);
});

test('an owner makes users of their own tenant, without platform roles, and sees no others', async () => {
  const body = { name: 'helen', password: PASSWORD };
  const made = await owner.call('users.create', { body });
  assert.deepEqual([made.tenant, made.tenantRole, made.roles], ['acme', 'member', []]);
  assert.equal(
    await codeOf(owner.call('users.create', { body: { ...body, name: 'x', roles: ['auditor'] } })),
    'forbidden',
  );
  assert.equal(
    await codeOf(owner.call('users.create', { body: { ...body, name: 'x', tenant: 'globex' } })),
    'forbidden',
  );
  assert.equal(await codeOf(owner.call('users.create', { body })), 'conflict');
  assert.equal(await codeOf(owner.call('users.get', { params: { id: 'root' } })), 'not-found');
  assert.equal(await codeOf(owner.call('users.delete', { params: { id: admin.id } })), 'not-found');
  const { items } = await owner.call('users.list', { query: { limit: 1000 } });
  assert.ok(items.length > 0 && items.every((u) => u.tenant === 'acme'));
});

test('nobody changes their own roles, and the last system administrator stays', async () => {
  const self = { params: { id: admin.id } };
  assert.equal(
    await codeOf(admin.call('users.update', { ...self, body: { roles: ['auditor'] } })),
    'forbidden',
  );
  assert.equal(
    await codeOf(owner.call('users.update', { params: { id: owner.id }, body: { tenantRole: 'member' } })),
    'forbidden',
  );
  const second = await p.user('second', { roles: ['system-admin'] });
  await second.call('users.update', { ...self, body: { disabled: true } });
  assert.equal(await codeOf(admin.call('users.list')), 'unauthenticated');
  await second.call('users.update', { ...self, body: { disabled: false } });
  await admin.call('users.delete', { params: { id: 'second' } });
});

test('a member sees the VMs that were granted, and no others', async () => {
  const member = await p.user('ivan', { tenant: 'acme', tenantRole: 'member' });
  const names = async () => (await member.call('vms.list')).items.map((v) => v.name);
  assert.deepEqual(await names(), []);
  assert.equal(
    await codeOf(admin.call('grants.put', { body: { user: 'ivan', vm: vm.id, rights: ['view'] } })),
    'forbidden',
  );
  const grant = await owner.call('grants.put', {
    body: { user: 'ivan', vm: 'web-1', rights: ['view', 'power'] },
  });
  assert.deepEqual([grant.vm, grant.rights, grant.by], [vm.id, ['view', 'power'], 'alice']);
  assert.deepEqual(await names(), ['web-1']);
  assert.equal(
    await codeOf(owner.call('grants.put', { body: { user: 'ivan', vm: 'gx-1', rights: ['view'] } })),
    'not-found',
  );
  await owner.call('grants.put', { body: { user: 'ivan', vm: vm.id, rights: [] } });
  assert.deepEqual(await names(), []);
});

test('the first administrator is made once, the password in a file of theirs alone', async () => {
  const file = join(p.base.dir, 'first');
  assert.equal(await createFirstAdmin(p.context.db, { name: 'admin', passwordFile: file }), false);
  await p.context.db.query('DELETE FROM users');
  assert.equal(await createFirstAdmin(p.context.db, { name: 'admin', passwordFile: file }), true);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  const { response } = await signIn('admin', (await readFile(file, 'utf8')).trim());
  assert.equal(response.status, 201);
});
