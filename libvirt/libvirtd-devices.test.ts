// Against a real libvirtd: hot-plugged devices, disks under work, secrets, networks, streams.
import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test, type TestContext } from 'node:test';
import {
  AddressSource,
  Affect,
  BlockJobAbort,
  BlockCommit,
  NetworkSection,
  NetworkUpdateCommand,
  SecretUsage,
  SnapshotCreate,
} from './constants.ts';
import { ErrorNumber } from './constants-error.ts';
import { isRemote } from './errors.ts';
import * as backup from './procedures-backup.ts';
import * as block from './procedures-block.ts';
import { attachDevice, detachDevice, detachDeviceByAlias, updateDevice } from './procedures-device.ts';
import {
  createDomainXml,
  defineDomain,
  createDomain,
  destroyDomain,
  domainState,
  domainXml,
  suspendDomain,
  resumeDomain,
  undefineDomain,
} from './procedures-domain.ts';
import { domainInterfaceAddresses } from './procedures-guest.ts';
import { abortJob, jobStats } from './procedures-migrate.ts';
import * as networks from './procedures-network.ts';
import * as secrets from './procedures-secret.ts';
import * as snapshots from './procedures-snapshot.ts';
import { blockStats, interfaceStats } from './procedures-stats.ts';
import { openConsole, screenshot } from './procedures-stream.ts';
import { openSession, type Session } from './session.ts';
import { diskXml, guestXml, type GuestOptions } from './testing/guest-xml.ts';
import { startPrivateLibvirtd, type PrivateLibvirtd } from './testing/libvirtd.ts';
import { collect, until } from './testing/wait.ts';
import type { DomainRef } from './wire.ts';

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
    events: [
      'domain-device-added',
      'domain-device-removed',
      'domain-block-job-2',
      'domain-job-completed',
      'network-lifecycle',
      'secret-lifecycle',
      'secret-value-changed',
    ],
    callTimeoutMs: 60_000,
  });
});

after(async () => {
  await session?.close();
  await libvirtd?.stop({ purge: true });
});

async function running(t: TestContext, options: GuestOptions): Promise<DomainRef> {
  const domain = await createDomainXml(session, guestXml(options));
  t.after(() => destroyDomain(session, domain));
  return domain;
}

/** A sparse qcow2 image; its path is the same inside and outside. */
async function image(name: string, ...options: string[]): Promise<string> {
  const file = join(libvirtd.dir, name);
  await libvirtd.run(['qemu-img', 'create', '-q', '-f', 'qcow2', ...options, file, '16M']);
  return file;
}

test('a NIC is attached, changed and detached while the domain runs', async (t) => {
  await libvirtd.run(['sh', '-c', 'ip link add br-test type bridge && ip link set br-test up']);
  const domain = await running(t, { name: 'nic' });
  const added = collect(session, 'domain-device-added');
  const nic = (state: string): string =>
    `<interface type='bridge'><mac address='52:54:00:aa:bb:01'/><source bridge='br-test'/><target dev='wo-tap0'/><model type='virtio'/><link state='${state}'/><alias name='ua-nic0'/></interface>`;
  await attachDevice(session, domain, nic('up'), Affect.live);
  const event = await until(() => added[0]);
  assert.deepEqual([event.domain.uuid, event.alias], [domain.uuid, 'ua-nic0']);
  assert.match(await libvirtd.run(['ip', '-o', 'link', 'show', 'wo-tap0']), /master br-test/);
  assert.equal((await interfaceStats(session, domain, 'wo-tap0')).txErrors, 0n);
  await updateDevice(session, domain, nic('down'), Affect.live);
  assert.match(await domainXml(session, domain), /<link state='down'\/>/);
  await assert.rejects(attachDevice(session, domain, '<interface type="nonsense"/>'), (error) =>
    isRemote(error, ErrorNumber.xmlError),
  );
});

test('a device is detached, by its XML and by its alias', async (t) => {
  const domain = await running(t, { name: 'usb', usb: true });
  const added = collect(session, 'domain-device-added');
  const removed = collect(session, 'domain-device-removed');
  const tablet = (alias: string): string => `<input type='tablet' bus='usb'><alias name='${alias}'/></input>`;
  await attachDevice(session, domain, tablet('ua-one'), Affect.live);
  await attachDevice(session, domain, tablet('ua-two'), Affect.live);
  await until(() => added.length === 2);
  await detachDevice(session, domain, tablet('ua-one'), Affect.live);
  await detachDeviceByAlias(session, domain, 'ua-two', Affect.live);
  await until(() => removed.length === 2);
  assert.deepEqual(
    removed.map(({ alias }) => alias),
    ['ua-one', 'ua-two'],
  );
  assert.doesNotMatch(await domainXml(session, domain), /ua-/);
});

