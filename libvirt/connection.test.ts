import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Connection } from './connection.ts';
import { LibvirtError, RemoteError } from './errors.ts';
import { encodeFrame, FrameStatus, FrameType, rawFrame, type Frame } from './frame.ts';
import { closeConnection, openConnection, type OpenOptions } from './open.ts';
import { KEEPALIVE_PROGRAM, REMOTE_PROGRAM } from './procedure.ts';
import { AuthPolkit, ConnectGetHostname, ConnectOpen, hostname } from './procedures-connect.ts';
import { DomainLookupByName, domainByName } from './procedures-domain.ts';
import { DomainOpenConsole, openConsole } from './procedures-stream.ts';
import { argumentsOf, startFakeLibvirtd, type FakeLibvirtd, type Handler } from './testing/fake-libvirtd.ts';
import { until } from './testing/wait.ts';

const guest = { uuid: '5a5c6b1e-4f4e-4e2b-8f3c-0d8f5f1c2b3a' };

async function opened(
  t: TestContext,
  handler: Handler,
  options: OpenOptions = {},
  server: Parameters<typeof startFakeLibvirtd>[1] = {},
): Promise<{ connection: Connection; fake: FakeLibvirtd }> {
  const fake = await startFakeLibvirtd(handler, server);
  const connection = await openConnection({ target: { unix: fake.socket }, ...options });
  t.after(async () => {
    connection.destroy();
    await fake.stop();
  });
  return { connection, fake };
}

const code = (expected: string) => (error: unknown) =>
  error instanceof LibvirtError && error.code === expected;
const silent: Handler = () => {};
const sayName: Handler = (peer, frame) => peer.reply(frame, ConnectGetHostname, { hostname: 'host1' });

test('a connection authenticates, agrees on keepalive, opens the driver, and says good-bye', async (t) => {
  const { connection, fake } = await opened(t, sayName, { uri: 'qemu:///system', readOnly: true });
  assert.equal(await hostname(connection), 'host1');
  await closeConnection(connection);
  assert.deepEqual(
    fake.received.map((frame) => frame.procedure),
    [66, 60, 1, 59, 2],
  );
  assert.deepEqual(argumentsOf(ConnectOpen, fake.received[2] as Frame), { name: 'qemu:///system', flags: 1 });
});

test('answers find their calls in any order', async (t) => {
  const held: Frame[] = [];
  const { connection } = await opened(t, (peer, frame) => {
    held.push(frame);
    if (held.length < 3) return;
    for (const call of held.toReversed()) {
      const { name } = argumentsOf(DomainLookupByName, call);
      peer.reply(call, DomainLookupByName, { domain: { name, uuid: guest.uuid, id: 1 } });
    }
  });
  const names = ['a', 'b', 'c'];
  const domains = await Promise.all(names.map((name) => domainByName(connection, name)));
  assert.deepEqual(
    domains.map(({ name }) => name),
    names,
  );
});

test('an error that libvirt answers rejects its call only', async (t) => {
  const { connection } = await opened(t, (peer, frame, server) => {
    if (frame.procedure === DomainLookupByName.number)
      peer.error(frame, { number: 42, message: 'no domain' });
    else sayName(peer, frame, server);
  });
  await assert.rejects(
    domainByName(connection, 'x'),
    (error) => error instanceof RemoteError && error.reason === 'noDomain',
  );
  assert.equal(await hostname(connection), 'host1');
});

test('a lost socket fails every call and stream that waits, and every later one', async (t) => {
  const { connection, fake } = await opened(t, (peer, frame) => {
    if (frame.procedure === DomainOpenConsole.number) peer.reply(frame, DomainOpenConsole, {});
  });
  const stream = await openConsole(connection, guest);
  const reading = stream.readAll();
  const waiting = Array.from({ length: 10 }, () => hostname(connection));
  await until(() => fake.received.filter((frame) => frame.procedure === 59).length === 4);
  fake.peers[0]?.socket.destroy();
  const outcomes = await Promise.allSettled([...waiting, reading, stream.ended]);
  for (const outcome of outcomes) assert.ok(outcome.status === 'rejected' && code('lost')(outcome.reason));
  await assert.rejects(hostname(connection), code('lost'));
  assert.equal((await connection.closed).code, 'lost');
});

