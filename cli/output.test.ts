import assert from 'node:assert/strict';
import { test } from 'node:test';
import { age, bytes, clean, shorten, table, width } from './output.ts';

test('columns align, also under Chinese names', () => {
  const rows = [
    { name: '网页-1', count: 5 },
    { name: 'db', count: 1200 },
  ];
  const lines = table(
    rows,
    [
      { title: 'NAME', value: (r) => r.name },
      { title: 'COUNT', value: (r) => String(r.count), align: 'right' },
    ],
    false,
  );
  assert.deepEqual(lines, ['NAME    COUNT', '网页-1      5', 'db       1200']);
  assert.equal(width('网页-1'), 6);
});

test('wide columns appear only when asked for', () => {
  const columns = [
    { title: 'A', value: () => '1' },
    { title: 'B', value: () => '2', wide: true },
  ];
  assert.deepEqual(table([{}], columns, false), ['A', '1']);
  assert.deepEqual(table([{}], columns, true), ['A  B', '1  2']);
});

test('a table fits the terminal: the widest column gives, what one copies stays whole, numbers are never cut', () => {
  const rows = [{ id: '0123456789abcdef', title: '很长的标题'.repeat(6), n: 1234567 }];
  const columns = [
    { title: 'ID', value: (r: (typeof rows)[0]) => r.id, whole: true },
    { title: 'TITLE', value: (r: (typeof rows)[0]) => r.title },
    { title: 'N', value: (r: (typeof rows)[0]) => String(r.n), align: 'right' as const },
  ];
  const lines = table(rows, columns, false, 50);
  assert.ok(lines.every((l) => width(l) <= 50));
  assert.match(lines[1] ?? '', /^0123456789abcdef  很长的.*…\s+1234567$/);
  assert.match(table(rows, columns, false)[1] ?? '', /很长的标题$|很长的标题 /);
  assert.deepEqual(
    [shorten('abcdef', 4), shorten('标题很长', 5), shorten('abc', 3)],
    ['abc…', '标题…', 'abc'],
  );
});

test('what a guest named itself cannot write escape sequences to the terminal', () => {
  assert.equal(clean('vm\u001b[31m\u0007'), 'vm\ufffd[31m\ufffd');
  assert.ok(
    !table([{ n: '\u001b]0;x' }], [{ title: 'N', value: (r) => r.n }], false)
      .join('')
      .includes('\u001b'),
  );
});

test('bytes and ages are short and in the right unit', () => {
  assert.deepEqual([0, 1023, 1536, 10 * 1024 ** 2, 150 * 1024 ** 3].map(bytes), [
    '0 B',
    '1.02 kB',
    '1.54 kB',
    '10.5 MB',
    '161 GB',
  ]);
  const now = Date.parse('2026-01-02T00:00:00Z');
  assert.deepEqual(
    ['2026-01-01T23:59:30Z', '2026-01-01T23:00:00Z', '2025-12-20T00:00:00Z'].map((t) => age(t, now)),
    ['30s', '60m', '13d'],
  );
});
