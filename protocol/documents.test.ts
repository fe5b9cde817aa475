import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDetail, parseDocuments } from './documents.ts';

const EXAMPLE = `apiVersion: wocloud/v1
kind: Policy
metadata: { name: web, tenant: acme }
spec:
  tier: tenant
  priority: 100
  mode: enforce
  appliesTo: { selector: "app=web" }
  rules:
    - { name: https-in, direction: in, action: allow, from: [any], services: [tcp/443] }
    - { name: from-lb,  direction: in, action: inspect, from: [{ selector: "app=lb" }], services: [tcp/8080], log: true }
    - { name: to-db,    direction: out, action: allow, to: [{ group: db }], services: [tcp/5432] }
    - { name: rest, direction: both, action: drop, log: true }
`;

const errorsOf = (text: string) => parseDocuments(text).errors.map(formatDetail);

test('the policy of the design is accepted as written', () => {
  const { documents, errors } = parseDocuments(EXAMPLE);
  assert.deepEqual(errors, []);
  assert.equal(documents[0]?.kind, 'Policy');
});

test('an error says the line, the path, what was expected and the nearest name', () => {
  assert.deepEqual(errorsOf(EXAMPLE.replace('priority:', 'priorty:')).sort(), [
    'line 4, /spec: missing: priority',
    'line 6, /spec/priorty: field priorty is not known here; known: tier, priority, mode, appliesTo, rules, description (did you mean priority?)',
  ]);
  assert.deepEqual(errorsOf(EXAMPLE.replace('action: inspect', 'action: permit')), [
    'line 11, /spec/rules/1/action: must be one of allow, drop, reject, inspect',
  ]);
  assert.match(
    errorsOf(EXAMPLE.replace('kind: Policy', 'kind: Polcy'))[0] ?? '',
    /^line 2, \/kind: .*did you mean Policy\?/,
  );
});

test('documents after a wrong one are still checked', () => {
  const { documents, errors } = parseDocuments(`kind: Nope\n---\n${EXAMPLE}`);
  assert.equal(documents.length, 1);
  assert.equal(errors[0]?.document, 0);
});

test('what would expand or exhaust is refused', () => {
  assert.match(errorsOf('a: &a [x]\nb: [*a, *a]')[0] ?? '', /alias/i);
  assert.match(errorsOf('x'.repeat(10_000_000))[0] ?? '', /split the file/);
  assert.match(errorsOf('a: 1\na: 2')[0] ?? '', /line 2/);
});

test('what the platform answers can be applied again as it is', () => {
  const answered = EXAMPLE.replace(
    'tenant: acme }',
    'tenant: acme, uid: u, version: 3, published: null, updatedBy: x }',
  );
  const { documents, errors } = parseDocuments(answered);
  assert.deepEqual(errors, []);
  assert.deepEqual(documents[0]?.metadata, { name: 'web', tenant: 'acme' });
});

test('any text gives documents or errors, never an exception', () => {
  const mutated = fc
    .tuple(fc.nat(EXAMPLE.length), fc.nat(20), fc.string({ maxLength: 8, unit: 'grapheme' }))
    .map(([at, cut, put]) => EXAMPLE.slice(0, at) + put + EXAMPLE.slice(at + cut));
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'grapheme' }), mutated), (text) => {
      const { documents, errors } = parseDocuments(text);
      for (const e of errors) assert.ok(formatDetail(e).length > 0);
      assert.ok(Array.isArray(documents));
    }),
    { numRuns: Number(process.env['WOCLOUD_FUZZ_RUNS'] ?? 1000) },
  );
});
