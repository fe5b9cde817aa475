// Against a real libvirtd: the host, domains through their life, events, statistics, loss and return.
import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DomainStats, DomainXml, ListDomains, MetadataType } from './constants.ts';
import { isRemote, RemoteError } from './errors.ts';
import { ErrorNumber } from './constants-error.ts';
import { closeConnection, openConnection } from './open.ts';
import * as host from './procedures-connect.ts';
import * as domains from './procedures-domain.ts';
import { agentCommand, humanMonitorCommand, monitorCommand } from './procedures-guest.ts';
import { allDomainStats, memoryStats } from './procedures-stats.ts';
import { openSession, type Session } from './session.ts';
import { guestXml } from './testing/guest-xml.ts';
import { startPrivateLibvirtd, type PrivateLibvirtd } from './testing/libvirtd.ts';
import { collect, until } from './testing/wait.ts';

let libvirtd: PrivateLibvirtd;
let session: Session;

before(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'lv-'));
  libvirtd = await startPrivateLibvirtd({
    dir,
    hostname: 'host1',
    cacheDir: join(tmpdir(), 'wocloud-qemu-capabilities'),
  });
  session = await openSession({
    target: { unix: libvirtd.socket },
    events: ['domain-lifecycle', 'domain-reboot', 'domain-metadata-change', { monitor: null }],
    backoff: { minMs: 10, maxMs: 100 },
    callTimeoutMs: 60_000,
  });
});

after(async () => {
  await session?.close();
  await libvirtd?.stop({ purge: true });
});

test('the host tells its name, driver, versions, CPUs and capabilities', async () => {
  assert.equal(await host.hostname(session), 'host1');
  assert.equal(await host.connectUri(session), 'qemu:///system');
  assert.ok((await host.libvirtVersion(session)).major >= 7);
  assert.ok((await host.hypervisorVersion(session)).major >= 5);
  const node = await host.nodeInfo(session);
  assert.ok(node.cpus > 0 && node.memory > 100_000n && node.model.length > 2);
  assert.ok((await host.capabilities(session)).includes(`<uuid>${libvirtd.hostUuid}</uuid>`));
  assert.match(
    await host.domainCapabilities(session, { virtType: 'qemu', arch: 'x86_64' }),
    /<domainCapabilities>/,
  );
});

test('a domain lives from definition to undefinition, and each step is an event', async () => {
  const uuid = '11111111-1111-4111-8111-111111111111';
  const events = collect(session, 'domain-lifecycle');
  const defined = await domains.defineDomain(session, guestXml({ name: 'life', uuid }));
  assert.deepEqual(defined, { name: 'life', uuid, id: -1 });
  assert.deepEqual(await domains.domainState(session, { uuid }), { state: 'shutoff', reason: 'unknown' });

  const running = await domains.createDomain(session, { uuid });
  assert.ok(running.id > 0);
  assert.deepEqual(await domains.domainById(session, running.id), running);
  assert.deepEqual(await domains.domainByName(session, 'life'), running);
  assert.deepEqual(await domains.domainByUuid(session, uuid), running);
  assert.equal(await domains.domainIsActive(session, { uuid }), true);
  assert.deepEqual(await domains.domainState(session, { uuid }), { state: 'running', reason: 'booted' });
  assert.match(
    await domains.domainXml(session, { uuid }),
    new RegExp(`<domain type='qemu' id='${running.id}'>`),
  );
  assert.match(await domains.domainXml(session, { uuid }, DomainXml.inactive), /<domain type='qemu'>/);

  await domains.suspendDomain(session, { uuid });
  assert.deepEqual(await domains.domainState(session, { uuid }), { state: 'paused', reason: 'user' });
  await domains.resumeDomain(session, { uuid });
  await domains.resetDomain(session, { uuid });
  await domains.rebootDomain(session, { uuid });
  await domains.shutdownDomain(session, { uuid });
  await domains.destroyDomain(session, { uuid });
  await domains.renameDomain(session, { uuid }, 'afterlife');
  assert.equal((await domains.domainByUuid(session, uuid)).name, 'afterlife');
  await domains.setDomainAutostart(session, { uuid }, true);
  assert.equal(await domains.domainAutostart(session, { uuid }), true);
  await domains.undefineDomain(session, { uuid });

  await until(() => events.at(-1)?.event === 'undefined');
  assert.deepEqual(
    events.map(({ event, detail }) => `${event} ${detail}`).filter((step) => !step.startsWith('shutdown')),
    [
      'defined added',
      'resumed unpaused',
      'started booted',
      'suspended paused',
      'resumed unpaused',
      'stopped destroyed',
      'undefined renamed',
      'defined renamed',
      'undefined removed',
    ],
  );
});

test('what libvirt refuses is a RemoteError with its number', async () => {
  const nobody = { uuid: '99999999-9999-4999-8999-999999999999' };
  await assert.rejects(domains.domainXml(session, nobody), (error) => isRemote(error, ErrorNumber.noDomain));
  await assert.rejects(
    domains.defineDomain(session, '<domain'),
    (error) => error instanceof RemoteError && error.reason === 'xmlDetail',
  );
});

test('filters of the list tell running from defined', async () => {
  const defined = await domains.defineDomain(session, guestXml({ name: 'defined' }));
  const running = await domains.createDomainXml(session, guestXml({ name: 'running' }));
  const names = async (flags: number): Promise<string[]> =>
    (await domains.listDomains(session, flags)).map(({ name }) => name).toSorted();
  assert.deepEqual(await names(0), ['defined', 'running']);
  assert.deepEqual(await names(ListDomains.active), ['running']);
  assert.deepEqual(await names(ListDomains.inactive), ['defined']);
  assert.deepEqual(await names(ListDomains.transient), ['running']);
  await domains.destroyDomain(session, running);
  await domains.undefineDomain(session, defined);
});

