// A long text leaves a document and comes back whole; a short one stays.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LONGEST, lineCount, standIn, whole } from './long.ts';

await test('a short text stands for itself', () => {
  assert.equal(standIn('alert\n'), 'alert\n');
  assert.equal(whole('alert\n'), 'alert\n');
});

await test('a long text has a short stand-in of its own, from which it comes back', () => {
  const long = 'a\n'.repeat(LONGEST);
  const other = `${long}b`;
  assert.equal(standIn(long), standIn(`a\n`.repeat(LONGEST)));
  assert.notEqual(standIn(long), standIn(other));
  assert.ok(standIn(long).length < 100);
  assert.match(standIn(other), /^<file of 32769 lines, 65537 characters, [0-9a-f]{16}>$/);
  assert.equal(whole(standIn(long)), long);
  assert.equal(whole(standIn(other)), other);
});

await test('a stand-in that somebody typed stands for nothing', () => {
  assert.equal(whole('<file of 9 lines, 9 characters, 0123456789abcdef>'), null);
});

await test('lines are counted as editors do', () => {
  assert.deepEqual(['', 'a', 'a\n', 'a\nb', '\n\n'].map(lineCount), [0, 1, 1, 2, 2]);
});

await test('eight megabytes take no noticeable time', () => {
  const text = `${'x'.repeat(189)}\n`.repeat(44_000);
  const started = performance.now();
  assert.equal(whole(standIn(text)), text);
  assert.ok(performance.now() - started < 1000);
});
