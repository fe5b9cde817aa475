/**
 * A private libvirtd in namespaces of its own (mount, network, PID, host name), for tests and labs. It sees
 * its own /run, /etc/libvirt, /var/lib/libvirt, so it neither finds nor disturbs the machine's own libvirt;
 * its socket is reachable from outside through the file system; stopping it takes every VM with it.
 */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, openSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import { until } from './wait.ts';

export type ConfValue = string | number | readonly string[];

export interface PrivateLibvirtdOptions {
  /** Directory for everything of this host; created when missing. Keep it short: socket paths end at 107 bytes. */
  readonly dir: string;
  /** Host name inside; defaults to the directory's last part. */
  readonly hostname?: string;
  /** libvirt's host_uuid; two hosts that migrate to each other need distinct ones. Random by default. */
  readonly hostUuid?: string;
  /** Name of an `ip netns` to live in; by default a fresh, empty one (with `lo` up). */
  readonly netns?: string;
  /** Extra or overriding lines of libvirtd.conf. */
  readonly libvirtdConf?: Readonly<Record<string, ConfValue>>;
  /** Extra or overriding lines of qemu.conf. */
  readonly qemuConf?: Readonly<Record<string, ConfValue>>;
  /** Further arguments of libvirtd, e.g. `--listen`. */
  readonly args?: readonly string[];
  /** Where QEMU's probed capabilities are cached; shared between runs it saves seconds. */
  readonly cacheDir?: string;
  /** Directories under /run that stay what they are outside, e.g. /run/wocloud; created when missing. */
  readonly keep?: readonly string[];
  /** Outlive the process that starts it (a lab); find it again with attachPrivateLibvirtd. */
  readonly detached?: boolean;
  /** Deadline for libvirtd to answer on its socket, in ms. */
  readonly timeoutMs?: number;
}

export interface PrivateLibvirtd {
  readonly dir: string;
  readonly hostname: string;
  readonly hostUuid: string;
  /** libvirtd's read-write socket, as seen from outside. */
  readonly socket: string;
  /** The read-only socket. */
  readonly socketReadOnly: string;
  /** For `virsh -c`. */
  readonly uri: string;
  /** The process (outside PID) that holds the namespaces; its death ends everything inside. */
  readonly holderPid: number;
  /** libvirtd's PID outside, or undefined while it is stopped. */
  readonly pid: number | undefined;
  /** Path of the network namespace, for `nsenter --net=`. */
  readonly netnsPath: string;
  /** libvirtd's log file. */
  readonly log: string;
  /** Command line (argv) that runs `argv` inside the host's namespaces. */
  enter(argv: readonly string[]): string[];
  /** Runs a program inside and returns its standard output; throws with its standard error on failure. */
  run(argv: readonly string[], input?: string): Promise<string>;
  /** Kills libvirtd alone (VMs keep running) and waits for its end. */
  stopDaemon(signal?: NodeJS.Signals): Promise<void>;
  /** Starts libvirtd again after stopDaemon, and waits until it listens. */
  startDaemon(): Promise<void>;
  /** Ends libvirtd and all VMs; removes the directory too when asked. */
  stop(options?: { purge?: boolean }): Promise<void>;
}

interface HostRecord {
  readonly hostname: string;
  readonly hostUuid: string;
  readonly holderPid: number;
  readonly holderStart: string;
  readonly args: readonly string[];
  readonly timeoutMs: number;
}

// What libvirt reads and writes, each a bind mount from `dir`. The outer name is the path inside, flattened.
const OWN_PATHS = ['/run', '/etc/libvirt', '/var/lib/libvirt', '/var/log/libvirt', '/var/cache/libvirt'];

const outer = (dir: string, inner: string): string => join(dir, inner.slice(1).replaceAll('/', '-'));