test('statistics of all domains come in one call, with libvirt’s own names', async () => {
  const guest = await domains.createDomainXml(session, guestXml({ name: 'stats' }));
  const [record] = await allDomainStats(session, {
    stats: DomainStats.state | DomainStats.cpuTotal | DomainStats.vcpu,
  });
  assert.deepEqual(record?.domain, guest);
  assert.equal(record?.params['state.state'], 1);
  assert.equal(typeof record?.params['cpu.time'], 'bigint');
  const only = await allDomainStats(session, { stats: DomainStats.state, domains: [{ uuid: guest.uuid }] });
  assert.equal(only.length, 1);
  assert.ok(((await memoryStats(session, guest))['rss'] ?? 0n) > 1_000n);
  await domains.destroyDomain(session, guest);
});

test('metadata under a namespace of ours is set, read, told as an event, and taken away', async () => {
  const guest = await domains.createDomainXml(session, guestXml({ name: 'metadata' }));
  const events = collect(session, 'domain-metadata-change');
  const uri = 'https://wocloud.example/metadata/1';
  const { element } = MetadataType;
  assert.equal(await domains.domainMetadata(session, guest, element, uri), undefined);
  await domains.setDomainMetadata(session, guest, {
    type: element,
    metadata: "<vm tenant='acme'/>",
    key: 'wocloud',
    uri,
  });
  assert.equal(await domains.domainMetadata(session, guest, element, uri), '<vm tenant="acme"/>');
  await domains.setDomainMetadata(session, guest, { type: element, metadata: null, key: 'wocloud', uri });
  assert.equal(await domains.domainMetadata(session, guest, element, uri), undefined);
  await until(() => events.length === 2);
  assert.deepEqual(
    events.map(({ type, namespaceUri }) => [type, namespaceUri]),
    [
      ['element', uri],
      ['element', uri],
    ],
  );
  await domains.destroyDomain(session, guest);
});

test('the QEMU monitor answers commands, refuses with its own words, and tells its events', async () => {
  const guest = await domains.createDomainXml(session, guestXml({ name: 'monitor' }));
  const events = collect(session, 'monitor');
  assert.deepEqual(await monitorCommand(session, guest, { execute: 'query-name' }), { name: 'monitor' });
  assert.match(await humanMonitorCommand(session, guest, 'info status'), /VM status: running/);
  await assert.rejects(monitorCommand(session, guest, { execute: 'no-such-thing' }), /no-such-thing/);
  await monitorCommand(session, guest, { execute: 'stop' });
  const stop = await until(() => events.find(({ event }) => event === 'STOP'));
  assert.equal(stop.domain.uuid, guest.uuid);
  assert.ok(Math.abs(Number(stop.atMicros / 1000n) - Date.now()) < 60_000);
  await domains.destroyDomain(session, guest);
});

test('a guest without an agent is told as such', async () => {
  const guest = await domains.createDomainXml(session, guestXml({ name: 'agentless' }));
  await assert.rejects(agentCommand(session, guest, { execute: 'guest-ping' }, 1), (error) =>
    isRemote(error, ErrorNumber.argumentUnsupported),
  );
  await domains.destroyDomain(session, guest);
});

test('a read-only connection looks and cannot touch', async () => {
  const connection = await openConnection({ target: { unix: libvirtd.socketReadOnly }, readOnly: true });
  assert.deepEqual(await domains.listDomains(connection), []);
  await assert.rejects(domains.createDomainXml(connection, guestXml({ name: 'no' })), (error) =>
    isRemote(error, ErrorNumber.operationDenied),
  );
  await closeConnection(connection);
});

test('killing libvirtd loses no domain and no later event', async () => {
  const guest = await domains.createDomainXml(session, guestXml({ name: 'survivor' }));
  const reconnected = new Promise<number>((done) => session.once('reconnected', ({ epoch }) => done(epoch)));
  const before = session.epoch;
  await libvirtd.stopDaemon('SIGKILL');
  await until(() => !session.isConnected);
  await assert.rejects(domains.listDomains(session), { code: 'disconnected' });
  await libvirtd.startDaemon();
  assert.equal(await reconnected, before + 1);
  const state = await until(async () => {
    const status = await domains.domainState(session, guest);
    return status.state === 'running' ? status : undefined;
  });
  assert.equal(state.reason, 'booted');
  const events = collect(session, 'domain-lifecycle');
  await until(() => domains.suspendDomain(session, guest).then(() => true));
  await until(() => events.some(({ event, domain }) => event === 'suspended' && domain.uuid === guest.uuid));
  await domains.destroyDomain(session, guest);
});

test('many calls at once on one connection all get their own answers', async () => {
  const refs = await Promise.all(
    Array.from({ length: 40 }, (_, i) => domains.defineDomain(session, guestXml({ name: `many-${i}` }))),
  );
  const xmls = await Promise.all(refs.map((ref) => domains.domainXml(session, ref)));
  xmls.forEach((xml, i) => assert.ok(xml.includes(`<name>many-${i}</name>`)));
  await Promise.all(refs.map((ref) => domains.undefineDomain(session, ref)));
  assert.deepEqual(await domains.listDomains(session), []);
});