test('snapshots are taken, listed, reverted to and deleted', async (t) => {
  const file = await image('snapshot.qcow2');
  const domain = await defineDomain(session, guestXml({ name: 'snapshots', devices: diskXml(file) }));
  t.after(() => undefineDomain(session, domain));
  assert.equal(await snapshots.currentSnapshot(session, domain), undefined);
  const first = await snapshots.createSnapshot(
    session,
    domain,
    '<domainsnapshot><name>first</name></domainsnapshot>',
  );
  await snapshots.createSnapshot(session, domain, '<domainsnapshot><name>second</name></domainsnapshot>');
  const names = async (): Promise<string[]> =>
    (await snapshots.listSnapshots(session, domain)).map(({ name }) => name).toSorted();
  assert.deepEqual(await names(), ['first', 'second']);
  assert.equal((await snapshots.currentSnapshot(session, domain))?.name, 'second');
  await snapshots.revertToSnapshot(session, first);
  assert.equal((await snapshots.currentSnapshot(session, domain))?.name, 'first');
  assert.match(await snapshots.snapshotXml(session, first), /<state>shutoff<\/state>/);
  await snapshots.deleteSnapshot(session, await snapshots.snapshotByName(session, domain, 'second'));
  assert.deepEqual(await names(), ['first']);
  await snapshots.deleteSnapshot(session, first);
  await assert.rejects(snapshots.snapshotByName(session, domain, 'first'), (error) =>
    isRemote(error, ErrorNumber.noDomainSnapshot),
  );
});

test('an external snapshot is committed back by a block job that tells how it stands', async (t) => {
  const file = await image('commit.qcow2');
  const domain = await running(t, { name: 'commit', devices: diskXml(file) });
  const jobs = collect(session, 'domain-block-job-2');
  await snapshots.createSnapshot(
    session,
    domain,
    `<domainsnapshot><disks><disk name='vda' snapshot='external'><source file='${file}.overlay'/></disk></disks></domainsnapshot>`,
    SnapshotCreate.diskOnly | SnapshotCreate.noMetadata,
  );
  assert.match(await domainXml(session, domain), /commit\.qcow2\.overlay/);
  assert.equal(await block.blockJob(session, domain, 'vda'), undefined);
  await block.commitBlock(session, domain, 'vda', { flags: BlockCommit.active });
  await until(() => jobs.some(({ status }) => status === 'ready'));
  assert.equal((await block.blockJob(session, domain, 'vda'))?.type, 'activeCommit');
  await block.setBlockJobSpeed(session, domain, 'vda', 5n);
  await block.abortBlockJob(session, domain, 'vda', BlockJobAbort.pivot);
  await until(() => jobs.some(({ status }) => status === 'completed'));
  assert.doesNotMatch(await domainXml(session, domain), /overlay/);
});

test('a disk is copied while in use, and pulled off its backing image', async (t) => {
  const base = await image('base.qcow2');
  const file = await image('top.qcow2', '-b', base, '-F', 'qcow2');
  const domain = await running(t, { name: 'copy', devices: diskXml(file) });
  const jobs = collect(session, 'domain-block-job-2');
  await block.copyBlock(
    session,
    domain,
    'vda',
    `<disk type='file'><driver type='qcow2'/><source file='${file}.copy'/></disk>`,
  );
  await until(() => jobs.some(({ type, status }) => type === 'copy' && status === 'ready'));
  await block.abortBlockJob(session, domain, 'vda');
  await block.pullBlock(session, domain, 'vda');
  await until(() => jobs.some(({ type, status }) => type === 'pull' && status === 'completed'));
  assert.ok((await blockStats(session, domain, 'vda')).readRequests >= 0n);
});

