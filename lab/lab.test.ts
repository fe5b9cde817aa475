import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { attachLabHost, startLabHost } from './host.ts';
import { guestImage } from './image/build.ts';
import { attachLab, clean, startLab, type Lab } from './lab.ts';
import { loadScenario } from './scenario.ts';

const link = (path: string): string => {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
};

/** What this machine shows of labs: mounts, interfaces, named namespaces, and namespaces that processes hold. */
function traces(): object {
  const namespaces = new Set<string>();
  for (const name of readdirSync('/proc'))
    if (/^\d+$/.test(name))
      for (const kind of ['net', 'mnt', 'pid']) namespaces.add(link(`/proc/${name}/ns/${kind}`));
  return {
    mounts: readFileSync('/proc/self/mountinfo', 'utf8').split('\n').sort(),
    interfaces: readdirSync('/sys/class/net').sort(),
    named: existsSync('/run/netns') ? readdirSync('/run/netns').sort() : [],
    namespaces,
  };
}

/** Processes that live in a network namespace, by its link text. */
const inhabitants = (netns: string): string[] =>
  readdirSync('/proc').filter((name) => /^\d+$/.test(name) && link(`/proc/${name}/ns/net`) === netns);

async function until(
  what: string,
  check: () => boolean | Promise<boolean>,
  timeoutMs = 20_000,
): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await check())) {
    if (performance.now() > end) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await delay(20);
  }
}

/** Bytes a tap has carried, both directions, as the host counts them. */
async function tapBytes(lab: Lab, mac: string): Promise<number> {
  const links = JSON.parse(await lab.host.run(['ip', '-j', '-s', 'link'])) as {
    ifname: string;
    address: string;
    stats64: { rx: { bytes: number }; tx: { bytes: number } };
  }[];
  const tap = links.find((one) => one.address === mac.replace(/^52/, 'fe') && one.ifname.startsWith('vnet'));
  assert.ok(tap, `the tap of ${mac}`);
  return tap.stats64.rx.bytes + tap.stats64.tx.bytes;
}