/** One `key = value` line per entry, in libvirt's configuration syntax. */
function renderConf(values: Readonly<Record<string, ConfValue>>): string {
  const value = (v: ConfValue): string =>
    typeof v === 'number'
      ? String(v)
      : typeof v === 'string'
        ? JSON.stringify(v)
        : `[${v.map((i) => JSON.stringify(i)).join(', ')}]`;
  return Object.entries(values)
    .map(([key, v]) => `${key} = ${value(v)}\n`)
    .join('');
}

// Runs as the first process of the namespaces: mounts the host's own directories, then waits as a reaping
// init. Without a reaper every VM start would wait for orphans that nobody collects.
const HOLDER_SCRIPT = `set -e
dir=$1; name=$2; detached=$3; cache=$4; fresh_net=$5; shift 5
mount --make-rprivate /
mount -t proc proc /proc
mount -t sysfs sysfs /sys 2>/dev/null || true
if [ -c /dev/kvm ]; then
  # libvirt probes QEMU anew at each VM start unless it finds udev's default permissions here
  rm -f "$dir/kvm"; mknod "$dir/kvm" c 10 232
  chgrp kvm "$dir/kvm" 2>/dev/null || true; chmod 0660 "$dir/kvm"
  mount --bind "$dir/kvm" /dev/kvm
fi
mount --bind "$cache" /var/cache/libvirt
mount --bind "$dir/var-log-libvirt" /var/log/libvirt
mount --bind "$dir/var-lib-libvirt" /var/lib/libvirt
mount --bind "$dir/etc-libvirt" /etc/libvirt
for kept; do
  mkdir -p "$kept" "$dir/run/\${kept#/run/}"
  mount --bind "$kept" "$dir/run/\${kept#/run/}"
done
mount --rbind "$dir/run" /run
hostname "$name"
[ "$fresh_net" = no ] || ip link set lo up
if [ "$detached" = yes ]; then touch "$dir/ready"; exec tini -s -- sleep infinity; fi
touch "$dir/ready"
exec tini -s -- cat >/dev/null
`;

/** Kernel start time of a process: with the PID, an identity that survives PID reuse. Undefined once it is gone or a zombie. */
async function startTime(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** The first child (outside PID) of a process of ours, e.g. what `unshare --fork` or `nsenter` started. */
async function childOf(pid: number): Promise<number | undefined> {
  try {
    const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'latin1');
    return Number(text.trim().split(' ')[0]) || undefined;
  } catch {
    return undefined;
  }
}

function accepts(socketPath: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(socketPath);
    socket.once('connect', () => (socket.destroy(), done(true)));
    socket.once('error', () => done(false));
  });
}

/**
 * Starts a private libvirtd; needs root, `unshare`, `nsenter`, `tini`, `libvirtd` and QEMU. With `detached` it
 * outlives the caller; else it ends when the caller does, however that ends.
 */
