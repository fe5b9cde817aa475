// Gateways of both forms from the real image, under a real libvirtd and in real namespaces: they answer, frames pass,
// the next engine knows them, and their end leaves nothing.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gatewayImage } from '@wocloud/gateway/image/build.ts';
import { program } from '@wocloud/image/program.ts';
import type { Connection } from '@wocloud/libvirt/connection.ts';
import { closeConnection, openConnection } from '@wocloud/libvirt/open.ts';
import { domainByName, listDomains, suspendDomain } from '@wocloud/libvirt/procedures-domain.ts';
import { startPrivateLibvirtd, type PrivateLibvirtd } from '@wocloud/libvirt/testing/libvirtd.ts';
import { until } from '@wocloud/libvirt/testing/wait.ts';
import { GatewayChannel, type Hello } from '../channels/gateway-channel.ts';
import { isInside, runInside } from '../testing/namespaces.ts';
import { Images } from './images.ts';
import { gatewaysDir } from './places.ts';
import { removeGateways } from './remove.ts';
import {
  GatewayError,
  instanceName,
  type InstanceSpec,
  type Runner,
  type RunningInstance,
} from './runner.ts';
import { openRunners } from './runners.ts';

const HELLO_MS = 60_000;
const PASS_S = 60;

if (!isInside()) {
  // Before it is needed: what fetches packages needs the machine's own network.
  test('gateways of both forms, in namespaces of their own', async () => {
    const { version } = await gatewayImage({ onProgress: (line) => process.stderr.write(`${line}\n`) });
    process.env['WOCLOUD_TEST_IMAGE'] = version;
    await runInside(import.meta.filename);
  });
} else {
  const version = process.env['WOCLOUD_TEST_IMAGE'] as string;
  const home = mkdtempSync('/tmp/wog-');
  const dir = join(home, 'gateways');
  const images = new Images();
  let host: PrivateLibvirtd;
  let libvirt: Connection;
  let runner: Runner;
  let empty: unknown;

  const files = (path: string): string[] => (existsSync(path) ? readdirSync(path).sort() : []);
  const text = (path: string): string => readFileSync(path, 'utf8');

  /** All that a gateway could leave behind. */
  const traces = async (): Promise<unknown> => ({
    devices: files('/sys/class/net'),
    namespaces: files('/run/netns'),
    domains: (await listDomains(libvirt)).map(({ name }) => name),
    files: files(dir),
    mounts: text('/proc/self/mountinfo')
      .split('\n')
      .filter((line) => line.includes('/wog-')),
  });

  before(async () => {
    // libvirtd joins the namespace in which this process, and so the runner, is.
    await program(['ip', 'netns', 'attach', 'here', String(process.pid)]);
    host = await startPrivateLibvirtd({
      dir: join(home, 'h'),
      netns: 'here',
      cacheDir: join(tmpdir(), 'wocloud-test-qemu-cache'),
    });
    libvirt = await openConnection({ target: { unix: host.socket } });
    runner = openRunners({ libvirt, dir, images });
    empty = await traces();
  });
  after(async () => {
    if (libvirt) await closeConnection(libvirt);
    await host?.stop({ purge: true });
    rmSync(home, { recursive: true, force: true });
  });

  const spec = (form: InstanceSpec['form'], number: number): InstanceSpec => ({
    number,
    gateway: 'edge',
    form,
    vcpus: 1,
    memoryMiB: 768,
    image: version,
  });

  const hello = async ({ channel: path }: RunningInstance): Promise<Hello> => {
    const channel = new GatewayChannel(path);
    try {
      const came = once(channel, 'hello', { signal: AbortSignal.timeout(HELLO_MS) });
      channel.start();
      return ((await came) as [Hello])[0];
    } finally {
      channel.stop();
    }
  };

  const passes = (from: string, to: string): Promise<string> =>
    program(['python3', join(import.meta.dirname, 'testing/pass-frame.py'), from, to, String(PASS_S)]);

  const refused = (code: GatewayError['code'], message: RegExp) => (error: unknown) => {
    assert.ok(error instanceof GatewayError);
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };

  for (const form of ['vm', 'container'] as const)
    test(`a ${form}: it answers, is a wire in both directions, is known to the next engine, and leaves nothing`, async (t) => {
      const began = performance.now();
      const since = (): string => `${((performance.now() - began) / 1000).toFixed(1)} s`;
      const instance = await runner.start(spec(form, 3));
      t.diagnostic(`${form}: started after ${since()}`);
      assert.deepEqual(
        { ...instance, channel: '' },
        {
          number: 3,
          gateway: 'edge',
          form,
          image: version,
          a: 'wog3a',
          b: 'wog3b',
          m: 'wog3m',
          channel: '',
          alive: true,
        },
      );
      const said = await hello(instance);
      t.diagnostic(`${form}: hello after ${since()}`);
      assert.equal(said.image, version);
      await passes('wog3a', 'wog3b');
      t.diagnostic(`${form}: frames pass after ${since()}`);
      await passes('wog3b', 'wog3a');
      t.diagnostic(`${form}: ${await memory(instance)}`);

      const addresses = await program(['ip', '-brief', 'address']);
      for (const device of ['wog3a', 'wog3b', 'wog3m'])
        assert.match(addresses, new RegExp(`^${device}\\S*\\s+\\S+\\s*$`, 'm'), addresses);
      assert.deepEqual(await openRunners({ libvirt, dir, images }).list(), [instance]);
      await assert.rejects(runner.start(spec('container', 3)), refused('in-use', /wocloud-gateway-3/));

      await runner.stop(3);
      assert.deepEqual(await traces(), empty);
      assert.deepEqual(await runner.list(), []);
      await runner.stop(3);
    });

  test('a container has no address and listens nowhere, may write nothing of its image, and has two capabilities', async () => {
    const instance = await runner.start(spec('container', 1));
    await hello(instance);
    const { held } = JSON.parse(text(join(dir, '1.json'))) as { held: { pid: number } };
    const inside = (argv: string[]): Promise<string> =>
      program(['nsenter', `--net=/run/netns/${instanceName(1)}`, ...argv]);
    assert.equal((await inside(['ip', '-oneline', 'address'])).trim(), '');
    for (const table of ['tcp', 'tcp6', 'udp', 'udp6', 'raw', 'raw6', 'icmp'])
      assert.equal(
        text(`/proc/${held.pid}/net/${table}`).trim().split('\n').length,
        1,
        `something is in /proc/net/${table}`,
      );
    for (const kind of ['net', 'pid', 'mnt', 'ipc', 'uts'])
      assert.notEqual(readlinkSync(`/proc/${held.pid}/ns/${kind}`), readlinkSync(`/proc/self/ns/${kind}`));

    const working = (await processes(1)).filter(({ pid, Name }) => pid !== held.pid && Name !== 'unshare');
    assert.ok(working.length >= 2, JSON.stringify(working));
    for (const { Uid, CapEff, CapBnd, NoNewPrivs, Name } of working) {
      assert.match(Uid ?? '', /^1900000001\s/, Name);
      // CAP_NET_ADMIN and CAP_NET_RAW.
      assert.deepEqual([CapEff, CapBnd, NoNewPrivs], ['0000000000003000', '0000000000003000', '1'], Name);
    }
    const mounts = text(`/proc/${held.pid}/mountinfo`).trim().split('\n');
    const root = mounts.find((line) => line.split(' ')[4] === '/')?.split(' ')[5];
    assert.match(root ?? '', /^ro,nosuid,nodev/);
    assert.ok(!mounts.some((line) => line.includes('/run/host')), 'the host is still mounted inside');
    await runner.stop(1);
    assert.deepEqual(await traces(), empty);
  });

  test('a container outlives the engine that started it, and its own end is seen', async () => {
    const script = `
      import { openConnection } from '@wocloud/libvirt/open.ts';
      import { Images } from '${import.meta.dirname}/images.ts';
      import { openRunners } from '${import.meta.dirname}/runners.ts';
      const libvirt = await openConnection({ target: { unix: ${JSON.stringify(host.socket)} } });
      await openRunners({ libvirt, dir: ${JSON.stringify(dir)}, images: new Images() }).start(${JSON.stringify(spec('container', 2))});
      process.exit();`;
    await program([process.execPath, '--input-type=module', '-e', script], { cwd: import.meta.dirname });
    const [instance] = await runner.list();
    assert.ok(instance?.alive);
    await hello(instance);
    const { held } = JSON.parse(text(join(dir, '2.json'))) as { held: { pid: number } };
    process.kill(held.pid, 'SIGKILL');
    await until(async () => (await runner.list())[0]?.alive === false, 5_000, 'the container known as ended');
    await runner.stop(2);
    assert.deepEqual(await traces(), empty);
  });

  test('what is left of a gateway that no record tells of is found and taken away', async () => {
    await runner.start(spec('container', 5));
    rmSync(join(dir, '5.json'));
    assert.deepEqual(
      (await runner.list()).map(({ number, alive }) => ({ number, alive })),
      [{ number: 5, alive: false }],
    );
    await runner.stop(5);
    assert.deepEqual(await traces(), empty);
  });

  test('a VM that was stopped from outside, or paused, is not alive', async () => {
    await runner.start(spec('vm', 4));
    const domain = await domainByName(libvirt, instanceName(4));
    await suspendDomain(libvirt, domain);
    assert.equal((await runner.list())[0]?.alive, false);
    await host.run(['virsh', '-c', 'qemu:///system', 'destroy', instanceName(4)]);
    assert.deepEqual(
      (await runner.list()).map(({ alive }) => alive),
      [false],
    );
    await runner.stop(4);
    assert.deepEqual(await traces(), empty);
  });

  test('all of them are taken away at once, and the containers also without libvirt', async () => {
    process.env['WOCLOUD_HOME'] = home;
    const state = join(home, 'engine');
    const ours = openRunners({ libvirt, dir: gatewaysDir(state), images });
    await ours.start(spec('vm', 8));
    await ours.start(spec('container', 9));
    assert.deepEqual(await removeGateways(state, join(home, 'no-such-socket')), [
      'removed container wocloud-gateway-9',
    ]);
    assert.deepEqual(await removeGateways(state, host.socket), ['removed vm wocloud-gateway-8']);
    assert.deepEqual(await traces(), empty);
    assert.deepEqual(readdirSync(gatewaysDir(state)), []);
  });

  test('an image with a changed file starts nothing, and says which', async () => {
    const copies = join(home, 'images');
    const copy = join(copies, version);
    cpSync(join(images.dir, version), copy, {
      recursive: true,
      verbatimSymlinks: true,
      preserveTimestamps: true,
    });
    const changed = openRunners({ libvirt, dir, images: new Images(copies) });
    for (const [form, file, at] of [
      ['vm', 'root.img', 70_000],
      ['vm', 'initrd', 1_000],
      ['container', 'root/opt/wocloud/init', 10],
    ] as const) {
      const path = join(copy, file);
      const before = readFileSync(path);
      const after = Buffer.from(before);
      after[at] = (after[at] as number) ^ 1;
      rmSync(path);
      writeFileSync(path, after);
      await assert.rejects(
        changed.start(spec(form, 6)),
        refused('image-changed', /is not what was built/),
        file,
      );
      assert.deepEqual(await changed.list(), []);
      writeFileSync(path, before);
    }
    rmSync(copies, { recursive: true });
    await assert.rejects(
      runner.start({ ...spec('vm', 6), image: '0000000000000000' }),
      refused('image-missing', /wocloud gateway build/),
    );
    assert.deepEqual(await traces(), empty);
  });

  type Process = { pid: number } & Readonly<
    Record<'Name' | 'Uid' | 'CapEff' | 'CapBnd' | 'NoNewPrivs' | 'VmRSS', string>
  >;

  /** What the kernel says of the processes in a container's network namespace. */
  async function processes(number: number): Promise<Process[]> {
    const pids = (await program(['ip', 'netns', 'pids', instanceName(number)])).trim().split('\n');
    return pids.map((pid) => {
      const lines = text(`/proc/${pid}/status`).split('\n');
      const fields = lines.map((line) => line.split(':\t').map((part) => part.trim()));
      return { ...Object.fromEntries(fields), pid: Number(pid) } as Process;
    });
  }

  /** What an instance takes of the host's memory. */
  async function memory({ form, number }: RunningInstance): Promise<string> {
    if (form === 'container')
      return (await processes(number)).map(({ Name, VmRSS }) => `${Name} ${VmRSS}`).join(', ');
    const qemu = (await host.run(['pgrep', '-f', `guest=${instanceName(number)}`])).trim();
    return (await host.run(['grep', 'VmRSS', `/proc/${qemu}/status`])).trim();
  }
}
