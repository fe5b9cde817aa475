import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { DocumentOf } from '@wocloud/protocol/resources/kinds.ts';
import { codeOf, startTestPlatform, type TestPlatform, type TestUser } from '../testing/platform.ts';

let p: TestPlatform;
let security: TestUser;
let owner: TestUser;
let other: TestUser;

const apiVersion = 'wocloud/v1' as const;
const tenantDoc = (name: string): DocumentOf<'Tenant'> => ({
  apiVersion,
  kind: 'Tenant',
  metadata: { name },
  spec: {},
});
const group = (name: string, tenant?: string, selector = 'app=web'): DocumentOf<'Group'> => ({
  apiVersion,
  kind: 'Group',
  metadata: { name, ...(tenant ? { tenant } : {}) },
  spec: { selector },
});

before(async () => {
  p = await startTestPlatform();
  security = await p.user('sec', { roles: ['security-admin'] });
  owner = await p.user('alice', { tenant: 'acme', tenantRole: 'owner' });
  other = await p.user('bob', { tenant: 'globex', tenantRole: 'owner' });
  await security.call('documents.apply', { body: { documents: [tenantDoc('acme'), tenantDoc('globex')] } });
});
after(() => p.close());

test('a document is created, changed, found unchanged, and deleted, with a version each time', async () => {
  const params = { name: 'web' };
  const created = await owner.call('groups.put', { params, body: group('web') });
  assert.deepEqual([created.action, created.version, created.tenant], ['created', 1, 'acme']);
  assert.match(created.diff, /^\+ {2}selector: app=web$/m);
  const changed = await owner.call('groups.put', { params, body: group('web', 'acme', 'app=shop') });
  assert.deepEqual([changed.action, changed.version], ['changed', 2]);
  assert.match(changed.diff, /^- {2}selector: app=web\n\+ {2}selector: app=shop$/m);
  const same = await owner.call('groups.put', { params, body: group('web', 'acme', 'app=shop') });
  assert.deepEqual([same.action, same.version, same.diff], ['unchanged', 2, '']);
  const gone = await owner.call('groups.delete', { params, query: { reason: 'not needed' } });
  assert.deepEqual([gone.action, gone.version], ['deleted', 3]);
  assert.equal(await codeOf(owner.call('groups.get', { params })), 'not-found');
  const versions = await owner.call('groups.versions', { params });
  assert.deepEqual(
    versions.items.map((v) => [v.version, v.deleted, v.by, v.reason]),
    [
      [3, true, 'alice', 'not needed'],
      [2, false, 'alice', ''],
      [1, false, 'alice', ''],
    ],
  );
  const again = await owner.call('groups.put', { params, body: group('web') });
  assert.deepEqual([again.action, again.version], ['created', 4]);
});

test('a stale ETag is refused, and changes nothing', async () => {
  const params = { name: 'tagged' };
  await owner.call('groups.put', { params, body: group('tagged') });
  await owner.call('groups.put', { params, body: group('tagged', 'acme', 'app=a'), ifMatch: 1 });
  assert.equal(
    await codeOf(owner.call('groups.put', { params, body: group('tagged', 'acme', 'app=b'), ifMatch: 1 })),
    'stale-version',
  );
  assert.equal(await codeOf(owner.call('groups.delete', { params, ifMatch: 1 })), 'stale-version');
  const now = await owner.call('groups.get', { params });
  assert.deepEqual([now.metadata.version, now.spec], [2, { selector: 'app=a' }]);
});

test('a dry run answers as the real one would and changes nothing', async () => {
  const params = { name: 'dry' };
  const dry = await owner.call('groups.put', { params, query: { dryRun: true }, body: group('dry') });
  assert.equal(dry.action, 'created');
  assert.equal(await codeOf(owner.call('groups.get', { params })), 'not-found');
});

test('one bad document of many: nothing is applied, and the error says which, where and what was meant', async () => {
  const bad = { ...group('bad'), spec: { selectr: 'app=web' } };
  await assert.rejects(
    owner.call('documents.apply', { body: { documents: [group('good'), bad] } }),
    (error: { problem: { code: string; errors: { document: number; path: string; hint: string }[] } }) => {
      assert.equal(error.problem.code, 'invalid-document');
      const [first] = error.problem.errors;
      assert.deepEqual(
        [first?.document, first?.path, first?.hint],
        [1, '/spec/selectr', 'did you mean selector?'],
      );
      return true;
    },
  );
  assert.equal(await codeOf(owner.call('groups.get', { params: { name: 'good' } })), 'not-found');
});