test('a call keeps its deadline; the late answer is counted and harms nobody', async (t) => {
  const held: Frame[] = [];
  const { connection, fake } = await opened(t, (_peer, frame) => held.push(frame));
  await assert.rejects(hostname(connection, { timeoutMs: 20 }), code('timeout'));
  const next = hostname(connection);
  await until(() => held.length === 2);
  for (const frame of held)
    fake.peers[0]?.reply(frame, ConnectGetHostname, { hostname: `call ${frame.serial}` });
  assert.equal(await next, `call ${held[1]?.serial}`);
  assert.equal(connection.counters.lateReplies, 1);
});

test('a call can be aborted, before and after it was sent', async (t) => {
  const { connection, fake } = await opened(t, silent, { maxInFlight: 1 });
  const sent = new AbortController();
  const queued = new AbortController();
  const first = hostname(connection, { signal: sent.signal });
  const second = hostname(connection, { signal: queued.signal });
  await until(() => fake.received.length === 4);
  queued.abort(new Error('changed my mind'));
  await assert.rejects(second, code('aborted'));
  sent.abort();
  await assert.rejects(first, code('aborted'));
  await assert.rejects(hostname(connection, { signal: AbortSignal.abort() }), code('aborted'));
  assert.equal(fake.received.length, 4);
});

test('no more calls are in flight than libvirtd reads, and none is lost by waiting', async (t) => {
  let inFlight = 0;
  let most = 0;
  const { connection } = await opened(t, (peer, frame, server) => {
    most = Math.max(most, ++inFlight);
    setImmediate(() => {
      inFlight--;
      sayName(peer, frame, server);
    });
  });
  const names = await Promise.all(Array.from({ length: 100 }, () => hostname(connection)));
  assert.equal(names.length, 100);
  assert.equal(most, 4);
});

test('more waiting calls than allowed are refused at once', async (t) => {
  const { connection } = await opened(t, silent, { maxInFlight: 1, maxQueued: 2 });
  const waiting = Array.from({ length: 2 }, () => hostname(connection));
  const outcomes = Promise.allSettled(waiting);
  waiting.push(hostname(connection));
  await assert.rejects(hostname(connection), code('overloaded'));
  connection.destroy();
  for (const outcome of await outcomes)
    assert.ok(outcome.status === 'rejected' && code('closed')(outcome.reason));
  await assert.rejects(waiting[2] as Promise<string>, code('closed'));
});

const badAnswers: readonly (readonly [string, (frame: Frame) => Buffer])[] = [
  ['a reply to nobody', (f) => rawFrame({ ...f, type: FrameType.reply, serial: 999 })],
  ['a reply of another procedure', (f) => rawFrame({ ...f, type: FrameType.reply, procedure: 60 })],
  ['a reply of another program', (f) => rawFrame({ ...f, type: FrameType.reply, program: 1 })],
  [
    'a reply that says it continues',
    (f) => rawFrame({ ...f, type: FrameType.reply, status: FrameStatus.continue }),
  ],
  [
    'a reply whose payload is cut short',
    (f) => rawFrame({ ...f, type: FrameType.reply }, Buffer.from([0, 0, 0, 9])),
  ],
  ['a reply with bytes left over', (f) => rawFrame({ ...f, type: FrameType.reply }, Buffer.alloc(8))],
  ['an error that is none', (f) => rawFrame({ ...f, type: FrameType.reply, status: FrameStatus.error })],
  ['another protocol version', (f) => rawFrame({ ...f, type: FrameType.reply, version: 2 })],
  ['a call from the server', (f) => rawFrame({ ...f, type: FrameType.call })],
  ['a reply with file descriptors', (f) => rawFrame({ ...f, type: FrameType.replyWithFds })],
  ['a packet shorter than its header', () => Buffer.alloc(28)],
];
for (const [what, answer] of badAnswers) {
  test(`${what} ends the connection as malformed`, async (t) => {
    const { connection } = await opened(t, (peer, frame) => peer.raw(answer(frame)));
    await assert.rejects(hostname(connection), (error) => code('malformed')(error) || code('lost')(error));
    assert.equal((await connection.closed).code, 'malformed');
    await assert.rejects(hostname(connection), code('lost'));
  });
}

