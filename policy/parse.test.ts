import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CidrSet, canonical, covers, linkLocal, parseCidr } from './cidr.ts';
import { PolicyError } from './errors.ts';
import { AddressMatcher } from './evaluate.ts';
import { matchesSelector, parseSelector } from './selector.ts';
import { mergeRanges, normalizeServices, parsePorts } from './services.ts';

const runs = Number(process.env['WOCLOUD_FUZZ_RUNS'] ?? 2000);

const selectors: [string, Record<string, string>, boolean][] = [
  ['app=web', { app: 'web' }, true],
  ['app == web', { app: 'db' }, false],
  ['app!=web', {}, true],
  ['tier in (web, app)', { tier: 'app' }, true],
  ['tier notin (web, app)', { tier: 'db' }, true],
  ['in in (in)', { in: 'in' }, true],
  ['!legacy', { legacy: '' }, false],
  ['legacy', { legacy: '' }, true],
  ['legacy=', { legacy: '' }, true],
  ['example.com/role=db, env!=prod', { 'example.com/role': 'db', env: 'test' }, true],
  ['constructor', {}, false],
];
for (const [text, labels, expected] of selectors)
  test(`selector ${text} ${expected ? 'takes' : 'leaves'} ${JSON.stringify(labels)}`, () => {
    assert.equal(matchesSelector(parseSelector(text), labels), expected);
  });

test('a mistake in a selector is shown where it is', () => {
  for (const [text, position] of [
    ['', 0],
    ['app=web,', 8],
    ['app web', 4],
    ['app in web', 7],
    ['app in (web', 11],
    ['app in (web;db)', 11],
    ['=web', 0],
    ['app=a/b', 4],
    ['a, !', 4],
  ] as const)
    assert.throws(
      () => parseSelector(text),
      (error) =>
        error instanceof PolicyError && error.code === 'selector.syntax' && error.position === position,
      text,
    );
});

test('selectors that say the same have one canonical text, which means the same', () => {
  const word = fc.constantFrom('app', 'env', 'in', 'notin', 'a.b/c', 'x_1');
  const value = fc.constantFrom('web', 'db', 'prod', '1');
  const requirement = fc.oneof(
    word,
    word.map((k) => `! ${k}`),
    fc.tuple(word, fc.constantFrom('=', '==', '!='), value).map((p) => p.join(' ')),
    fc
      .tuple(word, fc.constantFrom('in', 'notin'), fc.array(value, { minLength: 1, maxLength: 3 }))
      .map(([k, op, values]) => `${k} ${op} ( ${values.join(' , ')} )`),
  );
  const labels = fc.dictionary(word, value, { maxKeys: 4, noNullPrototype: true });
  fc.assert(
    fc.property(fc.array(requirement, { minLength: 1, maxLength: 4 }), labels, (parts, some) => {
      const selector = parseSelector(parts.join(','));
      const again = parseSelector(selector.canonical);
      assert.equal(again.canonical, selector.canonical);
      assert.equal(parseSelector(parts.toReversed().join(' , ')).canonical, selector.canonical);
      assert.equal(matchesSelector(again, some), matchesSelector(selector, some));
    }),
    { numRuns: runs },
  );
});

test('whatever is written, a parser answers or says what is wrong', () => {
  const alphabet = fc.constantFrom(...'ab10/.-:,=!() \tintcpudpmv6*"\\\n{}é%');
  const text = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.array(alphabet, { maxLength: 30 }).map((letters) => letters.join('')),
    fc.ipV6(),
    fc.ipV4Extended(),
    fc.tuple(fc.oneof(fc.ipV4(), fc.ipV6()), fc.integer({ min: -1, max: 140 })).map((p) => p.join('/')),
  );
  fc.assert(
    fc.property(text, (input) => {
      for (const parse of [parseSelector, parsePorts, parseCidr])
        try {
          parse(input);
        } catch (error) {
          assert.ok(
            error instanceof PolicyError,
            `${parse.name}(${JSON.stringify(input)}): ${String(error)}`,
          );
          assert.ok(error.position !== null && error.position <= input.length);
        }
    }),
    { numRuns: runs },
  );
});