export async function startPrivateLibvirtd(options: PrivateLibvirtdOptions): Promise<PrivateLibvirtd> {
  const dir = resolve(options.dir);
  const hostname = options.hostname ?? dir.slice(dir.lastIndexOf('/') + 1);
  const hostUuid = options.hostUuid ?? randomUUID();
  const cache = resolve(options.cacheDir ?? outer(dir, '/var/cache/libvirt'));
  for (const path of [...OWN_PATHS.map((inner) => outer(dir, inner)), cache])
    await mkdir(path, { recursive: true });
  await chmod(dir, 0o755); // a mkdtemp directory is 0700, which QEMU under another user could not traverse
  await rm(join(dir, 'ready'), { force: true });
  await mkdir(join(dir, 'run', 'lock'), { recursive: true });

  const etc = outer(dir, '/etc/libvirt');
  await writeFile(
    join(etc, 'libvirtd.conf'),
    renderConf({
      host_uuid: hostUuid,
      auth_unix_rw: 'none',
      auth_unix_ro: 'none',
      unix_sock_group: 'root',
      unix_sock_rw_perms: '0700',
      log_outputs: '3:file:/var/log/libvirt/libvirtd.log',
      ...options.libvirtdConf,
    }),
  );
  await writeFile(
    join(etc, 'qemu.conf'),
    renderConf({
      user: 'root',
      group: 'root',
      security_driver: 'none',
      cgroup_controllers: [],
      namespaces: [],
      stdio_handler: 'file',
      remember_owner: 0,
      ...options.qemuConf,
    }),
  );

  const detached = options.detached === true;
  const unshare = [
    'unshare',
    '--mount',
    '--uts',
    '--pid',
    '--fork',
    '--kill-child',
    ...(options.netns === undefined ? ['--net'] : []),
    'sh',
    '-c',
    HOLDER_SCRIPT,
    'holder',
    dir,
    hostname,
    detached ? 'yes' : 'no',
    cache,
    options.netns === undefined ? 'yes' : 'no',
    ...(options.keep ?? []),
  ];
  const argv =
    options.netns === undefined
      ? unshare
      : ['nsenter', `--net=/run/netns/${options.netns}`, '--', ...unshare];
  const holderLog = openSync(join(dir, 'holder.log'), 'w');
  // An attached holder waits on its standard input: when this process ends, however, so does the holder.
  const stdio: StdioOptions = [detached ? 'ignore' : 'pipe', holderLog, holderLog];
  const outerProcess = spawn(argv[0] as string, argv.slice(1), { stdio, detached });
  closeSync(holderLog);
  let failed: string | undefined;
  outerProcess.once('error', (error) => (failed = error.message));
  outerProcess.once('exit', (code, signal) => (failed ??= `exit ${code ?? signal}`));
  outerProcess.stdin?.on('error', () => {});
  const timeoutMs = options.timeoutMs ?? 30_000;
  const ready = async () => {
    if (failed !== undefined)
      throw new Error(`namespaces: ${failed}: ${await readFile(join(dir, 'holder.log'), 'utf8')}`);
    return existsSync(join(dir, 'ready'));
  };
  await until(ready, timeoutMs, 'namespaces');
  const holderPid = await childOf(outerProcess.pid as number);
  const holderStart = holderPid === undefined ? undefined : await startTime(holderPid);
  if (holderPid === undefined || holderStart === undefined)
    throw new Error('namespaces: their first process ended at once');
  // Nothing here keeps the caller's event loop alive; whoever awaits is kept by what it awaits.
  outerProcess.unref();
  (outerProcess.stdin as Socket | null)?.unref();

  const record: HostRecord = {
    hostname,
    hostUuid,
    holderPid,
    holderStart,
    args: options.args ?? [],
    timeoutMs,
  };
  await writeFile(join(dir, 'host.json'), JSON.stringify(record));
  const host = handle(dir, record);
  try {
    await host.startDaemon();
  } catch (error) {
    await host.stop();
    throw error;
  }
  return host;
}

/** The private libvirtd that lives in `dir`, started earlier with `detached`; undefined when none runs there. */
export async function attachPrivateLibvirtd(dir: string): Promise<PrivateLibvirtd | undefined> {
  const full = resolve(dir);
  const path = join(full, 'host.json');
  if (!existsSync(path)) return undefined;
  const record = JSON.parse(await readFile(path, 'utf8')) as HostRecord;
  if ((await startTime(record.holderPid)) !== record.holderStart) return undefined;
  const inner = await daemonPid(full, record.holderPid);
  return handle(full, record, inner);
}

/** libvirtd's outside PID, found from the PID file it writes inside the namespace. */
async function daemonPid(dir: string, holderPid: number): Promise<number | undefined> {
  let innerPid: string;
  try {
    innerPid = (await readFile(join(dir, 'run', 'libvirtd.pid'), 'latin1')).trim();
  } catch {
    return undefined;
  }
  // The holder's procfs shows inside PIDs; NSpid of each outside process gives the translation.
  const ns = await readlink(`/proc/${holderPid}/ns/pid`);
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if ((await readlink(`/proc/${name}/ns/pid`)) !== ns) continue;
      const status = await readFile(`/proc/${name}/status`, 'latin1');
      if (/^NSpid:.*\t(\d+)$/m.exec(status)?.[1] === innerPid) return Number(name);
    } catch {
      continue; // ended meanwhile
    }
  }
  return undefined;
}

