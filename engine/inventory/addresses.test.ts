// Addresses by MAC: spelled one way, from the most trusted source, until that says otherwise.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { linkLocal, normalAddress } from './address.ts';
import { AddressBook } from './addresses.ts';

const MAC = '52:54:00:00:00:01';

test('one address has one spelling', () => {
  for (const [from, to] of [
    ['10.0.0.1', '10.0.0.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
  ] as const)
    assert.equal(normalAddress(from), to);
  assert.equal(linkLocal('52:54:00:12:34:56'), 'fe80::5054:ff:fe12:3456');
});

test('the most trusted source is told; when it no longer says so, the next one is', () => {
  const book = new AddressBook(() => 0);
  assert.equal(book.learn(MAC, '10.0.0.1', 'snooped', 1_000), true);
  assert.equal(book.replace(MAC, ['10.0.0.1', '10.0.0.2'], 'lease', Infinity), true);
  assert.deepEqual(book.of(MAC), [
    { ip: '10.0.0.1', source: 'lease' },
    { ip: '10.0.0.2', source: 'lease' },
  ]);
  assert.equal(book.replace(MAC, ['10.0.0.1', '10.0.0.2'], 'lease', Infinity), false);
  assert.equal(book.replace(MAC, [], 'lease', Infinity), true);
  assert.deepEqual(book.of(MAC), [{ ip: '10.0.0.1', source: 'snooped' }]);
});

test('a snooped address that is not confirmed expires; a lease does not while libvirt is away', () => {
  let now = 0;
  const book = new AddressBook(() => now);
  book.learn(MAC, '10.0.0.1', 'snooped', 1_000);
  book.replace(MAC, ['10.0.0.2'], 'lease', Infinity);
  now = 999;
  assert.deepEqual(book.expire(), []);
  now = 1_000;
  assert.deepEqual(book.expire(), [MAC]);
  assert.deepEqual(book.of(MAC), [{ ip: '10.0.0.2', source: 'lease' }]);
});

test('addresses no NIC can have are not learned, and a forger fills only its own list', () => {
  const book = new AddressBook(() => 0);
  for (const ip of ['0.0.0.0', '127.0.0.1', '224.0.0.1', '255.255.255.255', '::', '::1', 'ff02::1'])
    assert.equal(book.learn(MAC, ip, 'snooped', 1), false, ip);
  for (let i = 1; i < 200; i++) book.learn(MAC, `10.0.0.${i}`, 'snooped', 1_000);
  assert.equal(book.of(MAC).length, 64);
  assert.equal(book.overflows, 135);
  book.keepOnly(new Set());
  assert.deepEqual(book.of(MAC), []);
});
