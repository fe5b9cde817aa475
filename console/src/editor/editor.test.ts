// The editor knows where in a document the cursor stands and what may stand there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { explain, suggest, type Names } from './schema-completion.ts';
import { placeOf } from './yaml-path.ts';

const names: Names = { group: ['web', 'db'], vm: ['web-1'], tenant: ['acme'], service: ['postgres'] };
/** Text with the cursor at "|". */
const at = (marked: string): [string, number] => [marked.replace('|', ''), marked.indexOf('|')];
const labels = (marked: string) => {
  const [text, offset] = at(marked);
  return suggest(text, offset, 'Policy', names).options.map((o) => o.label);
};
const HEAD = 'apiVersion: wocloud/v1\nkind: Policy\nmetadata: { name: web, tenant: acme }\nspec:\n';

await test('places in block style, lists and braces are told apart', () => {
  const place = (marked: string) => placeOf(...at(marked));
  assert.deepEqual(place('spec:\n  ti|').path, ['spec']);
  assert.equal(place('spec:\n  tier: te|').key, 'tier');
  assert.deepEqual(place('spec:\n  rules:\n    - name: a\n    - na|').path, ['spec', 'rules', 1]);
  assert.deepEqual(place('spec:\n  rules:\n    - name: a\n      act|').path, ['spec', 'rules', 0]);
  assert.deepEqual(place('spec:\n  rules:\n  - name: a\n  - x|').path, ['spec', 'rules', 1]);
  assert.deepEqual(place('spec:\n  appliesTo: { sel|').path, ['spec', 'appliesTo']);
  const rule = place('spec:\n  rules:\n    - { name: a, from: [any, { group: d|');
  assert.deepEqual(rule.path, ['spec', 'rules', 0, 'from', 1]);
  assert.equal(rule.key, 'group');
  assert.deepEqual(place('a: 1\n---\nspec:\n  x|').path, ['spec']);
});

await test('keys of the place are offered, required first, without those present', () => {
  assert.deepEqual(labels('|').slice(0, 4), ['apiVersion', 'kind', 'metadata', 'spec']);
  const spec = labels(`${HEAD}  priority: 1\n  |`);
  assert.ok(spec.includes('appliesTo') && spec.includes('rules') && !spec.includes('priority'));
  assert.ok(labels(`${HEAD}  rules:\n    - name: x\n      |`).includes('direction'));
  assert.ok(!labels(`${HEAD}  rules:\n    - { name: x, |`).includes('name'));
});

await test('values come from the schema and from what exists', () => {
  assert.deepEqual(labels(`${HEAD}  tier: |`), ['emergency', 'platform', 'tenant', 'baseline']);
  assert.deepEqual(labels(`${HEAD}  rules:\n    - { name: x, action: |`), [
    'allow',
    'drop',
    'reject',
    'inspect',
  ]);
  assert.deepEqual(labels(`${HEAD}  rules:\n    - { name: x, from: [{ group: |`), ['web', 'db']);
  assert.ok(labels(`${HEAD}  rules:\n    - { name: x, services: [|`).includes('postgres'));
  assert.ok(labels(`${HEAD}  rules:\n    - { name: x, from: [|`).includes('any'));
  assert.ok(labels(`${HEAD}  rules:\n    - { name: x, log: |`).includes('true'));
});

await test('a key is explained in words', () => {
  const [text, offset] = at(`${HEAD}  mo|de: staged\n`);
  assert.match(explain(text, offset, 'Policy') ?? '', /what it would do/);
});
