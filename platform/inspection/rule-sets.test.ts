// Rule sets from the document to the host: who may write them, what is refused and why, what hosts get and when.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { zstdDecompressSync } from 'node:zlib';
import type { InspectionRules } from '@wocloud/protocol/gateway.ts';
import type { Document, DocumentOf } from '@wocloud/protocol/resources/kinds.ts';
import { MAX_RULE_TEXT, type RuleSetSpec } from '@wocloud/protocol/resources/rule-set.ts';
import { MAX_DIFF } from '../documents/diff.ts';
import { until } from '../testing/facts.ts';
import type { FakeEngine } from '../testing/fake-engine.ts';
import { codeOf, startTestPlatform, type TestPlatform, type TestUser } from '../testing/platform.ts';

let p: TestPlatform;
let security: TestUser;
let system: TestUser;
let owner: TestUser;
let engine: FakeEngine;
before(async () => {
  p = await startTestPlatform();
  security = await p.user('sec', { roles: ['security-admin'] });
  system = await p.user('sys', { roles: ['system-admin'] });
  owner = await p.user('alice', { tenant: 'acme', tenantRole: 'owner' });
  engine = await p.engine('kvm1');
});
after(() => p.close());

const apiVersion = 'wocloud/v1' as const;
const rule = (sid: number, message = 'x') =>
  `alert tcp any any -> any any (msg:"${message}"; sid:${sid}; rev:1;)`;
const set = (name: string, rules: string, spec: Partial<RuleSetSpec> = {}): DocumentOf<'RuleSet'> => ({
  apiVersion,
  kind: 'RuleSet',
  metadata: { name },
  spec: { rules, ...spec },
});
const gateway = (name: string, spec: Partial<DocumentOf<'Gateway'>['spec']> = {}): DocumentOf<'Gateway'> => ({
  apiVersion,
  kind: 'Gateway',
  metadata: { name },
  spec: { host: 'kvm1', ...spec },
});
const apply = (user: TestUser, ...documents: Document[]) =>
  user.call('documents.apply', { body: { documents } });
const publish = () => security.call('publications.create', { body: {} });
const desired = async () => {
  await p.core.plans.settled();
  const state = p.core.plans.current(engine.host);
  assert.ok(state);
  return state;
};
const digest = async () => (await desired()).rules[0]?.digest;
/** What the host gets for a digest, checked to be what it asked for. */
const rulesOf = async (wanted: string): Promise<InspectionRules> => {
  const answer = engine.next('rules');
  engine.send({ type: 'rulesWanted', digest: wanted });
  const { text, digest: given } = await answer;
  const plain = zstdDecompressSync(Buffer.from(text, 'base64')).toString();
  assert.equal(given, wanted);
  assert.equal(createHash('sha256').update(plain).digest('hex'), wanted);
  return JSON.parse(plain) as InspectionRules;
};

test('a gateway takes effect at once, by the name of its host; one for an unknown host is accepted with a warning', async () => {
  const [known] = (await apply(system, gateway('edge', { instances: 2, form: 'container' }))).results;
  assert.deepEqual([known?.action, known?.warnings], ['created', undefined]);
  assert.deepEqual((await desired()).gateways, [
    { id: 'edge', form: 'container', instances: 2, vcpus: 1, memoryMiB: 768, image: null },
  ]);
  const [unknown] = (await apply(system, gateway('lost', { host: 'kvm2' }))).results;
  assert.deepEqual(unknown?.warnings, [
    'No host "kvm2" has joined; did you mean kvm1? The gateway starts when it does.',
  ]);
  const [image] = (await apply(system, gateway('edge', { image: '0123456789abcdef' }))).results;
  assert.match(image?.warnings?.[0] ?? '', /kvm1 has no gateway image 0123456789abcdef: it has none/);
  const late = await p.engine('kvm2');
  await until(async () => p.core.plans.current(late.host)?.gateways[0]?.id === 'lost');
  await system.call('gateways.delete', { params: { name: 'lost' } });
  await until(async () => p.core.plans.current(late.host)?.gateways.length === 0);
});

test('a host has no more gateway instances than can be upgraded, whoever adds them', async () => {
  await assert.rejects(
    apply(system, gateway('edge', { instances: 4 }), gateway('more', { instances: 4 })),
    /kvm1 would have 8 gateway instances, at most 7/,
  );
  assert.equal(await codeOf(apply(system, gateway('more', { instances: 6 }))), 'none');
  await system.call('gateways.delete', { params: { name: 'more' } });
});

test('gateways are the system administrator’s, rule sets the security administrator’s to write, and everyone’s to read', async () => {
  assert.equal(await codeOf(apply(security, gateway('mine'))), 'forbidden');
  assert.equal(await codeOf(apply(system, set('mine', rule(1)))), 'forbidden');
  assert.equal(await codeOf(apply(owner, set('mine', rule(1)))), 'forbidden');
  assert.equal(await codeOf(owner.call('gateways.list')), 'forbidden');
  await apply(security, set('base', `${rule(1)}\n#${rule(2)}\n${rule(3)}`, { drop: [3] }));
  assert.deepEqual(
    (await owner.call('rule-sets.list')).items.map((s) => s.metadata.name),
    ['base'],
  );
  assert.equal((await system.call('rule-sets.get', { params: { name: 'base' } })).metadata.version, 1);
});