test('a keepalive question is answered', async (t) => {
  const { fake } = await opened(t, silent);
  fake.peers[0]?.ping();
  await until(() =>
    fake.received.some((frame) => frame.program === KEEPALIVE_PROGRAM && frame.procedure === 2),
  );
});

test('a server that falls silent is noticed, and one that answers keepalive is kept', async (t) => {
  const keepalive = { intervalMs: 10, count: 3 };
  const dead = await opened(t, silent, { keepalive });
  const call = hostname(dead.connection, { timeoutMs: Infinity });
  await assert.rejects(call, code('lost'));
  assert.equal(dead.fake.received.filter((frame) => frame.program === KEEPALIVE_PROGRAM).length, 3);

  let asked = 0;
  const alive = await opened(
    t,
    (peer, frame) => {
      if (frame.program !== KEEPALIVE_PROGRAM) return;
      asked++;
      peer.raw(rawFrame({ ...frame, procedure: 2 }));
    },
    { keepalive },
  );
  await until(() => asked >= 10);
  assert.equal(alive.connection.isClosed, false);
});

test('a server without keepalive is not asked', async (t) => {
  const { connection, fake } = await opened(
    t,
    sayName,
    { keepalive: { intervalMs: 1, count: 1 } },
    { keepalive: false },
  );
  for (let i = 0; i < 20; i++) {
    assert.equal(await hostname(connection), 'host1');
    await delay(1);
  }
  assert.equal(fake.received.filter((frame) => frame.program === KEEPALIVE_PROGRAM).length, 0);
});

test('messages that come before the reply of the call that caused them are delivered first', async (t) => {
  const order: string[] = [];
  const { connection } = await opened(t, (peer, frame, server) => {
    peer.raw(
      rawFrame({
        program: REMOTE_PROGRAM,
        version: 1,
        procedure: 318,
        type: FrameType.message,
        serial: 0,
        status: 0,
      }),
    );
    sayName(peer, frame, server);
  });
  connection.onMessage((frame) => order.push(`message ${frame.procedure}`));
  await hostname(connection).then((name) => order.push(name));
  assert.deepEqual(order, ['message 318', 'host1']);
});

test('authentication that we do not speak is refused, not tried', async (t) => {
  const fake = await startFakeLibvirtd(silent, { auth: [1] });
  t.after(() => fake.stop());
  await assert.rejects(openConnection({ target: { unix: fake.socket } }), code('refused'));
});

test('polkit is asked where libvirt wants it, and its refusal is told', async (t) => {
  let refuse = false;
  const handler: Handler = (peer, frame) => {
    if (refuse) peer.error(frame, { number: 45, message: 'authentication failed: access denied by policy' });
    else peer.reply(frame, AuthPolkit, { complete: 1 });
  };
  const { fake } = await opened(t, handler, {}, { auth: [2] });
  assert.deepEqual(
    fake.received.map((frame) => frame.procedure),
    [66, 70, 60, 1],
  );
  refuse = true;
  await assert.rejects(openConnection({ target: { unix: fake.socket } }), { reason: 'authFailed' });
});

test('nobody there, and a server that never answers, are told apart', async (t) => {
  await assert.rejects(openConnection({ target: { unix: '/nonexistent/sock' } }), code('unreachable'));
  const fake = await startFakeLibvirtd(silent, { mute: true });
  t.after(() => fake.stop());
  await assert.rejects(
    openConnection({ target: { unix: fake.socket }, connectTimeoutMs: 30 }),
    code('timeout'),
  );
});

test('arguments that cannot be encoded reject the call and keep the connection', async (t) => {
  const { connection } = await opened(t, sayName);
  await assert.rejects(openConsole(connection, { uuid: 'web' }), code('invalid'));
  assert.equal(await hostname(connection), 'host1');
});

test('a packet may be as large as the protocol allows', async (t) => {
  const name = 'x'.repeat(4_194_304);
  const { connection } = await opened(t, (peer, frame) =>
    peer.raw(encodeFrame({ ...frame, type: FrameType.reply }, ConnectGetHostname.ret, { hostname: name })),
  );
  assert.equal((await hostname(connection)).length, name.length);
});
