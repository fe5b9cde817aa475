import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Connection } from './connection.ts';
import { LibvirtError, RemoteError } from './errors.ts';
import { encodeFrame, FrameStatus, FrameType, type Frame } from './frame.ts';
import { openConnection } from './open.ts';
import { DomainOpenConsole, DomainScreenshot, openConsole, screenshot } from './procedures-stream.ts';
import { startFakeLibvirtd, type FakePeer } from './testing/fake-libvirtd.ts';
import { until } from './testing/wait.ts';
import { remoteError } from './wire.ts';

const guest = { uuid: '5a5c6b1e-4f4e-4e2b-8f3c-0d8f5f1c2b3a' };
const code = (expected: string) => (error: unknown) =>
  error instanceof LibvirtError && error.code === expected;

/** A server whose console does what the test says, packet by packet; `seen` is what it got on the stream. */
async function withConsole(
  t: TestContext,
  onCall: (peer: FakePeer, call: Frame) => void,
  onPacket: (peer: FakePeer, packet: Frame, seen: string[]) => void = () => {},
  streamBufferMax = 1024,
  beforeReply: (peer: FakePeer, call: Frame) => void = () => {},
): Promise<{ connection: Connection; seen: string[]; peer: () => FakePeer }> {
  const seen: string[] = [];
  const fake = await startFakeLibvirtd((peer, frame) => {
    if (frame.type === FrameType.call) {
      beforeReply(peer, frame);
      if (frame.procedure === DomainScreenshot.number)
        peer.reply(frame, DomainScreenshot, { mime: 'image/png' });
      else peer.reply(frame, DomainOpenConsole, {});
      onCall(peer, frame);
      return;
    }
    assert.equal(frame.type, FrameType.stream);
    const status = Object.entries(FrameStatus).find(([, value]) => value === frame.status)?.[0] ?? '?';
    seen.push(frame.payload.length > 0 ? `${status}:${frame.payload.toString()}` : status);
    onPacket(peer, frame, seen);
  });
  const connection = await openConnection({ target: { unix: fake.socket }, streamBufferMax });
  t.after(async () => {
    connection.destroy();
    await fake.stop();
  });
  return { connection, seen, peer: () => fake.peers[0] as FakePeer };
}

const confirm = (peer: FakePeer, packet: Frame): void => {
  if (packet.status !== FrameStatus.continue) peer.stream(packet, 'ok');
};

test('data arrives in order until the empty packet, which is answered and confirmed', async (t) => {
  const { connection, seen } = await withConsole(
    t,
    (peer, call) => {
      for (const part of ['PNG', ' and', ' more', '']) peer.stream(call, 'continue', Buffer.from(part));
    },
    confirm,
  );
  const picture = await screenshot(connection, guest);
  assert.deepEqual([picture.mime, picture.bytes.toString()], ['image/png', 'PNG and more']);
  await until(() => seen.length > 0);
  assert.deepEqual(seen, ['ok']);
});

test('data and end may come before the reply of the call that opened the stream', async (t) => {
  const { connection, seen } = await withConsole(
    t,
    () => {},
    confirm,
    1024,
    (peer, call) => {
      peer.stream(call, 'continue', Buffer.from('early'));
      peer.stream(call, 'continue');
      peer.stream(call, 'ok');
    },
  );
  assert.equal((await screenshot(connection, guest)).bytes.toString(), 'early');
  await until(() => seen.length > 0);
  assert.deepEqual(seen, ['ok']);
  assert.equal(connection.isClosed, false);
});

test('what is written arrives, and finish waits for the confirmation', async (t) => {
  const { connection, seen } = await withConsole(t, () => {}, confirm);
  const stream = await openConsole(connection, guest);
  await stream.write(Buffer.from('ls\n'));
  await stream.finish();
  assert.deepEqual(seen, ['continue:ls\n', 'ok']);
  await assert.rejects(stream.write(Buffer.from('x')), code('closed'));
});