test('a set is a draft until it is published; then every host with a gateway is told, and gets it when it asks', async () => {
  assert.equal(await digest(), undefined);
  await publish();
  const first = (await digest()) ?? '';
  assert.deepEqual(await rulesOf(first), {
    rules: `${rule(1)}\n${rule(3).replace('alert', 'drop')}\n`,
    thresholds: '',
  });
  await apply(security, set('base', rule(1)), set('more', rule(9)));
  assert.equal(await digest(), first);
  const { generation } = await desired();
  await publish();
  const second = (await digest()) ?? '';
  assert.notEqual(second, first);
  assert.equal((await desired()).generation, generation + 1);
  assert.equal((await rulesOf(second)).rules, `${rule(1)}\n${rule(9)}\n`);
  // A host that is behind still gets what it was told of; what nobody ever told of is not answered.
  assert.equal((await rulesOf(first)).rules.split('\n').length, 3);
  engine.send({ type: 'rulesWanted', digest: '0'.repeat(64) });
  assert.equal((await rulesOf(second)).rules, `${rule(1)}\n${rule(9)}\n`);
  assert.equal(engine.received.filter((m) => m.type === 'rules' && m.digest.startsWith('000')).length, 0);
});

test('only what is in force and the few before it are kept', async () => {
  for (let i = 0; i < 6; i++) {
    await apply(security, set('more', rule(100 + i)));
    await publish();
    await desired();
  }
  const rows = await p.context.db.query<{ digest: string }>(
    'SELECT digest FROM inspection_rules ORDER BY at DESC',
  );
  assert.equal(rows.length, 4);
  assert.equal(rows[0]?.digest, await digest());
});

test('when no set is enabled any more there are no rules', async () => {
  const before = await digest();
  await apply(security, set('base', rule(1), { enabled: false }), set('more', rule(9), { enabled: false }));
  await publish();
  assert.equal(await digest(), undefined);
  await security.call('publications.rollback', {
    params: { id: String((await security.call('publications.list')).items[1]?.id) },
    body: {},
  });
  assert.equal(await digest(), before);
});

test('what Suricata would refuse is refused, with its line and what to do; others’ sets are compared', async () => {
  const problem = await apply(
    security,
    set('bad', `# fine\n${rule(5)}\nalert tcp any any -> any any (msg:"x";)`),
  ).then(
    () => undefined,
    (error: unknown) =>
      (error as { problem: { errors: { path: string; message: string; hint: string }[] } }).problem,
  );
  assert.deepEqual(problem?.errors, [
    {
      path: '/spec/rules',
      message: 'line 3: has no sid',
      hint: 'give it one: sid:1000001; (from 1000000 on they are yours)',
    },
  ]);
  await apply(security, set('first', rule(7)));
  await assert.rejects(apply(security, set('second', rule(7))), /sid 7 is in rule set first as well, line 1/);
  // Nobody is kept from working by somebody else's rule set.
  await p.context.db.query(`UPDATE documents SET document = $1 WHERE kind = 'RuleSet' AND name = 'first'`, [
    JSON.stringify(set('first', 'nonsense')),
  ]);
  assert.equal(await codeOf(apply(security, set('third', rule(8)))), 'none');
  assert.equal(
    await codeOf(apply(security, { apiVersion, kind: 'Tenant', metadata: { name: 'acme' }, spec: {} })),
    'none',
  );
  await security.call('rule-sets.delete', { params: { name: 'first' } });
});

test('8 MiB of rules are taken, listed, diffed and published; a page ends when it is long', async () => {
  const line = (sid: number) => rule(sid, 'ET TEST something of the usual length (CVE-2021-44228)');
  const long = (from: number) => {
    const lines: string[] = [];
    for (let sid = from, size = 0; size + 200 < MAX_RULE_TEXT; sid++) {
      const text = line(sid);
      lines.push(text);
      size += text.length + 1;
    }
    return lines.join('\n');
  };
  const [text, next] = [long(1_000_000), long(3_000_000)];
  const put = (name: string, rules: string) =>
    security.call('rule-sets.put', { params: { name }, body: set(name, rules) });
  const created = await put('large-1', text);
  assert.equal(created.action, 'created');
  assert.ok(created.diff.length < MAX_DIFF * 1.1);
  assert.match(created.diff, /\n\\ \d+ more changed lines are not shown\n$/);
  await put('large-2', next);
  await put('large-3', rule(5_000_000));
  const pages: string[][] = [];
  let cursor: string | undefined;
  do {
    const page = await security.call('rule-sets.list', {
      query: { q: 'large-', ...(cursor ? { cursor } : {}) },
    });
    pages.push(page.items.map((s) => s.metadata.name));
    cursor = page.next ?? undefined;
  } while (cursor);
  assert.deepEqual(pages, [['large-1', 'large-2'], ['large-3']]);
  await put('large-2', rule(5_000_001));
  await publish();
  const wanted = (await digest()) ?? '';
  assert.ok((await rulesOf(wanted)).rules.includes(line(1_000_000)));
  const versions = await security.call('rule-sets.versions', { params: { name: 'large-2' } });
  assert.deepEqual(
    versions.items.map((v) => v.version),
    [2, 1],
  );
  const [old] = (
    await security.call('rule-sets.versions', { params: { name: 'large-2' }, query: { version: 1 } })
  ).items;
  assert.equal((old?.document as DocumentOf<'RuleSet'> | undefined)?.spec.rules, next);
  assert.equal(await codeOf(put('large-4', 'x'.repeat(2 * MAX_RULE_TEXT))), 'too-large');
});
