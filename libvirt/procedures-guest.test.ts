import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Connection } from './connection.ts';
import { openConnection } from './open.ts';
import { QEMU_PROGRAM } from './procedure.ts';
import {
  agentCommand,
  DomainAgentCommand,
  DomainMonitorCommand,
  monitorCommand,
} from './procedures-guest.ts';
import { argumentsOf, startFakeLibvirtd, type Handler } from './testing/fake-libvirtd.ts';

const guest = { uuid: '5a5c6b1e-4f4e-4e2b-8f3c-0d8f5f1c2b3a' };

async function opened(t: TestContext, handler: Handler): Promise<Connection> {
  const fake = await startFakeLibvirtd(handler);
  const connection = await openConnection({ target: { unix: fake.socket } });
  t.after(async () => {
    connection.destroy();
    await fake.stop();
  });
  return connection;
}

const agentSays = (t: TestContext, result: string | null): Promise<Connection> =>
  opened(t, (peer, frame) => peer.reply(frame, DomainAgentCommand, { result }));

test('an agent command carries its JSON and timeout, and gives what the agent returned', async (t) => {
  const asked: unknown[] = [];
  const connection = await opened(t, (peer, frame) => {
    assert.equal(frame.program, QEMU_PROGRAM);
    asked.push(argumentsOf(DomainAgentCommand, frame));
    peer.reply(frame, DomainAgentCommand, { result: '{"return":{"version":"7.2.0"}}' });
  });
  const command = { execute: 'guest-info', arguments: { verbose: true } };
  assert.deepEqual(await agentCommand(connection, guest, command, 3), { version: '7.2.0' });
  assert.deepEqual(asked, [
    { domain: { ...guest, name: '', id: -1 }, command: JSON.stringify(command), timeout: 3, flags: 0 },
  ]);
});

test('an agent that answers nothing gives undefined; one that answers rubbish is refused as invalid', async (t) => {
  assert.equal(
    await agentCommand(await agentSays(t, null), guest, { execute: 'guest-shutdown' }, 0),
    undefined,
  );
  for (const rubbish of ['', '{', '42', 'null', '"text"']) {
    await assert.rejects(agentCommand(await agentSays(t, rubbish), guest, { execute: 'guest-ping' }), {
      code: 'invalid',
    });
  }
});

test('what QEMU refuses is told in its own words', async (t) => {
  const connection = await opened(t, (peer, frame) =>
    peer.reply(frame, DomainMonitorCommand, {
      result: '{"id":"libvirt-1","error":{"class":"GenericError","desc":"no such device"}}',
    }),
  );
  await assert.rejects(monitorCommand(connection, guest, { execute: 'device_del' }), /no such device/);
});
