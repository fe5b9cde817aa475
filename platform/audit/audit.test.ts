import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { codeOf, startTestPlatform, type TestPlatform, type TestUser } from '../testing/platform.ts';
import { canonical } from './chain.ts';

let p: TestPlatform;
let auditor: TestUser;
let security: TestUser;
const tenantDoc = (name: string) =>
  ({ apiVersion: 'wocloud/v1', kind: 'Tenant', metadata: { name }, spec: {} }) as const;
const put = (name: string) => security.call('tenants.put', { params: { name }, body: tenantDoc(name) });
/** What somebody with the database could do, past the triggers. */
const tamper = (sql: string) =>
  p.context.db.transaction(async () => {
    await p.context.db.query('SET LOCAL session_replication_role = replica');
    await p.context.db.query(sql);
  });

before(async () => {
  p = await startTestPlatform();
  auditor = await p.user('audrey', { roles: ['auditor'] });
  security = await p.user('sec', { roles: ['security-admin'] });
  for (const name of ['a', 'b', 'c', 'd']) await put(name);
});
after(() => p.close());

test('entries cannot be changed or removed by ordinary means', async () => {
  for (const sql of ["UPDATE audit SET who = 'x'", 'DELETE FROM audit', 'TRUNCATE audit'])
    await assert.rejects(p.context.db.query(sql), /append only/);
});

test('an entry says who did what to which, with what outcome', async () => {
  await codeOf(security.call('hosts.delete', { params: { id: 'h' } }));
  const { items } = await auditor.call('audit.list', { query: { who: 'sec', limit: 2 } });
  assert.deepEqual(
    items.map((e) => [e.operation, e.object, e.outcome, e.status, e.detail['code'] ?? e.detail['action']]),
    [
      ['hosts.delete', 'hosts/h', 'denied', 403, 'forbidden'],
      ['tenants.put', 'Tenant/d', 'allowed', 200, 'created'],
    ],
  );
});

test('an operation whose entry cannot be written does not happen', async () => {
  await p.context.db.query('ALTER TABLE audit_head RENAME TO audit_head_away');
  try {
    assert.equal(await codeOf(put('unseen')), 'internal');
    assert.equal(await codeOf(auditor.call('tenants.list')), 'internal');
  } finally {
    await p.context.db.query('ALTER TABLE audit_head_away RENAME TO audit_head');
  }
  assert.equal(await codeOf(security.call('tenants.get', { params: { name: 'unseen' } })), 'not-found');
});

test('concurrent operations make one chain without gaps', async () => {
  await Promise.all(
    Array.from({ length: 40 }, (_, i) => (i % 4 ? auditor.call('tenants.list') : put(`many-${i}`))),
  );
  const verdict = await auditor.call('audit.verify');
  assert.equal(verdict.intact, true);
});

const CASES: [string, string][] = [
  ['a changed word', "UPDATE audit SET object = 'Tenant/z' WHERE index = 3"],
  ['a changed outcome', "UPDATE audit SET outcome = 'failed' WHERE index = 3"],
  ['a changed detail', `UPDATE audit SET detail = detail || '{"x":1}' WHERE index = 3`],
  ['a removed entry', 'DELETE FROM audit WHERE index = 3'],
];
for (const [what, sql] of CASES)
  test(`verification finds ${what}`, async () => {
    const [kept] = await p.context.db.query<{ row: unknown }>(
      'SELECT to_jsonb(audit) AS row FROM audit WHERE index = 3',
    );
    await tamper(sql);
    const { intact, brokenAt } = await auditor.call('audit.verify');
    assert.deepEqual([intact, brokenAt], [false, 3]);
    await tamper('DELETE FROM audit WHERE index = 3');
    await p.context.db.query(
      'INSERT INTO audit SELECT * FROM jsonb_populate_record(NULL::audit, $1::jsonb)',
      [JSON.stringify(kept?.row)],
    );
    assert.equal((await auditor.call('audit.verify')).intact, true);
  });

test('a log rewritten from some entry on, or cut short, with a new head, differs from the anchor', async () => {
  const short = await p.context.db.one<{ index: number }>('SELECT index FROM audit_head');
  // Closing writes the anchor at once instead of within seconds.
  await p.core.audit.close();
  const cut = (short?.index ?? 0) - 1;
  await tamper(`DELETE FROM audit WHERE index > ${cut}`);
  await tamper(`UPDATE audit_head SET index = ${cut}, hash = (SELECT hash FROM audit WHERE index = ${cut})`);
  const { intact } = await auditor.call('audit.verify');
  assert.equal(intact, false);
});

test('canonical text does not depend on the order of fields', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }), (value) => {
      const turned = Object.fromEntries(Object.entries(value).toReversed());
      assert.equal(canonical(turned), canonical(value));
      assert.deepEqual(JSON.parse(canonical(value)), JSON.parse(JSON.stringify(value)));
    }),
  );
});