test('a pull backup serves the disk until its job is ended; a checkpoint stays', async (t) => {
  const file = await image('backup.qcow2');
  const domain = await defineDomain(session, guestXml({ name: 'backup', devices: diskXml(file) }));
  await createDomain(session, domain);
  t.after(async () => {
    await destroyDomain(session, domain);
    await undefineDomain(session, domain, 1 << 4);
  });
  const completed = collect(session, 'domain-job-completed');
  assert.equal(await backup.backupXml(session, domain), undefined);
  await backup.beginBackup(
    session,
    domain,
    `<domainbackup mode='pull'><server transport='unix' socket='${libvirtd.dir}/nbd.sock'/><disks><disk name='vda' type='file'><scratch file='${file}.scratch'/></disk></disks></domainbackup>`,
    '<domaincheckpoint><name>since-monday</name></domaincheckpoint>',
  );
  assert.match((await backup.backupXml(session, domain)) ?? '', /<domainbackup mode='pull'/);
  assert.notEqual((await jobStats(session, domain)).type, 'none');
  const info = await libvirtd.run([
    'qemu-img',
    'info',
    '--output=json',
    `nbd+unix:///vda?socket=${libvirtd.dir}/nbd.sock`,
  ]);
  assert.equal((JSON.parse(info) as { 'virtual-size': number })['virtual-size'], 16 * 1024 * 1024);
  await abortJob(session, domain);
  await until(() => completed.some((event) => event.domain.uuid === domain.uuid));
  await until(async () => (await jobStats(session, domain)).type === 'none');

  assert.deepEqual(
    (await backup.listCheckpoints(session, domain)).map(({ name }) => name),
    ['since-monday'],
  );
  const checkpoint = await backup.checkpointByName(session, domain, 'since-monday');
  assert.match(await backup.checkpointXml(session, checkpoint), /<bitmap|checkpoint='bitmap'/);
  await backup.deleteCheckpoint(session, checkpoint);
  const again = await backup.createCheckpoint(
    session,
    domain,
    '<domaincheckpoint><name>again</name></domaincheckpoint>',
  );
  await backup.deleteCheckpoint(session, again);
  assert.deepEqual(await backup.listCheckpoints(session, domain), []);
});

test('a secret is defined, given a value, listed, found and removed; an encrypted disk opens with it', async (t) => {
  const lifecycle = collect(session, 'secret-lifecycle');
  const values = collect(session, 'secret-value-changed');
  const file = join(libvirtd.dir, 'luks.qcow2');
  const secret = await secrets.defineSecret(
    session,
    `<secret ephemeral='no' private='yes'><usage type='volume'><volume>${file}</volume></usage></secret>`,
  );
  t.after(() => secrets.undefineSecret(session, secret));
  await secrets.setSecretValue(session, secret, Buffer.from('correct horse'));
  assert.deepEqual(await secrets.listSecrets(session), [secret]);
  assert.deepEqual(await secrets.secretByUuid(session, secret.uuid), secret);
  assert.deepEqual(await secrets.secretByUsage(session, SecretUsage.volume, file), secret);
  assert.doesNotMatch(await secrets.secretXml(session, secret), /correct horse/);
  await until(() => values.length > 0);
  assert.equal(lifecycle[0]?.event, 'defined');

  await libvirtd.run([
    'qemu-img',
    'create',
    '-q',
    '-f',
    'qcow2',
    '--object',
    'secret,id=s,data=correct horse',
    '-o',
    // sha512: QEMU measures how long the hash takes in CPU ticks, and gives up when it was less than one.
    'encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10,encrypt.hash-alg=sha512',
    file,
    '16M',
  ]);
  const disk = diskXml(file).replace(
    `<source file='${file}'/>`,
    `<source file='${file}'><encryption format='luks'><secret type='passphrase' uuid='${secret.uuid}'/></encryption></source>`,
  );
  const domain = await running(t, { name: 'luks', devices: disk });
  assert.equal((await domainState(session, domain)).state, 'running');
});