describe('a lab of two VMs', { timeout: 240_000 }, () => {
  let dir: string;
  let lab: Lab;
  let untouched: object;

  before(async () => {
    await guestImage();
    untouched = traces();
    dir = await mkdtemp(join(tmpdir(), 'wlab-'));
    lab = await startLab({ scenario: 'pair', dir });
  });
  after(async () => {
    await lab?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  test('runs nothing in this network namespace', () => {
    assert.deepEqual(
      (traces() as { interfaces: string[] }).interfaces,
      (untouched as { interfaces: string[] }).interfaces,
    );
    assert.notEqual(link(lab.host.netns), link('/proc/self/ns/net'));
  });

  test('runs programs in guests and returns status, output and error', async () => {
    const result = await lab.vm('a').exec('cat; echo no >&2; exit 3', { stdin: 'ünï' });
    assert.deepEqual(result, { code: 3, stdout: 'ünï', stderr: 'no\n', truncated: false });
    assert.equal(await lab.vm('b').output(['hostname']), 'b\n');
    assert.equal((await lab.vm('a').exec(['no-such-program'])).code, 127);
    assert.equal(await lab.vm('a').output('echo $X', { env: { X: 'y z' } }), 'y z\n');
  });

  test('kills a program that outlives its timeout, and the channel goes on', async () => {
    await assert.rejects(lab.vm('a').exec('echo begun; sleep 100', { timeout: 1_000 }), { code: 'timeout' });
    assert.equal((await lab.vm('a').exec('true')).code, 0);
  });

  test('carries large outputs whole, and says when it cuts one', async () => {
    const megabyte = await lab.vm('a').exec('yes 0123456789abcde | head -c 1048576');
    assert.equal(megabyte.stdout.length, 1_048_576);
    assert.equal(megabyte.truncated, false);
    const cut = await lab.vm('a').exec('head -c 3000000 /dev/zero');
    assert.equal(cut.truncated, true);
    assert.equal(cut.stdout.length, 2 << 20);
  });

  test('lets several callers in while a long job runs', async () => {
    const other = await attachLab(dir);
    assert.ok(other);
    const long = lab.vm('a').output('sleep 2; echo long');
    const short = await Promise.all([other.vm('a').output('echo 1'), lab.vm('a').output('echo 2')]);
    assert.deepEqual(short, ['1\n', '2\n']);
    assert.equal(await long, 'long\n');
  });

  test('guests reach each other over IPv4 and IPv6, by ping, HTTP, HTTPS and UDP', async () => {
    const b = lab.vm('b');
    for (const name of ['a.v4', 'a.v6']) {
      await b.output(['ping', '-c1', '-W5', name]);
      assert.match(await b.output(['wget', '-qO-', `http://${name}/health`]), /"from": "a"/);
      const echo = `import socket;i=socket.getaddrinfo("${name}",7,type=socket.SOCK_DGRAM)[0];s=socket.socket(i[0],i[1]);s.settimeout(5);s.sendto(b"hi",i[4]);print(s.recv(9))`;
      assert.equal(await b.output(['python3', '-c', echo]), "b'hi'\n");
    }
    const tls =
      'import ssl,socket;c=ssl._create_unverified_context();s=c.wrap_socket(socket.create_connection(("a",443)));s.sendall(b"GET /health HTTP/1.1\\r\\n\\r\\n");print(s.recv(15))';
    assert.equal(await b.output(['python3', '-c', tls]), "b'HTTP/1.1 200 OK'\n");
  });

  test('the host sees the bytes that guests exchange', async () => {
    const mac = lab.vm('b').nics[0]?.mac ?? '';
    const beforehand = await tapBytes(lab, mac);
    assert.equal(await lab.vm('b').output('wget -qO- http://a/bytes/2000000 | wc -c'), '2000000\n');
    const carried = (await tapBytes(lab, mac)) - beforehand;
    assert.ok(carried > 2_000_000 && carried < 2_600_000, `${carried} bytes`);
  });

  test('libvirt and the guest agent report the same addresses', async () => {
    const addresses = await lab.host.run(['virsh', 'domifaddr', 'a', '--source', 'agent']);
    assert.match(addresses, /10\.1\.0\.11\/24/);
    assert.match(addresses, /fd10:1::11\/64/);
    const xml = await lab.host.run(['virsh', 'metadata', 'a', '--uri', 'https://wocloud.org/xmlns/domain/1']);
    assert.match(xml, /tenant="acme"/);
    assert.match(xml, /key="app" value="web"/);
  });

  test('a libvirtd that was killed is started again and still knows its VMs', async () => {
    const pid = (): Promise<string> => lab.host.run('cat /run/libvirtd.pid 2>/dev/null || true');
    const old = await pid();
    await lab.host.run(`kill -9 ${old}`);
    await until('a new libvirtd', async () => {
      const now = await pid();
      return (
        now !== '' &&
        now !== old &&
        /running/.test(await lab.host.run('virsh domstate a 2>/dev/null || true'))
      );
    });
    assert.equal(await lab.vm('a').output(['hostname']), 'a\n');
  });

  test('a VM that is destroyed and started again comes back with its addresses', async () => {
    const boot = await lab.vm('b').ready();
    await lab.host.run(['virsh', 'destroy', 'b']);
    await lab.host.run(['virsh', 'start', 'b']);
    assert.notEqual(await lab.vm('b').ready(), boot);
    assert.match(await lab.vm('b').output(['ip', '-br', 'address']), /10\.1\.0\.12\/24 fd10:1::12\/64/);
  });

  test('programs run inside the host see its namespaces and the machine’s other files', async () => {
    const { child } = lab.host.spawn([
      'sh',
      '-c',
      'hostname; readlink /proc/self/ns/net; ls -d /run/wocloud /var/lib/libvirt/images/a.qcow2; pwd',
    ]);
    let out = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text));
    const code = await new Promise((done) => child.once('close', done));
    assert.equal(code, 0);
    assert.equal(
      out,
      `lab-1\n${link(lab.host.netns)}\n/run/wocloud\n/var/lib/libvirt/images/a.qcow2\n${process.cwd()}\n`,
    );
  });

  test('ending the process that stands for a program inside ends the program', async () => {
    const { child } = lab.host.spawn(['sleep', '1234']);
    const sleepers = (): Promise<string> => lab.host.run('pgrep -fx "sleep 1234" || true');
    await until('the program', async () => (await sleepers()) !== '');
    child.kill('SIGKILL');
    await until('its end', async () => (await sleepers()) === '');
  });

  test('starting what already runs takes it over; another scenario is refused', async () => {
    const same = await startLab({ scenario: 'pair', dir });
    assert.equal(same.host.libvirtd.holderPid, lab.host.libvirtd.holderPid);
    await assert.rejects(startLab({ scenario: 'vlans', dir }), /another scenario runs there \(pair\)/);
  });

  test('stop leaves no process, namespace, mount, interface or file', async () => {
    const netns = link(lab.host.netns);
    assert.ok(inhabitants(netns).length > 3);
    await lab.stop();
    await until('the end of its processes', () => inhabitants(netns).length === 0);
    assert.ok(!existsSync(dir));
    const left = traces() as {
      namespaces: Set<string>;
      mounts: string[];
      interfaces: string[];
      named: string[];
    };
    const was = untouched as typeof left;
    assert.deepEqual(left.mounts, was.mounts);
    assert.deepEqual(left.interfaces, was.interfaces);
    assert.deepEqual(left.named, was.named);
    assert.ok(!left.namespaces.has(netns));
    assert.equal(await attachLab(dir), undefined);
  });
});