function handle(dir: string, record: HostRecord, runningPid?: number): PrivateLibvirtd {
  const socket = join(dir, 'run', 'libvirt', 'libvirt-sock');
  const enter = (argv: readonly string[]): string[] => [
    'nsenter',
    '-t',
    String(record.holderPid),
    '-m',
    '-n',
    '-u',
    '-p',
    '--',
    ...argv,
  ];
  const spawnInside = (argv: readonly string[], stdio: StdioOptions): ChildProcess => {
    const [command, ...rest] = enter(argv);
    return spawn(command as string, rest, { stdio, detached: true });
  };
  let pid = runningPid;

  const host: PrivateLibvirtd = {
    dir,
    hostname: record.hostname,
    hostUuid: record.hostUuid,
    socket,
    socketReadOnly: `${socket}-ro`,
    uri: `qemu+unix:///system?socket=${socket}`,
    holderPid: record.holderPid,
    get pid() {
      return pid;
    },
    netnsPath: `/proc/${record.holderPid}/ns/net`,
    log: join(outer(dir, '/var/log/libvirt'), 'libvirtd.log'),
    enter,
    run: (argv, input) =>
      new Promise((done, fail) => {
        const child = spawnInside(argv, 'pipe');
        let out = '';
        let err = '';
        child.stdout?.setEncoding('utf8').on('data', (text: string) => (out += text));
        child.stderr?.setEncoding('utf8').on('data', (text: string) => (err += text));
        child.once('error', fail);
        child.once('close', (code) =>
          code === 0 ? done(out) : fail(new Error(`${argv.join(' ')}: exit ${code}: ${err}`)),
        );
        child.stdin?.on('error', () => {});
        child.stdin?.end(input ?? '');
      }),
    async startDaemon() {
      if (pid !== undefined && (await startTime(pid)) !== undefined) return;
      await rm(socket, { force: true }); // a killed daemon leaves its socket, which must not look ready
      const log = openSync(join(dir, 'libvirtd.out'), 'a');
      const child = spawnInside(['libvirtd', ...record.args], ['ignore', log, log]);
      closeSync(log);
      let ended: string | undefined;
      child.once('error', (error) => (ended = error.message));
      child.once('exit', (code, signal) => (ended ??= `exit ${code ?? signal}`));
      const ready = () => {
        if (ended !== undefined)
          throw new Error(`libvirtd: ${ended}; see ${host.log} and ${join(dir, 'libvirtd.out')}`);
        return accepts(socket);
      };
      await until(ready, record.timeoutMs, 'libvirtd');
      pid = await childOf(child.pid as number);
      child.unref();
    },
    async stopDaemon(signal = 'SIGTERM') {
      if (pid === undefined) return;
      const target = pid;
      const started = await startTime(target);
      if (started !== undefined) {
        process.kill(target, signal);
        const gone = async () => (await startTime(target)) !== started;
        await until(gone, 15_000, 'end of libvirtd');
      }
      pid = undefined;
    },
    async stop({ purge = false } = {}) {
      if ((await startTime(record.holderPid)) === record.holderStart) {
        process.kill(record.holderPid, 'SIGKILL'); // first process of the PID namespace: takes all others along
        const gone = async () => (await startTime(record.holderPid)) !== record.holderStart;
        await until(gone, 15_000, 'end of the namespaces');
      }
      pid = undefined;
      await rm(join(dir, 'host.json'), { force: true });
      if (purge) await rm(dir, { recursive: true, force: true });
    },
  };
  return host;
}
