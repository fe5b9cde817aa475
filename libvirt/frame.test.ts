import assert from 'node:assert/strict';
import { test } from 'node:test';
import { string } from './codec.ts';
import { ProtocolError } from './errors.ts';
import { encodeFrame, FrameParser, FrameStatus, FrameType, rawFrame, type Frame } from './frame.ts';
import { REMOTE_PROGRAM } from './procedure.ts';
import { annotated } from './testing/annotated.ts';

const header = {
  program: REMOTE_PROGRAM,
  version: 1,
  procedure: 59,
  type: FrameType.reply,
  serial: 7,
  status: FrameStatus.ok,
};

const hostnameReply = annotated(
  ['00000028', 'length: 40 bytes, itself included'],
  ['20008086', 'program: remote'],
  ['00000001', 'version'],
  ['0000003b', 'procedure: 59, connect_get_hostname'],
  ['00000001', 'type: reply'],
  ['00000007', 'serial of the call'],
  ['00000000', 'status: ok'],
  ['00000005', 'length of the name'],
  ["'host1", 'the name'],
  ['000000', 'padding'],
);

test('a packet is written as libvirt writes it', () => {
  assert.deepEqual(encodeFrame(header, string, 'host1'), hostnameReply);
  assert.deepEqual(rawFrame(header, hostnameReply.subarray(28)), hostnameReply);
});

test('a packet is read whole, however its bytes are cut', () => {
  const second = rawFrame(
    { ...header, serial: 8, type: FrameType.stream, status: FrameStatus.continue },
    Buffer.from('data'),
  );
  const bytes = Buffer.concat([hostnameReply, second, hostnameReply]);
  const expected = [...new FrameParser().push(bytes)];
  assert.deepEqual(
    expected.map(({ serial, payload }) => [serial, payload.length]),
    [
      [7, 12],
      [8, 4],
      [7, 12],
    ],
  );
  for (let size = 1; size < bytes.length; size++) {
    const parser = new FrameParser();
    const frames: Frame[] = [];
    for (let at = 0; at < bytes.length; at += size)
      frames.push(...parser.push(bytes.subarray(at, at + size)));
    assert.deepEqual(frames, expected, `cut every ${size} bytes`);
    assert.equal(parser.pending, 0);
  }
});

test('a large packet in many small pieces is put together in linear time', () => {
  const big = rawFrame(header, Buffer.alloc(8 * 1024 * 1024, 'x'));
  const parser = new FrameParser();
  const frames: Frame[] = [];
  for (let at = 0; at < big.length; at += 4096) frames.push(...parser.push(big.subarray(at, at + 4096)));
  assert.equal(frames.length, 1);
  assert.equal(frames[0]?.payload.length, 8 * 1024 * 1024);
});

const patched = (offset: number, value: number): Buffer => {
  const bytes = Buffer.from(hostnameReply);
  bytes.writeUInt32BE(value, offset);
  return bytes;
};

const malformed: readonly (readonly [string, Buffer, string])[] = [
  ['a length of nothing', patched(0, 0), 'malformed'],
  ['a length shorter than the header', patched(0, 27), 'malformed'],
  ['a length over the limit', patched(0, 0x02000005), 'too-large'],
  ['the longest length there is', patched(0, 0xffffffff), 'too-large'],
  ['an unknown type', patched(16, 7), 'malformed'],
  ['an unknown status', patched(24, 3), 'malformed'],
  ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'too-large'],
];
for (const [what, bytes, code] of malformed) {
  test(`${what} is refused as ${code}, and so is all that follows`, () => {
    const parser = new FrameParser();
    const refusal = (error: unknown): boolean => error instanceof ProtocolError && error.code === code;
    const given: Frame[] = [];
    assert.throws(() => {
      for (const frame of parser.push(Buffer.concat([hostnameReply, bytes]))) given.push(frame);
    }, refusal);
    assert.equal(given.length, 1);
    assert.throws(() => [...parser.push(hostnameReply)], refusal);
    assert.equal(parser.pending, 0);
  });
}

test('a length alone allocates nothing', () => {
  const parser = new FrameParser();
  assert.deepEqual([...parser.push(patched(0, 0x02000004).subarray(0, 4))], []);
  assert.equal(parser.pending, 4);
});

test('who stops asking for packets finds the rest with the next bytes', () => {
  const parser = new FrameParser();
  for (const frame of parser.push(
    Buffer.concat([hostnameReply, hostnameReply, hostnameReply.subarray(0, 9)]),
  )) {
    assert.equal(frame.serial, 7);
    break;
  }
  assert.equal([...parser.push(hostnameReply.subarray(9))].length, 2);
});
