import assert from 'node:assert/strict';
import { test } from 'node:test';
import { array, charArray, hyper, int, optional, string, struct, uhyper, uuid, type Codec } from './codec.ts';
import { LibvirtError, ProtocolError } from './errors.ts';
import { annotated } from './testing/annotated.ts';
import { params, typedParam } from './wire.ts';
import { XdrReader, XdrWriter } from './xdr.ts';

function encode<T>(codec: Codec<T>, value: T): Buffer {
  const writer = new XdrWriter();
  codec.encode(writer, value);
  return writer.finish();
}

function decode<T>(codec: Codec<T>, bytes: Buffer): T {
  const reader = new XdrReader(bytes);
  const value = codec.decode(reader);
  reader.end();
  return value;
}

test('strings are padded to four bytes with zeros, and read back', () => {
  const bytes = annotated(['00000005', 'length'], ["'hello", 'text'], ['000000', 'padding']);
  assert.deepEqual(encode(string, 'hello'), bytes);
  assert.equal(decode(string, bytes), 'hello');
  assert.equal(decode(string, encode(string, '虚拟机')), '虚拟机');
});

test('64-bit numbers keep all their bits', () => {
  for (const value of [0n, 1n, 2n ** 53n + 1n, 2n ** 64n - 1n])
    assert.equal(decode(uhyper, encode(uhyper, value)), value);
  for (const value of [-1n, -(2n ** 63n), 2n ** 63n - 1n])
    assert.equal(decode(hyper, encode(hyper, value)), value);
});

test('an optional is a flag and the value', () => {
  assert.deepEqual(encode(optional(int), null), annotated(['00000000', 'absent']));
  assert.deepEqual(encode(optional(int), -2), annotated(['00000001', 'present'], ['fffffffe', '-2']));
  assert.throws(() => decode(optional(int), annotated(['00000002', 'neither'])), { code: 'malformed' });
});

test('a UUID is 16 bytes on the wire and lower-case text here', () => {
  const text = '5a5c6b1e-4f4e-4e2b-8f3c-0d8f5f1c2b3a';
  const bytes = encode(uuid, text.toUpperCase());
  assert.equal(bytes.toString('hex'), text.replaceAll('-', ''));
  assert.equal(decode(uuid, bytes), text);
  assert.throws(() => encode(uuid, 'web-1'), { code: 'invalid' });
});

test('a C character array carries one int per character and ends at its zero', () => {
  const bytes = encode(charArray(4), 'ab');
  assert.deepEqual(
    bytes,
    annotated(['00000061', 'a'], ['00000062', 'b'], ['00000000', 'end'], ['00000000', 'unused']),
  );
  assert.equal(decode(charArray(4), bytes), 'ab');
});

test('a list of typed parameters becomes an object', () => {
  const list = [
    { field: 'state.state', value: { type: 'int', value: 1 } },
    { field: 'cpu.time', value: { type: 'ullong', value: 2n ** 60n } },
    { field: 'load', value: { type: 'double', value: 0.5 } },
    { field: 'on', value: { type: 'boolean', value: true } },
    { field: 'net.0.name', value: { type: 'string', value: 'tap0' } },
    { field: '__proto__', value: { type: 'string', value: 'harmless' } },
  ] as const;
  const object = decode(params(16), encode(array(typedParam, 16), list));
  assert.deepEqual(Object.entries(object), [
    ['state.state', 1],
    ['cpu.time', 2n ** 60n],
    ['load', 0.5],
    ['on', true],
    ['net.0.name', 'tap0'],
    ['__proto__', 'harmless'],
  ]);
});

const malformed: readonly (readonly [string, Codec<unknown>, Buffer, string])[] = [
  ['an integer cut short', int, annotated(['0000', 'half']), 'malformed'],
  [
    'a string longer than its bytes',
    string,
    annotated(['00000009', 'length'], ["'hell", 'text']),
    'malformed',
  ],
  [
    'a string whose padding is missing',
    string,
    annotated(['00000005', 'length'], ["'hello", 'text']),
    'malformed',
  ],
  ['a string over the limit', string, annotated(['00400001', '4 MiB and one']), 'too-large'],
  [
    'more elements than allowed',
    array(int, 2),
    annotated(['00000003', 'count'], ['00'.repeat(12), 'ints']),
    'too-large',
  ],
  [
    'more elements than bytes',
    array(struct({ a: int, b: string }), 1e9),
    annotated(['10000000', 'count'], ['00'.repeat(64), '']),
    'malformed',
  ],
  ['bytes left over', int, annotated(['00000001', 'one'], ['00000002', 'left over']), 'malformed'],
  [
    'a typed parameter of no known type',
    typedParam,
    annotated(['00000001', 'length'], ["'a\\0\\0\\0", 'name'], ['00000008', 'type 8'], ['00000000', '']),
    'malformed',
  ],
];
for (const [what, codec, bytes, code] of malformed) {
  test(`${what} is refused as ${code}`, () => {
    assert.throws(
      () => decode(codec, bytes),
      (error) => error instanceof ProtocolError && error.code === code,
    );
  });
}

test('what does not fit the wire is refused before it is sent', () => {
  const refused: readonly (() => unknown)[] = [
    () => encode(int, 2 ** 31),
    () => encode(int, 1.5),
    () => encode(uhyper, -1n),
    () => encode(hyper, 2n ** 63n),
    () => encode(string, 'x'.repeat(4_194_305)),
    () => encode(array(int, 1), [1, 2]),
  ];
  for (const attempt of refused)
    assert.throws(attempt, (error) => error instanceof LibvirtError && error.code === 'invalid');
});