test('a network is defined, started, changed, leased from, stopped and removed', async () => {
  const events = collect(session, 'network-lifecycle');
  const network = await networks.defineNetwork(
    session,
    `<network><name>lan</name><bridge name='wo-br0' stp='off' delay='0'/><ip address='192.168.77.1' netmask='255.255.255.0'><dhcp><range start='192.168.77.10' end='192.168.77.20'/></dhcp></ip></network>`,
  );
  await networks.createNetwork(session, network);
  await networks.setNetworkAutostart(session, network, true);
  assert.equal(await networks.networkAutostart(session, network), true);
  assert.equal(await networks.networkIsActive(session, network), true);
  assert.equal(await networks.networkBridge(session, network), 'wo-br0');
  assert.deepEqual(await networks.listNetworks(session), [network]);
  assert.deepEqual(await networks.networkByName(session, 'lan'), network);
  assert.deepEqual(await networks.networkByUuid(session, network.uuid), network);
  await networks.updateNetwork(session, network, {
    command: NetworkUpdateCommand.addLast,
    section: NetworkSection.ipDhcpHost,
    xml: "<host mac='52:54:00:00:77:05' ip='192.168.77.5'/>",
    flags: Affect.live | Affect.config,
  });
  assert.match(await networks.networkXml(session, network), /52:54:00:00:77:05/);

  // A client on the bridge, in place of a guest.
  const client = [
    'ip link add wo-c0 type veth peer name wo-c1',
    'ip link set wo-c0 master wo-br0 up',
    'ip link set wo-c1 address 52:54:00:00:77:05 up',
    'busybox udhcpc -i wo-c1 -n -q -f -t 10 -T 1 -x hostname:web -s /bin/true',
  ];
  await libvirtd.run(['sh', '-ec', client.join('\n')]);
  const leases = await until(async () => {
    const found = await networks.dhcpLeases(session, network);
    return found.length > 0 ? found : undefined;
  });
  assert.deepEqual(
    leases.map(({ iface, family, mac, address, prefix, hostname }) => ({
      iface,
      family,
      mac,
      address,
      prefix,
      hostname,
    })),
    [
      {
        iface: 'wo-br0',
        family: 4,
        mac: '52:54:00:00:77:05',
        address: '192.168.77.5',
        prefix: 24,
        hostname: 'web',
      },
    ],
  );
  assert.ok((leases[0]?.expiresAt ?? 0) > Date.now());
  assert.equal((await networks.dhcpLeases(session, network, '52:54:00:00:77:05')).length, 1);
  assert.equal((await networks.dhcpLeases(session, network, '52:54:00:00:77:99')).length, 0);

  const guest = await createDomainXml(
    session,
    guestXml({
      name: 'leased',
      devices:
        "<interface type='network'><mac address='52:54:00:00:77:05'/><source network='lan'/><model type='virtio'/></interface>",
    }),
  );
  const [nic] = await domainInterfaceAddresses(session, guest, AddressSource.lease);
  assert.deepEqual(
    [nic?.mac, nic?.addresses],
    ['52:54:00:00:77:05', [{ family: 4, address: '192.168.77.5', prefix: 24 }]],
  );
  await destroyDomain(session, guest);

  await networks.destroyNetwork(session, network);
  await networks.undefineNetwork(session, network);
  await until(() => events.at(-1)?.event === 'undefined');
  assert.deepEqual(
    events.map(({ event }) => event),
    ['defined', 'started', 'stopped', 'undefined'],
  );
  const transient = await networks.createNetworkXml(
    session,
    "<network><name>bare</name><bridge name='wo-br1'/></network>",
  );
  await networks.destroyNetwork(session, transient);
  assert.deepEqual(await networks.listNetworks(session), []);
});

test('a console stream shows what the firmware prints, takes input, and ends with the domain', async () => {
  const domain = await createDomainXml(session, guestXml({ name: 'console' }), 1);
  const stream = await openConsole(session, domain);
  await resumeDomain(session, domain);
  let text = '';
  for await (const chunk of stream) {
    text += chunk.toString('latin1');
    if (/SeaBIOS/.test(text)) {
      await stream.write(Buffer.from('\r'));
      break;
    }
  }
  assert.match(text, /SeaBIOS/);
  await stream.ended;
  const second = await openConsole(session, domain);
  const rest = second.readAll();
  await destroyDomain(session, domain);
  await rest.catch((error: unknown) =>
    assert.ok(isRemote(error, ErrorNumber.rpc) || isRemote(error, ErrorNumber.systemError), String(error)),
  );
});

test('a picture of the screen comes as a stream', async (t) => {
  const domain = await running(t, {
    name: 'screen',
    devices: "<graphics type='vnc'><listen type='none'/></graphics><video><model type='vga'/></video>",
  });
  const picture = await screenshot(session, domain);
  const magic = picture.mime === 'image/png' ? '\x89PNG' : 'P6';
  assert.ok(picture.bytes.length > 1_000);
  assert.equal(picture.bytes.subarray(0, magic.length).toString('latin1'), magic);
  await assert.rejects(screenshot(session, domain, 7), (error) =>
    isRemote(error, ErrorNumber.operationInvalid),
  );
  await suspendDomain(session, domain);
  assert.ok((await screenshot(session, domain)).bytes.length > 1_000);
});
