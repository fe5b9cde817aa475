// Frames through a wire that cuts, mixes in garbage and flips bits: what arrives is what was sent, what is lost is
// counted, and memory and work stay within their bounds whatever comes.
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import {
  encodeFrame,
  FRAME_TYPES,
  FrameReader,
  HEADER_BYTES,
  MAX_FRAME_BYTES,
  MAX_PAYLOAD_BYTES,
  type Frame,
} from './frames.ts';

const numRuns = Number(process.env['WOCLOUD_FUZZ_RUNS'] ?? 2_000);
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const frame = fc.record(
  {
    type: fc.constantFrom(...FRAME_TYPES),
    guest: u32,
    host: u32,
    payload: fc.uint8Array({ maxLength: 300 }),
  },
  { noNullPrototype: true },
);
/** No byte of it can be the beginning of a frame. */
const garbage = fc.uint8Array({ maxLength: 200 }).map((bytes) => bytes.map((b) => (b === 0x57 ? 0x58 : b)));

function readAll(pieces: Iterable<Uint8Array>): { frames: Frame[]; reader: FrameReader } {
  const frames: Frame[] = [];
  const reader = new FrameReader((f) => frames.push({ ...f, payload: Uint8Array.from(f.payload) }));
  for (const piece of pieces) {
    reader.push(piece);
    assert.ok(reader.capacity <= MAX_FRAME_BYTES);
  }
  return { frames, reader };
}

/** The bytes in pieces of the given lengths, over and over. */
function* cut(bytes: Uint8Array, lengths: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = Math.max(1, lengths[i % Math.max(1, lengths.length)] ?? bytes.length);
    yield bytes.subarray(at, at + length);
    at += length;
  }
}
const cuts = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 6 });

test('frames between garbage arrive in any cut, and the garbage is counted to the byte', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(garbage, frame), { maxLength: 12 }),
      garbage,
      cuts,
      (list, tail, lengths) => {
        const bytes = Buffer.concat([...list.flatMap(([noise, f]) => [noise, encodeFrame(f)]), tail]);
        const { frames, reader } = readAll(cut(bytes, lengths));
        assert.deepEqual(
          frames,
          list.map(([, f]) => f),
        );
        const noise = list.reduce((sum, [n]) => sum + n.length, tail.length);
        assert.deepEqual(reader.counters, { frames: list.length, garbage: noise, damaged: 0 });
      },
    ),
    { numRuns },
  );
});

test('flipped bits cost the frames they are in and no other', () => {
  const flip = fc.tuple(fc.nat(), fc.nat(7));
  fc.assert(
    fc.property(
      fc.array(frame, { minLength: 1, maxLength: 12 }),
      fc.array(flip, { minLength: 1, maxLength: 3 }),
      cuts,
      (list, flips, lengths) => {
        const encoded = list.map((f) => Buffer.from(encodeFrame(f)));
        const bytes = Buffer.concat(encoded);
        for (const [at, bit] of flips) bytes[at % bytes.length]! ^= 1 << bit;
        let at = 0;
        const whole = list.filter((_, i) => {
          const original = encoded[i]!;
          at += original.length;
          return bytes.subarray(at - original.length, at).equals(original);
        });
        const { frames, reader } = readAll(cut(bytes, lengths));
        assert.deepEqual(
          frames,
          whole,
          'a header that is damaged announces nothing, so nothing waits for its payload',
        );
        const lost = list.length - whole.length;
        assert.ok(reader.counters.damaged <= lost);
        reader.reset();
        assert.equal(
          reader.counters.garbage + whole.reduce((n, f) => n + HEADER_BYTES + f.payload.length, 0),
          bytes.length,
        );
      },
    ),
    { numRuns },
  );
});