test('YAML is taken as well, and its errors say the line', async () => {
  const yaml =
    'apiVersion: wocloud/v1\nkind: Group\nmetadata: { name: y, tenant: acme }\nspec:\n  selectr: app=web\n';
  const send = (body: string) =>
    fetch(`${p.url}/v1/apply`, {
      method: 'POST',
      headers: { authorization: `Bearer ${owner.token}`, 'content-type': 'application/yaml' },
      body,
    });
  const refused = await send(yaml);
  assert.equal(refused.status, 422);
  const problem = (await refused.json()) as { errors: { line: number }[] };
  assert.equal(problem.errors[0]?.line, 5);
  assert.equal((await send(yaml.replace('selectr', 'selector'))).status, 200);
  assert.equal((await send('a: '.padEnd(10_000_000, 'x'))).status, 413);
});

test('what is wrong is refused with a clear code', async () => {
  const put = (body: unknown, name = 'x') =>
    codeOf(owner.call('groups.put', { params: { name }, body: body as never }));
  assert.equal(await put({ ...group('x'), kind: 'Service' }), 'invalid-document');
  assert.equal(await put(group('y')), 'invalid-document');
  assert.equal(await put(group('x', 'globex')), 'not-found');
  assert.equal(await put(null), 'invalid-document');
  assert.equal(
    await codeOf(owner.call('documents.apply', { body: { documents: [group('twice'), group('twice')] } })),
    'invalid-document',
  );
  assert.equal(
    await codeOf(security.call('groups.put', { params: { name: 'x' }, body: group('x', 'nobody') })),
    'invalid-document',
  );
  assert.equal(await codeOf(owner.call('groups.list', { query: { selector: 'a in (' } })), 'bad-request');
  assert.equal(await codeOf(owner.call('groups.list', { query: { cursor: 'x' } })), 'bad-request');
});

test("another tenant's documents do not exist: not listed, not found, not written", async () => {
  await other.call('groups.put', { params: { name: 'secret' }, body: group('secret') });
  await security.call('groups.put', { params: { name: 'shared' }, body: group('shared') });
  const names = (await owner.call('groups.list', { query: { limit: 1000 } })).items.map(
    (g) => g.metadata.name,
  );
  assert.ok(names.includes('shared') && !names.includes('secret'), names.join());
  const params = { name: 'secret' };
  const query = { tenant: 'globex' };
  assert.equal(await codeOf(owner.call('groups.get', { params })), 'not-found');
  assert.equal(await codeOf(owner.call('groups.get', { params, query })), 'not-found');
  assert.equal(await codeOf(owner.call('groups.list', { query })), 'not-found');
  assert.equal(await codeOf(owner.call('groups.versions', { params, query })), 'not-found');
  assert.equal(await codeOf(owner.call('groups.delete', { params })), 'not-found');
  assert.equal(await codeOf(owner.call('groups.delete', { params: { name: 'shared' } })), 'not-found');
  const tenants = (await owner.call('tenants.list')).items.map((t) => t.metadata.name);
  assert.deepEqual(tenants, ['acme']);
});

test('pages follow each other without gap or repetition, also with a selector', async () => {
  const labelled = (name: string, side: string) => ({
    ...group(name, 'acme'),
    metadata: { name, tenant: 'acme', labels: { side } },
  });
  const documents = Array.from({ length: 25 }, (_, i) =>
    labelled(`page-${String(i).padStart(2, '0')}`, i % 2 ? 'l' : 'r'),
  );
  await owner.call('documents.apply', { body: { documents } });
  const walk = async (selector?: string) => {
    const names: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await owner.call('groups.list', {
        query: { q: 'page-', limit: 7, ...(selector ? { selector } : {}), ...(cursor ? { cursor } : {}) },
      });
      names.push(...page.items.map((g) => g.metadata.name));
      cursor = page.next ?? undefined;
    } while (cursor);
    return names;
  };
  assert.deepEqual(
    await walk(),
    documents.map((d) => d.metadata.name),
  );
  assert.equal((await walk('side=l')).length, 12);
});

test('an Idempotency-Key repeats the answer, not the effect; for another request it is refused', async () => {
  const send = (body: unknown) =>
    fetch(`${p.url}/v1/apply`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${owner.token}`,
        'content-type': 'application/json',
        'idempotency-key': 'k1',
      },
      body: JSON.stringify(body),
    });
  const body = { documents: [group('once')] };
  const [first, second] = [await send(body), await send(body)];
  assert.deepEqual([first.status, await first.json()], [second.status, await second.json()]);
  assert.equal((await owner.call('groups.versions', { params: { name: 'once' } })).items.length, 1);
  assert.equal((await send({ documents: [] })).status, 409);
});