describe('a lab host', { timeout: 60_000 }, () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'wlab-'));
  });
  after(async () => {
    await rm(dir, { recursive: true, force: true });
  });

  test('of a crashed start is found and ended', async () => {
    const scenario = await loadScenario('pair');
    await writeFile(
      join(dir, 'lab.json'),
      JSON.stringify({ scenario, image: 'x', accelerator: 'qemu', state: 'starting' }),
    );
    const host = await startLabHost({ name: 'lab-1', dir: join(dir, 'lab-1'), detached: true });
    const netns = link(host.netns);
    assert.equal(await attachLab(dir), undefined);
    await clean(dir);
    await until('the end of its processes', () => inhabitants(netns).length === 0);
    assert.ok(!existsSync(dir));
  });

  test('does not touch a directory that is not its own', async () => {
    const foreign = await mkdtemp(join(tmpdir(), 'wlab-'));
    await writeFile(join(foreign, 'precious'), 'x');
    await assert.rejects(clean(foreign), /not a lab's directory/);
    await assert.rejects(startLabHost({ name: 'h', dir: foreign }), /not a lab host's directory/);
    await assert.rejects(startLab({ scenario: 'pair', dir: foreign }), /not a lab's directory/);
    assert.ok(existsSync(join(foreign, 'precious')));
    await rm(foreign, { recursive: true });
  });

  test('ends when the process that started it is killed', async () => {
    const program = `
      import { startLabHost } from ${JSON.stringify(join(import.meta.dirname, 'host.ts'))};
      await startLabHost({ name: 'h', dir: ${JSON.stringify(join(dir, 'h'))} });
      console.log('up'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((done) => child.stdout.once('data', done));
    const host = await attachLabHost(join(dir, 'h'));
    assert.ok(host);
    const netns = link(host.netns);
    child.kill('SIGKILL');
    await until('the end of its processes', () => inhabitants(netns).length === 0);
  });
});

test('the guest image is built once: the second time comes from the cache', async () => {
  const first = await guestImage();
  const built = statSync(first.disk).mtimeMs;
  const lines: string[] = [];
  const second = await guestImage({ onProgress: (line) => lines.push(line) });
  assert.deepEqual(second, first);
  assert.equal(statSync(second.disk).mtimeMs, built);
  assert.deepEqual(lines, []);
  assert.match(execFileSync('file', [first.disk], { encoding: 'utf8' }), /ext4/);
});