test('port specifications', () => {
  const service = (
    protocol: number | null,
    ports: [number, number][] | null = null,
    icmpTypes: number[] | null = null,
  ) => ({ protocol, ports, icmpTypes });
  assert.deepEqual(parsePorts('tcp/443'), service(6, [[443, 443]]));
  assert.deepEqual(parsePorts('udp/5000-5100'), service(17, [[5000, 5100]]));
  assert.deepEqual(parsePorts('sctp/38412'), service(132, [[38412, 38412]]));
  assert.deepEqual(parsePorts('icmp'), service(1));
  assert.deepEqual(parsePorts('icmp/8'), service(1, null, [8]));
  assert.deepEqual(parsePorts('icmpv6/128'), service(58, null, [128]));
  assert.deepEqual(parsePorts('proto/47'), service(47));
  assert.deepEqual(parsePorts('any'), service(null));
  assert.equal(parsePorts('https'), null);
  assert.equal(parsePorts('constructor'), null);
  for (const wrong of [
    'tcp/0',
    'tcp/65536',
    'tcp/9-8',
    'tcp/',
    'tcp/1-',
    'tcp/1-2-3',
    'tpc/80',
    'icmp/256',
    'proto/256',
    'esp/1',
    'tcp/080',
  ])
    assert.throws(() => parsePorts(wrong), { code: 'service.syntax' }, wrong);
  assert.throws(() => parsePorts('tcp/90-80'), { hint: 'write 80-90' });
  assert.throws(() => parsePorts('tpc/80'), { hint: 'did you mean "tcp"?' });
  assert.deepEqual(
    mergeRanges([
      [5, 6],
      [1, 2],
      [3, 4],
      [9, 9],
    ]),
    [
      [1, 6],
      [9, 9],
    ],
  );
  assert.deepEqual(normalizeServices([service(6, [[80, 80]]), service(null)]), []);
  assert.deepEqual(
    normalizeServices([service(17), service(6, [[80, 80]]), service(6, [[81, 81]]), service(17, [[1, 1]])]),
    [service(6, [[80, 81]]), service(17)],
  );
});

test('addresses have one text, and mistakes are named', () => {
  for (const [text, expected] of [
    ['10.0.0.0/24', '10.0.0.0/24'],
    ['10.0.0.1/32', '10.0.0.1'],
    ['2001:DB8:0:0::/64', '2001:db8::/64'],
    ['2001:db8::1/128', '2001:db8::1'],
    ['::', '::'],
    ['0.0.0.0/0', '0.0.0.0/0'],
  ] as const)
    assert.equal(parseCidr(text).text, expected);
  for (const wrong of [
    '10.0.0',
    '010.0.0.1',
    '10.0.0.256',
    '10.0.0.0/33',
    '::/129',
    '::ffff:1.2.3.4',
    'fe80::1%eth0',
    '',
    '/',
    '10.0.0.0/',
    '10.0.0.0/1e1',
    '1:2:3:4:5:6:7:8:9',
  ])
    assert.throws(() => parseCidr(wrong), { code: 'cidr.syntax' }, wrong);
  assert.throws(() => parseCidr('10.0.0.5/24'), { hint: 'write 10.0.0.0/24, or 10.0.0.5 for the one host' });
  assert.equal(linkLocal('52:54:00:00:00:01'), 'fe80::5054:ff:fe00:1');
});

const prefixText = fc.oneof(
  fc.tuple(fc.nat(40), fc.constantFrom(24, 28, 30, 31, 32)).map(([n, length]) => {
    const first = ((0x0a000000 + n) & (length === 32 ? -1 : ~((1 << (32 - length)) - 1))) >>> 0;
    return `${first >>> 24}.${(first >>> 16) & 255}.${(first >>> 8) & 255}.${first & 255}/${length}`;
  }),
  fc.nat(20).map((n) => `fd00::${n.toString(16)}`),
  fc.constantFrom('fd00::/120', 'fd00::/124', '0.0.0.0/0'),
);

test('a set is what was added and not taken back: disjoint, sorted, and the same however it came about', () => {
  fc.assert(
    fc.property(
      fc.array(prefixText, { maxLength: 90 }),
      fc.array(prefixText, { maxLength: 90 }),
      (stay, go) => {
        const set = new CidrSet();
        for (const text of go) set.add(text);
        set.elements();
        for (const text of stay) set.add(text);
        for (const text of go) set.remove(text);
        const elements = set.elements();
        assert.deepEqual(elements, canonical(stay));
        assert.equal(set.elements(), elements);
        const parsed = elements.map(parseCidr);
        for (const [i, a] of parsed.entries())
          for (const b of parsed.slice(i + 1)) assert.ok(!covers(a, b) && !covers(b, a));
        for (const text of stay)
          assert.ok(
            parsed.some((p) => covers(p, parseCidr(text))),
            text,
          );
        const matcher = new AddressMatcher(elements);
        for (let n = 0; n < 48; n++) {
          const address = `10.0.0.${n}`;
          assert.equal(
            matcher.has(address),
            parsed.some((p) => covers(p, parseCidr(address))),
            address,
          );
        }
      },
    ),
    { numRuns: Math.min(runs, 3000) / 4 },
  );
});
