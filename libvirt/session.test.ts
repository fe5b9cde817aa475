import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { int, struct } from './codec.ts';
import { LibvirtError } from './errors.ts';
import { DomainEventDeregister, DomainEventRegister, MonitorEventRegister } from './events.ts';
import { QEMU_PROGRAM, REMOTE_PROGRAM } from './procedure.ts';
import { ConnectGetHostname, hostname } from './procedures-connect.ts';
import { openSession, Session, type SessionOptions } from './session.ts';
import {
  argumentsOf,
  startFakeLibvirtd,
  type FakeLibvirtd,
  type FakePeer,
  type Handler,
} from './testing/fake-libvirtd.ts';
import { until } from './testing/wait.ts';
import { domainRef } from './wire.ts';

const web = { name: 'web', uuid: '5a5c6b1e-4f4e-4e2b-8f3c-0d8f5f1c2b3a', id: 2 };
const code = (expected: string) => (error: unknown) =>
  error instanceof LibvirtError && error.code === expected;
const quick = { minMs: 1, maxMs: 4 };

const lifecycle = struct({ callbackId: int, domain: domainRef, event: int, detail: int });
const started = (peer: FakePeer, detail: number): void =>
  peer.message(REMOTE_PROGRAM, 318, lifecycle, { callbackId: 0, domain: web, event: 2, detail });

/** Registers whatever is asked for. */
const agreeable: Handler = (peer, frame) => {
  if (frame.program === QEMU_PROGRAM) peer.reply(frame, MonitorEventRegister, { callbackId: 7 });
  else if (frame.procedure === DomainEventRegister.number)
    peer.reply(frame, DomainEventRegister, { callbackId: 5 });
  else if (frame.procedure === DomainEventDeregister.number) peer.reply(frame, DomainEventDeregister, {});
  else peer.reply(frame, ConnectGetHostname, { hostname: 'host1' });
};

async function opened(
  t: TestContext,
  handler: Handler,
  options: SessionOptions = {},
): Promise<{ fake: FakeLibvirtd; session: Session }> {
  const fake = await startFakeLibvirtd(handler);
  const session = new Session({ target: { unix: fake.socket }, backoff: quick, ...options });
  t.after(async () => {
    await session.close();
    await fake.stop();
  });
  return { fake, session };
}

/** What a session says, in the order it says it. */
function record(session: Session): string[] {
  const said: string[] = [];
  session.on('connected', ({ epoch }) => said.push(`connected ${epoch}`));
  session.on('reconnected', ({ epoch }) => said.push(`reconnected ${epoch}`));
  session.on('disconnected', () => said.push('disconnected'));
  session.on('event', ({ sequence, epoch, event }) => said.push(`#${sequence} epoch ${epoch} ${event.kind}`));
  return said;
}

test('after a loss a session reconnects, registers its events again, and says so before any event', async (t) => {
  // Each connection begins with an event that arrives even before the registration's reply.
  const eager: Handler = (peer, frame, server) => {
    if (frame.procedure === DomainEventRegister.number) started(peer, 0);
    agreeable(peer, frame, server);
  };
  const { fake, session } = await opened(t, eager, { events: ['domain-lifecycle', { monitor: 'STOP' }] });
  const said = record(session);
  session.start();
  await until(() => said.length === 2);
  started(fake.peers[0] as FakePeer, 1);
  await until(() => said.length === 3);
  fake.peers[0]?.socket.destroy();
  await until(() => said.length === 6);
  assert.deepEqual(said, [
    'connected 1',
    '#1 epoch 1 domain-lifecycle',
    '#2 epoch 1 domain-lifecycle',
    'disconnected',
    'reconnected 2',
    '#3 epoch 2 domain-lifecycle',
  ]);
  const registrations = fake.received.filter(
    (f) => f.procedure === DomainEventRegister.number || f.program === QEMU_PROGRAM,
  );
  assert.equal(registrations.length, 4);
  assert.equal(session.counters.losses, 1);
});

