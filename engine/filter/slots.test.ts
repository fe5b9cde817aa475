// Numbers of rules: the same after a restart, and a freed one is not another rule's at once.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Slots } from './slots.ts';

const dir = mkdtempSync(join(tmpdir(), 'engine-slots-'));
const path = join(dir, 'slots.json');
after(() => rmSync(dir, { recursive: true }));

test('a rule keeps its number over restarts', () => {
  const first = new Slots(path);
  first.assign(['a', 'b']);
  first.assign(['c', 'a']);
  const second = new Slots(path);
  for (const rule of ['a', 'b', 'c']) {
    assert.equal(second.slot(rule), first.slot(rule));
    assert.equal(second.rule(first.slot(rule)), rule);
  }
  assert.equal(second.rule(0), '');
  assert.equal(second.slot('unknown'), 0);
});

test('a freed number rests', () => {
  const slots = new Slots(path);
  const freed = slots.slot('b');
  slots.keepOnly(new Set(['a', 'c']));
  slots.assign(['d', 'e']);
  assert.notEqual(slots.slot('d'), freed);
  assert.notEqual(slots.slot('e'), freed);
});

test('the map is the same object as long as nothing changes', () => {
  const slots = new Slots(path);
  const before = slots.all;
  slots.assign(['a']);
  assert.equal(slots.all, before);
  slots.assign(['new']);
  assert.notEqual(slots.all, before);
});

test('there are 65,535 and no more', () => {
  const slots = new Slots(join(dir, 'full.json'));
  slots.assign(Array.from({ length: 65_536 }, (_, i) => `r${i}`));
  assert.equal(slots.size, 65_535);
  assert.equal(slots.slot('r65534'), 65_535);
  assert.equal(slots.slot('r65535'), 0);
});

test('a damaged file means starting anew', () => {
  writeFileSync(path, '{"slots": {"x": 70000, "y": "1", "z": 5}, "next": -1}');
  const slots = new Slots(path);
  assert.equal(slots.slot('z'), 5);
  assert.equal(slots.slot('x'), 0);
  writeFileSync(path, 'not json');
  assert.equal(new Slots(path).size, 0);
});
