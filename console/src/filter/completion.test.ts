// The filter bar completes fields, values, lists and exclusions where the cursor stands.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { complete, type KnownValues } from './completion.ts';

const known: KnownValues = { vm: ['web-1', 'web-2', 'db one'], to: ['web-1'], rule: ['acme/web/https-in'] };
const texts = (text: string, cursor = text.length) =>
  complete(text, cursor, known).options.map((o) => o.text);
/** The text after taking the first option. */
const take = (text: string, cursor = text.length) => {
  const c = complete(text, cursor, known);
  return text.slice(0, c.from) + (c.options[0]?.text ?? '') + text.slice(c.to);
};

await test('an empty bar offers the fields', () => {
  assert.ok(texts('').includes('vm:') && texts('').includes('verdict:'));
});

await test('a beginning offers the fields and VMs that fit', () => {
  assert.deepEqual(texts('ver'), ['verdict:']);
  assert.deepEqual(texts('we'), ['vm:web-1 ', 'vm:web-2 ']);
});

await test('after the colon come the values, those that begin so first', () => {
  assert.deepEqual(texts('verdict:dr'), ['dropped ']);
  assert.deepEqual(texts('dst:'), ['web-1 ']);
  assert.deepEqual(texts('proto:icmp'), ['icmp ', 'icmpv6 ']);
  assert.deepEqual(texts('since:1'), ['15m ', '1h ']);
});

await test('taking an option replaces what was typed and no more', () => {
  assert.equal(take('vm:web-1 verdict:al'), 'vm:web-1 verdict:allowed ');
  assert.equal(take('vm:web-1,web-2'), 'vm:web-1,web-2 ');
  assert.equal(take('-ver'), '-verdict:');
  assert.equal(take('vm:!web-2'), 'vm:!web-2 ');
  assert.equal(take('ver port:22', 3), 'verdict: port:22');
  assert.equal(take('vm:db'), 'vm:"db one" ');
});

await test('an unknown field offers nothing', () => assert.deepEqual(texts('nope:x'), []));
