// A choice of columns is kept, survives new columns, and sorting reads as people count.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepColumns, readColumns, readSort, sorted, writeSort } from './columns.ts';

const columns = [{ key: 'name', always: true }, { key: 'host' }, { key: 'mac', optional: true }];
function store(initial: Record<string, string> = {}) {
  const map = new Map(Object.entries(initial));
  return {
    map,
    getItem: (k: string) => map.get(k) ?? null,
    setItem: (k: string, v: string) => void map.set(k, v),
    removeItem: (k: string) => void map.delete(k),
  };
}

await test('without a choice the default stands, and garbage is no choice', () => {
  assert.deepEqual(readColumns('vms', columns, store()), ['name', 'host']);
  assert.deepEqual(readColumns('vms', columns, store({ 'wocloud.columns.vms': '{oops' })), ['name', 'host']);
  assert.deepEqual(readColumns('vms', columns, null), ['name', 'host']);
});

await test('a choice is kept in table order, with the naming column always there', () => {
  const s = store();
  keepColumns('vms', columns, ['mac', 'vanished'], s);
  assert.deepEqual(readColumns('vms', columns, s), ['name', 'mac']);
});

await test('choosing the default again forgets the choice', () => {
  const s = store();
  keepColumns('vms', columns, ['name', 'mac'], s);
  keepColumns('vms', columns, ['host', 'name'], s);
  assert.equal(s.map.size, 0);
});

await test('sorting counts like people and puts nothing last both ways', () => {
  const rows = ['web-10', null, 'web-2', ''];
  assert.deepEqual(sorted(rows, (r) => r, false, 'en').slice(0, 2), ['web-2', 'web-10']);
  assert.deepEqual(sorted(rows, (r) => r, true, 'en').slice(0, 2), ['web-10', 'web-2']);
  assert.deepEqual(
    sorted([10, 9, 100], (r) => r, false, 'en'),
    [9, 10, 100],
  );
});

await test('the order is written into the address and read back', () => {
  assert.deepEqual(readSort('-name'), { key: 'name', down: true });
  assert.equal(writeSort(readSort('host')), 'host');
  assert.equal(readSort(''), null);
});
