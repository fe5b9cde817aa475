// Quantities and times read naturally in both languages.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes, memory, shortCount } from './bytes.ts';
import { age, duration } from './moment.ts';

await test('bytes keep three digits and roll over to the next unit', () => {
  assert.equal(bytes(0, 'en'), '0 B');
  assert.equal(bytes(999, 'en'), '999 B');
  assert.equal(bytes(999_499, 'en'), '999 kB');
  assert.equal(bytes(999_500, 'en'), '1 MB');
  assert.equal(bytes(1_234_567, 'en'), '1.23 MB');
  assert.equal(bytes(5e15, 'zh-CN'), '5 PB');
});

await test('memory says GiB from one on', () => {
  assert.equal(memory(2_097_152, 'en'), '2 GiB');
  assert.equal(memory(524_288, 'en'), '512 MiB');
});

await test('ages speak the language and never come from the future', () => {
  assert.equal(age(0, 125_000, 'en'), '2 min. ago');
  assert.equal(age(0, 125_000, 'zh-CN'), '2 分钟前');
  assert.equal(age(5000, 0, 'en'), '0 sec. ago');
});

await test('durations name two units at most', () => {
  assert.equal(duration(450, 'en'), '450 ms');
  assert.equal(duration(3200, 'en'), '3.2 sec');
  assert.equal(duration(125_000, 'en'), '2 min 5 sec');
  assert.equal(duration(90_000_000, 'en'), '25 hr 0 min');
  assert.equal(duration(450, 'zh-CN'), '450 毫秒');
});

await test('large counts are short', () => assert.equal(shortCount(12_345, 'en'), '12.3K'));