test('a large write is split into packets that libvirtd takes', async (t) => {
  const sizes: number[] = [];
  const { connection } = await withConsole(
    t,
    () => {},
    (peer, packet) => {
      sizes.push(packet.payload.length);
      confirm(peer, packet);
    },
  );
  const stream = await openConsole(connection, guest);
  await stream.write(Buffer.alloc(600_000));
  await stream.finish();
  assert.deepEqual(sizes, [262_120, 262_120, 75_760, 0]);
});

test('an error on the stream ends reading with what libvirt said, after what had come', async (t) => {
  const { connection } = await withConsole(t, (peer, call) => {
    peer.stream(call, 'continue', Buffer.from('partial'));
    const fields = {
      number: 38,
      domain: 0,
      message: 'gone',
      str1: null,
      str2: null,
      str3: null,
      int1: 0,
      int2: 0,
    };
    peer.raw(
      encodeFrame({ ...call, type: FrameType.stream, status: FrameStatus.error }, remoteError, fields),
    );
  });
  const stream = await openConsole(connection, guest);
  const chunks: string[] = [];
  await assert.rejects(
    (async () => {
      for await (const chunk of stream) chunks.push(chunk.toString());
    })(),
    (error) => error instanceof RemoteError && error.reason === 'systemError',
  );
  assert.deepEqual(chunks, ['partial']);
  await assert.rejects(stream.ended, code('remote'));
});

test('leaving the loop aborts the stream; data still under way is dropped until the confirmation', async (t) => {
  const { connection, seen } = await withConsole(
    t,
    (peer, call) => peer.stream(call, 'continue', Buffer.from('one')),
    (peer, packet) => {
      peer.stream(packet, 'continue', Buffer.from('late'));
      peer.stream(packet, 'ok');
      peer.stream(packet, 'continue', Buffer.from('stray'));
    },
  );
  const stream = await openConsole(connection, guest);
  for await (const chunk of stream) {
    assert.equal(chunk.toString(), 'one');
    break;
  }
  await stream.ended;
  await until(() => connection.counters.strayStreamPackets === 1);
  assert.deepEqual(seen, ['error']);
  assert.equal(connection.isClosed, false);
});

test('a reader that is too slow loses the stream, told as overflow, and nobody else is held up', async (t) => {
  const { connection, seen } = await withConsole(
    t,
    (peer, call) => {
      for (let i = 0; i < 20; i++) peer.stream(call, 'continue', Buffer.alloc(100, i));
    },
    confirm,
    1000,
  );
  const stream = await openConsole(connection, guest);
  await until(() => seen.includes('error'));
  await assert.rejects(stream.readAll(), code('overflow'));
  assert.equal(connection.isClosed, false);
});

test('a stream whose opening was given up is aborted when it opens after all', async (t) => {
  const { connection, seen } = await withConsole(t, () => {}, confirm);
  const abort = new AbortController();
  const opening = openConsole(connection, guest, null, 0, { signal: abort.signal });
  abort.abort();
  await assert.rejects(opening, code('aborted'));
  await until(() => seen.length > 0);
  assert.deepEqual(seen, ['error']);
});

test('a stream packet of another procedure ends the connection as malformed', async (t) => {
  const { connection } = await withConsole(t, (peer, call) =>
    peer.stream({ ...call, procedure: 211 }, 'continue', Buffer.from('x')),
  );
  const stream = await openConsole(connection, guest);
  await assert.rejects(stream.readAll(), code('lost'));
  assert.equal((await connection.closed).code, 'malformed');
});

test('a picture that never ends is given up in time, or when told to', async (t) => {
  const { connection, seen } = await withConsole(
    t,
    (peer, call) => peer.stream(call, 'continue', Buffer.from('half')),
    confirm,
  );
  await assert.rejects(screenshot(connection, guest, 0, { timeoutMs: 20 }), code('timeout'));
  const abort = new AbortController();
  const picture = screenshot(connection, guest, 0, { signal: abort.signal });
  setImmediate(() => abort.abort());
  await assert.rejects(picture, code('aborted'));
  await until(() => seen.length === 2);
  assert.deepEqual(seen, ['error', 'error']);
  assert.equal(connection.isClosed, false);
});
