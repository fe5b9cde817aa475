// The filter language reads what people write, says where they are wrong, and prints what it reads.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  EVENT_LANGUAGE,
  LIST_FIELDS,
  filterFlags,
  parseFilter,
  printFilter,
  withTerm,
  withoutTerm,
  type FlowFilter,
} from './filter.ts';

const good: [string, FlowFilter][] = [
  ['', {}],
  ['vm:web-1 verdict:drop port:22', { vm: ['web-1'], verdict: ['dropped'], port: ['22'] }],
  ['verdict:drop,reject', { verdict: ['dropped', 'rejected'] }],
  ['-port:22', { port: ['!22'] }],
  ['port:!22', { port: ['!22'] }],
  ['!port:22', { port: ['!22'] }],
  ['port:22,!8000-8100', { port: ['22', '!8000-8100'] }],
  ['src:web-1 dst:db-1 proto:tcp', { from: ['web-1'], to: ['db-1'], protocol: ['tcp'] }],
  ['web-1', { vm: ['web-1'] }],
  ['10.1.0.5', { ip: ['10.1.0.5'] }],
  ['fd00::5', { ip: ['fd00::5'] }],
  ['ip:fd00::/64', { ip: ['fd00::/64'] }],
  ['ip:::1', { ip: ['::1'] }],
  ['vm:"web one",db', { vm: ['web one', 'db'] }],
  ['vm:"a\\"b"', { vm: ['a"b'] }],
  ['rule:acme/web/https-in', { rule: ['acme/web/https-in'] }],
  ['VERDICT:Dropped', { verdict: ['dropped'] }],
  ['since:15m until:2026-05-01T08:00:00Z', { since: '15m', until: '2026-05-01T08:00:00Z' }],
  ['staged:drop', { staged: ['dropped'] }],
  ['vm:a vm:a', { vm: ['a'] }],
];
for (const [text, query] of good) {
  test(`reads ${text || 'nothing'}`, () => {
    const parsed = parseFilter(text);
    assert.deepEqual(parsed.errors, []);
    assert.deepEqual(parsed.query, query);
    assert.deepEqual(parseFilter(printFilter(query)).query, query);
  });
}

const bad: [string, string, string | null, number, number][] = [
  ['verdct:drop', 'unknown-field', 'verdict', 0, 11],
  ['vm:a prot:tcp', 'unknown-field', 'protocol', 5, 13],
  ['qqqqqqqq:1', 'unknown-field', null, 0, 10],
  ['verdict:dorpped', 'bad-verdict', 'dropped', 0, 15],
  ['staged:maybe', 'bad-staged', 'none', 0, 12],
  ['port:99999', 'bad-port', null, 0, 10],
  ['port:90-80', 'bad-port', null, 0, 10],
  ['ip:web', 'bad-address', null, 0, 6],
  ['since:yesterday', 'bad-instant', null, 0, 15],
  ['-since:15m', 'exclude-time', null, 0, 10],
  ['since:15m since:5m', 'repeated-time', null, 10, 18],
  ['vm:', 'missing-value', null, 0, 3],
  ['vm:a,', 'missing-value', null, 0, 5],
  ['port', 'missing-value', null, 0, 4],
  ['vm:"web', 'unclosed-quote', null, 3, 7],
];
for (const [text, code, nearest, start, end] of bad) {
  test(`refuses ${text} as ${code}`, () => {
    const [error] = parseFilter(text).errors;
    assert.ok(error);
    assert.deepEqual(
      { code: error.code, start: error.start, end: error.end },
      { code, start, end },
      error.message,
    );
    if (code !== 'bad-staged') assert.equal(error.nearest, nearest);
    assert.ok(error.message.length > 10);
  });
}

test('a wrong term is left out and the others stand', () => {
  assert.deepEqual(parseFilter('vm:a nope:1 port:22').query, { vm: ['a'], port: ['22'] });
});

test('any printed filter reads back the same', () => {
  const value = fc.string({ minLength: 1, maxLength: 12 }).filter((s) => !s.startsWith('!'));
  const name = fc.constantFrom(
    ...LIST_FIELDS.filter((f) => !['verdict', 'staged', 'port', 'ip'].includes(f)),
  );
  const filter = fc.array(fc.tuple(name, value, fc.boolean()), { maxLength: 6 });
  fc.assert(
    fc.property(filter, (terms) => {
      let query: FlowFilter = {};
      for (const [field, v, exclude] of terms) query = withTerm(query, field, v, exclude);
      const back = parseFilter(printFilter(query));
      assert.deepEqual(back.errors, []);
      for (const field of LIST_FIELDS)
        assert.deepEqual(new Set(back.query[field] ?? []), new Set(query[field] ?? []));
    }),
    { numRuns: 2000 },
  );
});

test('no text makes the parser throw or point outside the text', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'vmport:,!-"\\ 0123.'.split('')) }), (text) => {
      for (const e of parseFilter(text).errors)
        assert.ok(e.start >= 0 && e.end <= text.length && e.start <= e.end);
    }),
    { numRuns: 5000 },
  );
});

test('including replaces excluding, and a term can be taken out', () => {
  const excluded = withTerm({}, 'port', '22', true);
  assert.deepEqual(excluded, { port: ['!22'] });
  assert.deepEqual(withTerm(excluded, 'port', '22'), { port: ['22'] });
  assert.deepEqual(withoutTerm(excluded, 'port', '!22'), {});
});

test('flags quote what a shell would read', () => {
  assert.equal(
    filterFlags({ vm: ['web 1'], port: ['!22'], since: '15m' }),
    "--vm 'web 1' --port '!22' --since 15m",
  );
});

test('inspection events have a language of their own', () => {
  const read = (text: string) => parseFilter(text, EVENT_LANGUAGE);
  const { query, errors } = read('type:alert,file action:drop sid:2100498 app:http web-1 -gateway:edge/1');
  assert.deepEqual(errors, []);
  assert.deepEqual(query, {
    type: ['alert', 'fileinfo'],
    action: ['blocked'],
    signature: ['2100498'],
    application: ['http'],
    vm: ['web-1'],
    gateway: ['!edge/1'],
  });
  assert.equal(
    printFilter(query, EVENT_LANGUAGE),
    'type:alert,fileinfo action:blocked signature:2100498 application:http vm:web-1 -gateway:edge/1',
  );
  assert.deepEqual(read(printFilter(query, EVENT_LANGUAGE)).query, query);
  assert.deepEqual(read('type:drop').query, { type: ['drop'] });
  assert.equal(filterFlags({ type: ['dns'] }, EVENT_LANGUAGE), '--type dns');
  const codes = (text: string) => read(text).errors.map((e) => [e.code, e.nearest]);
  assert.deepEqual(codes('type:alrt'), [['bad-word', 'alert']]);
  assert.deepEqual(codes('signature:abc'), [['bad-signature', null]]);
  assert.deepEqual(codes('verdict:drop'), [['unknown-field', null]]);
});
