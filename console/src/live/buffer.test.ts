// Live rows: in order, updated in place, waiting while held, bounded with what was let go counted.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LiveBuffer } from './buffer.ts';

interface Row {
  id: string;
  v: number;
}
const row = (id: string, v = 0): Row => ({ id, v });
const buffer = (cap?: number) => new LiveBuffer<Row>((r) => r.id, cap);
const ids = (b: LiveBuffer<Row>) => b.view.rows.map((r) => r.id).join('');

await test('new rows go on top, newest first', () => {
  const b = buffer();
  b.seed([row('b'), row('a')]);
  b.push([row('c'), row('d')]);
  assert.equal(ids(b), 'dcba');
});

await test('with an order a row that comes late stands where it belongs', () => {
  const b = new LiveBuffer<Row>(
    (r) => r.id,
    10,
    (x, y) => y.v - x.v,
  );
  b.seed([row('c', 3), row('a', 1)]);
  b.push([row('b', 2), row('d', 4)]);
  assert.equal(ids(b), 'dcba');
});

await test('while held new rows wait and known rows are updated in place', () => {
  const b = buffer();
  b.seed([row('b'), row('a')]);
  b.hold(true);
  b.push([row('c'), row('a', 7)]);
  b.push([row('c', 9)]);
  assert.equal(ids(b), 'ba');
  assert.equal(b.view.waiting, 1);
  assert.equal(b.view.rows[1]?.v, 7);
  b.release();
  assert.equal(ids(b), 'cba');
  assert.equal(b.view.rows[0]?.v, 9);
  b.push([row('d')]);
  assert.equal(b.view.waiting, 1);
  b.hold(false);
  assert.equal(ids(b), 'dcba');
});

await test('a row that comes twice in one batch counts once, with its last word', () => {
  const b = buffer();
  b.push([row('a', 1), row('a', 2)]);
  assert.deepEqual(b.view.rows, [row('a', 2)]);
});

await test('reading again keeps newer live rows and loses no place', () => {
  const b = buffer();
  b.push([row('c', 5)]);
  b.seed([row('b'), row('a')], (r) => r.v > 3);
  assert.equal(ids(b), 'cba');
  b.seed([row('c', 5), row('b'), row('a')], (r) => r.v > 3);
  assert.equal(ids(b), 'cba');
});

await test('the buffer is bounded and counts what it let go', () => {
  const b = buffer(3);
  b.push(['a', 'b', 'c', 'd', 'e'].map((id) => row(id)));
  assert.equal(ids(b), 'edc');
  assert.equal(b.view.forgotten, 2);
});
