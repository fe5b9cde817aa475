// Bytes nobody should have sent: every reader stays inside what it was given and says no, and never throws.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readEvidence } from '../flows/evidence.ts';
import { decodePacket } from '../flows/packet.ts';
import { connectionName, connectionTimeout, parseConntrack } from './conntrack-message.ts';
import { ROW } from './conntrack-row.ts';
import { portable } from './conntrack-transfer.ts';
import { emptyPacket, parseLog } from './log-message.ts';
import { attributes, eachMessage, MessageWriter } from './message.ts';
import { eachElement } from './set-message.ts';

const RUNS = 20_000;

/** A connection as the kernel tells it, to be bent out of shape. */
const connection = new MessageWriter()
  .netfilter(1, 0, 0, 1, 2)
  .nest(1, (w) =>
    w
      .nest(1, (ip) => ip.bytes(1, Uint8Array.of(10, 0, 0, 1)).bytes(2, Uint8Array.of(10, 0, 0, 2)))
      .nest(2, (proto) => proto.u8(1, 6).u16(2, 1000).u16(3, 80)),
  )
  .nest(2, (w) =>
    w.nest(1, (ip) => ip.bytes(1, Uint8Array.of(10, 0, 0, 2)).bytes(2, Uint8Array.of(10, 0, 0, 1))),
  )
  .u32(3, 14)
  .nest(4, (w) => w.nest(1, (tcp) => tcp.u8(1, 3).bytes(4, Uint8Array.of(0, 0))))
  .u32(7, 100)
  .u32(8, 0x70009)
  .nest(9, (w) => w.bytes(1, new Uint8Array(8)).bytes(2, new Uint8Array(8)))
  .u32(12, 77)
  .u16(18, 5)
  .nest(20, (w) => w.bytes(1, new Uint8Array(8)))
  .done();

const logged = new MessageWriter()
  .netfilter(4, 0, 0, 1, 2, 100)
  .bytes(1, Uint8Array.of(8, 0, 2, 0))
  .bytes(3, new Uint8Array(16))
  .u32(4, 3)
  .u32(6, 4)
  .bytes(
    9,
    Uint8Array.of(0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 1, 0, 2, 0, 8, 0, 0),
  )
  .text(10, 'wocloud:7:9:dropped')
  .bytes(16, new Uint8Array(14))
  .nest(20, (w) => w.u16(2, 5))
  .done();

const element = new MessageWriter()
  .netfilter(10, 12, 0, 1, 7)
  .nest(3, (list) =>
    list.nest(1, (one) =>
      one
        .nest(1, (key) => key.bytes(1, new Uint8Array(20)))
        .nest(7, (expr) =>
          expr.text(1, 'counter').nest(2, (c) => c.bytes(1, new Uint8Array(8)).bytes(2, new Uint8Array(8))),
        ),
    ),
  )
  .done();

/** Anything at all, or a real message with some bytes changed and its end cut off. */
const bent = (real: Uint8Array) =>
  fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc
      .tuple(
        fc.array(fc.tuple(fc.nat(real.length - 1), fc.nat(255)), { maxLength: 8 }),
        fc.integer({ min: 0, max: real.length }),
      )
      .map(([changes, length]) => {
        const bytes = Uint8Array.from(real);
        for (const [at, value] of changes) bytes[at] = value;
        return bytes.slice(0, length);
      }),
  );

/** The bytes between guards that must never be looked at as if they were part of it. */
function within(bytes: Uint8Array): { view: DataView; start: number; end: number } {
  const exact = Uint8Array.from(bytes);
  return { view: new DataView(exact.buffer), start: 0, end: exact.length };
}

test('a real connection, log message and set element are read', () => {
  const row = new DataView(new ArrayBuffer(ROW));
  const c = within(connection);
  assert.equal(parseConntrack(c.view, 16, c.end, row, 0), true);
  assert.deepEqual(connectionName(c.view, 16, c.end)?.zone, 5);
  assert.equal(connectionTimeout(c.view, 16, c.end), 100);
  assert.ok(portable(c.view, 16, c.end));
  const l = within(logged);
  const packet = emptyPacket();
  assert.equal(parseLog(l.view, 16, l.end, packet), true);
  assert.deepEqual([packet.group, packet.physInIndex, packet.vlan], [100, 4, 5]);
  const e = within(element);
  const keys: number[] = [];
  assert.equal(
    eachElement(e.view, 16, e.end, ({ key, keyEnd }) => keys.push(keyEnd - key)),
    true,
  );
  assert.deepEqual(keys, [20]);
});

test('bent connections never make a reader look outside or throw', () => {
  const row = new DataView(new ArrayBuffer(ROW));
  fc.assert(
    fc.property(bent(connection), (bytes) => {
      const { view, start, end } = within(bytes);
      parseConntrack(view, start, end, row, 0);
      eachMessage(view, start, end, (message) => {
        assert.ok(message.end <= end && message.start <= message.end);
        parseConntrack(view, message.start, message.end, row, 0);
        if (message.end - message.start < 4) return;
        connectionName(view, message.start, message.end);
        connectionTimeout(view, message.start, message.end);
        portable(view, message.start, message.end);
      });
    }),
    { numRuns: RUNS },
  );
});

test('bent log messages never make a reader look outside or throw', () => {
  const packet = emptyPacket();
  fc.assert(
    fc.property(bent(logged), (bytes) => {
      const { view, end } = within(bytes);
      eachMessage(view, 0, end, (message) => {
        if (!parseLog(view, message.start, message.end, packet)) return;
        for (const at of [packet.payloadEnd, packet.prefixEnd, packet.linkEnd]) assert.ok(at <= message.end);
      });
    }),
    { numRuns: RUNS },
  );
});

test('bent set elements never make a reader look outside or throw', () => {
  fc.assert(
    fc.property(bent(element), (bytes) => {
      const { view, end } = within(bytes);
      eachMessage(view, 0, end, (message) => {
        eachElement(view, message.start, message.end, ({ key, keyEnd }) =>
          assert.ok(key > 0 && keyEnd <= end),
        );
        attributes(view, message.start, message.end);
      });
    }),
    { numRuns: RUNS },
  );
});

test('whatever a guest sends, its packet and its claims are read within bounds', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 128 }),
      fc.constantFrom(0x45, 0x46, 0x4f, 0x60),
      fc.constantFrom(0, 6, 17, 43, 44, 51, 58, 60),
      fc.constantFrom(0x0800, 0x0806, 0x86dd, 0x8100),
      (bytes, first, protocol, etherType) => {
        if (bytes.length > 9) {
          bytes[0] = first;
          bytes[first === 0x60 ? 6 : 9] = protocol;
        }
        const packet = decodePacket(bytes, 0, bytes.length);
        if (packet) assert.ok(packet.transport <= bytes.length && packet.sport <= 65_535);
        const evidence = readEvidence({
          prefix: '',
          time: 0,
          packets: 1,
          etherType,
          vlan: -1,
          inIndex: 0,
          link: bytes.slice(0, 14),
          payload: bytes,
        });
        for (const value of Object.values(evidence)) assert.ok(String(value).length < 200);
      },
    ),
    { numRuns: RUNS },
  );
});