test('calls during a loss fail at once, those under way too, and work again afterwards', async (t) => {
  let answer = false;
  const { fake, session } = await opened(t, (peer, frame, server) => {
    if (answer) agreeable(peer, frame, server);
  });
  session.start();
  await session.whenConnected({ timeoutMs: 5_000 });
  const underWay = hostname(session);
  const lost = assert.rejects(underWay, code('lost'));
  session.once('disconnected', () => {
    void assert.rejects(hostname(session), code('disconnected')).then(() => (answer = true));
  });
  await until(() => fake.received.length === 4);
  fake.peers[0]?.socket.destroy();
  await lost;
  await session.whenConnected({ timeoutMs: 5_000 });
  await until(() => answer);
  assert.equal(await hostname(session), 'host1');
});

test('a malformed event is no lost event: the connection is dropped, and reconnected tells', async (t) => {
  const { fake, session } = await opened(t, agreeable, { events: ['domain-lifecycle'] });
  const said = record(session);
  session.start();
  await until(() => said.length === 1);
  fake.peers[0]?.message(REMOTE_PROGRAM, 318, int, 1);
  await until(() => said.includes('reconnected 2'));
  assert.deepEqual(said, ['connected 1', 'disconnected', 'reconnected 2']);
});

test('a message we have no name for is counted', async (t) => {
  const { fake, session } = await opened(t, agreeable);
  session.start();
  await session.whenConnected();
  fake.peers[0]?.message(REMOTE_PROGRAM, 9_999, int, 1);
  await until(() => session.counters.unknownMessages === 1);
});

test('a subscription added later holds on later connections, and one removed does not', async (t) => {
  const { fake, session } = await opened(t, agreeable, { events: ['domain-reboot'] });
  session.start();
  await session.whenConnected();
  await session.subscribe('domain-lifecycle');
  await session.subscribe('domain-lifecycle');
  await session.unsubscribe('domain-reboot');
  const asked = (): number[] =>
    fake.received
      .filter((f) => f.procedure === DomainEventRegister.number)
      .map((f) => argumentsOf(DomainEventRegister, f).eventId);
  assert.deepEqual(asked(), [1, 0]);
  const deregistered = fake.received.find((f) => f.procedure === DomainEventDeregister.number);
  assert.ok(deregistered !== undefined);
  assert.deepEqual(argumentsOf(DomainEventDeregister, deregistered), { callbackId: 5 });
  const again = new Promise<void>((done) => session.once('reconnected', () => done()));
  fake.peers[0]?.socket.destroy();
  await again;
  assert.deepEqual(asked(), [1, 0, 0]);
});

test('pauses between attempts grow, are jittered, and are bounded', async (t) => {
  const pauses: number[] = [];
  const session = new Session({ target: { unix: '/nonexistent/sock' }, backoff: { minMs: 2, maxMs: 8 } });
  t.after(() => session.close());
  session.on('retry', (reason, ms) => {
    assert.equal(reason.code, 'unreachable');
    pauses.push(ms);
  });
  session.start();
  await until(() => pauses.length >= 12);
  pauses.forEach((pause, i) => {
    const bound = Math.min(8, 2 ** (i + 1));
    assert.ok(pause >= bound / 2 && pause <= bound, `${i}: ${pause}`);
  });
  assert.ok(new Set(pauses).size > 6);
});

test('opening says why nobody could be reached', async () => {
  await assert.rejects(
    openSession({ target: { unix: '/nonexistent/sock' }, timeoutMs: 30, backoff: quick }),
    (error) => {
      assert.ok(code('timeout')(error));
      assert.match((error as LibvirtError).message, /ENOENT/);
      return true;
    },
  );
});

test('a closed session stays closed: waiters, calls and attempts end', async (t) => {
  const { fake, session } = await opened(t, agreeable);
  session.start();
  await session.whenConnected();
  await session.close();
  await assert.rejects(hostname(session), code('closed'));
  await assert.rejects(session.whenConnected(), code('closed'));
  assert.equal(fake.received.at(-1)?.procedure, 2);
  const never = new Session({ target: { unix: '/nonexistent/sock' } });
  never.start();
  const waiting = assert.rejects(never.whenConnected(), code('closed'));
  await never.close();
  await waiting;
});