test('random bytes never throw and never take more memory than one frame', () => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 2_000 }),
    fc
      .array(fc.constantFrom(...Buffer.from('WOCF\x01\x05\0')), { maxLength: 2_000 })
      .map((l) => Uint8Array.from(l)),
  );
  fc.assert(
    fc.property(
      fc.array(noise, { maxLength: 10 }),
      fc.array(fc.boolean(), { maxLength: 10 }),
      (chunks, ticks) => {
        const reader = new FrameReader(() => {});
        chunks.forEach((chunk, i) => {
          reader.push(chunk);
          if (ticks[i]) reader.tick();
          assert.ok(reader.capacity <= MAX_FRAME_BYTES);
        });
        assert.ok(reader.counters.garbage <= chunks.reduce((sum, c) => sum + c.length, 0));
      },
    ),
    { numRuns },
  );
});

test('the largest frame passes byte by byte and whole; a larger one is not made', () => {
  const payload = new Uint8Array(MAX_PAYLOAD_BYTES).map((_, i) => i * 7);
  const largest: Frame = { type: 'data', guest: 1, host: 2, payload };
  const bytes = encodeFrame(largest);
  assert.equal(bytes.length, MAX_FRAME_BYTES);
  for (const lengths of [[bytes.length], [1, 65_536], [4_097]])
    assert.deepEqual(readAll(cut(bytes, lengths)).frames, [largest]);
  assert.throws(
    () => encodeFrame({ ...largest, payload: new Uint8Array(MAX_PAYLOAD_BYTES + 1) }),
    RangeError,
  );
});

test('memory goes back once a large frame is through', () => {
  const reader = new FrameReader(() => {});
  reader.push(encodeFrame({ type: 'data', guest: 1, host: 2, payload: new Uint8Array(900_000) }));
  assert.ok(reader.capacity > 900_000);
  reader.tick();
  assert.ok(reader.capacity < 32_768);
});

test('a frame whose writer died in the middle of it does not swallow those after it', () => {
  const frames: Frame[] = [];
  const reader = new FrameReader((f) => frames.push({ ...f, payload: Uint8Array.from(f.payload) }));
  const dead = encodeFrame({ type: 'data', guest: 1, host: 1, payload: new Uint8Array(500_000) });
  const hello: Frame = { type: 'hello', guest: 9, host: 0, payload: new Uint8Array() };
  reader.push(dead.subarray(0, 1_000));
  reader.push(encodeFrame(hello));
  for (let i = 0; i < 3; i++) reader.tick();
  assert.deepEqual(frames, []);
  reader.tick();
  assert.deepEqual(frames, [hello]);
  assert.equal(reader.counters.garbage, 1_000);
});

test('frames inside a damaged frame are found', () => {
  const inner: Frame = { type: 'data', guest: 3, host: 4, payload: Buffer.from('inside') };
  const outer = encodeFrame({ type: 'data', guest: 1, host: 2, payload: Buffer.alloc(200) });
  const bytes = Buffer.concat([outer.subarray(0, 60), encodeFrame(inner), Buffer.alloc(400)]);
  const { frames, reader } = readAll([bytes]);
  assert.deepEqual(
    frames.map((f) => Buffer.from(f.payload).toString()),
    ['inside'],
  );
  assert.equal(reader.counters.damaged, 1);
});

test('headers made to be searched again and again cost no more than their bytes allow', () => {
  // Every 28 bytes a good header that announces almost a megabyte with a checksum that is never right.
  const header = Buffer.from(encodeFrame({ type: 'data', guest: 1, host: 2, payload: new Uint8Array() }));
  header.writeUInt32LE(MAX_PAYLOAD_BYTES, 16);
  header.writeUInt32LE(0x1234, 20);
  header.writeUInt32LE(crc32(header.subarray(0, 24)), 24);
  const bytes = Buffer.concat(
    Array.from({ length: Math.ceil((4 * MAX_FRAME_BYTES) / header.length) }, () => header),
  );
  const before = process.cpuUsage();
  const { reader } = readAll(cut(bytes, [65_536]));
  const { user } = process.cpuUsage(before);
  assert.ok(reader.counters.damaged <= 16, `${reader.counters.damaged} checksums of a megabyte`);
  assert.ok(user < 2_000_000, `${user} µs`);
});
