/**
 * A lab host: a KVM host in namespaces of its own (mount, network, PID, host name) with its own libvirtd and
 * bridges. Nothing of it is in the machine's network namespace, and its end takes everything along.
 */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { program } from '@wocloud/image/program.ts';
import type { Connection } from '@wocloud/libvirt/connection.ts';
import { closeConnection, openConnection } from '@wocloud/libvirt/open.ts';
import {
  attachPrivateLibvirtd,
  startPrivateLibvirtd,
  type PrivateLibvirtd,
} from '@wocloud/libvirt/testing/libvirtd.ts';
import { defaultCacheDir } from './image/build.ts';

export interface LabHostOptions {
  /** Host name inside, at most 64 characters. */
  readonly name: string;
  /** Everything of the host is below; keep it short, socket paths end at 107 bytes. */
  readonly dir: string;
  /** Outlive the process that starts it; otherwise the host ends with it. */
  readonly detached?: boolean;
}

// Stays what it is outside, so that a program inside finds the platform's socket.
const KEEP = ['/run/wocloud'];

// Gives a tap of a VLAN network its PVID whenever libvirt starts a domain, whoever asked for it.
export const VLAN_HOOK = `#!/bin/sh
# Lab: access VLANs of taps, from lines "DOMAIN TAP VLAN" beside this folder.
cat >/dev/null
case "$2" in start | started | reconnect) ;; *) exit 0 ;; esac
while read -r domain tap vlan; do
  [ "$domain" = "$1" ] && [ -e "/sys/class/net/$tap" ] || continue
  bridge vlan add dev "$tap" vid "$vlan" pvid untagged
done </etc/libvirt/hooks/lab-vlans
exit 0
`;

// What an init system does on a real host: a libvirtd that ended is started again. Runs below the host's own
// first process, so that it ends with the host and leaves nothing outside.
const WATCH = `while sleep 0.5; do
  pid=$(cat /run/libvirtd.pid 2>/dev/null) && kill -0 "$pid" 2>/dev/null && continue
  libvirtd --daemon
done`;

/** A program running inside a lab host. */
export interface InsideProcess {
  /** The process outside that stands for it: its stdio, and its exit. */
  readonly child: ChildProcess;
  /** Command line of the outside process, e.g. to find it again. */
  readonly argv: readonly string[];
}

export class LabHost {
  readonly name: string;
  readonly libvirtd: PrivateLibvirtd;

  constructor(libvirtd: PrivateLibvirtd) {
    this.name = libvirtd.hostname;
    this.libvirtd = libvirtd;
  }

  get dir(): string {
    return this.libvirtd.dir;
  }

  /** libvirtd's socket as seen from outside. */
  get socket(): string {
    return this.libvirtd.socket;
  }

  /** For `nsenter --net=`. */
  get netns(): string {
    return this.libvirtd.netnsPath;
  }

  /** For `nsenter --mount=`. */
  get mountns(): string {
    return `/proc/${this.libvirtd.holderPid}/ns/mnt`;
  }

  /** Where a path inside the host is found from outside. */
  outside(path: string): string {
    return `/proc/${this.libvirtd.holderPid}/root${path}`;
  }

  /**
   * Command line that runs a program inside: all namespaces of the host, this working directory. The program
   * gets SIGTERM when the process started by this command line ends, so killing that one reaches it.
   */
  enter(argv: readonly string[], cwd: string = process.cwd()): string[] {
    return this.libvirtd.enter(['setpriv', '--pdeathsig', 'TERM', 'env', `--chdir=${cwd}`, ...argv]);
  }

  /** Runs a program inside; its standard output, or an error with its standard error. */
  run(command: string | readonly string[], input?: string): Promise<string> {
    return this.libvirtd.run(typeof command === 'string' ? ['sh', '-c', command] : command, input);
  }

  /** Starts a program inside and does not wait for it. */
  spawn(
    argv: readonly string[],
    options: { stdio?: StdioOptions; env?: NodeJS.ProcessEnv; cwd?: string } = {},
  ): InsideProcess {
    const whole = this.enter(argv, options.cwd);
    const child = spawn(whole[0] as string, whole.slice(1), {
      stdio: options.stdio ?? 'pipe',
      env: options.env ?? process.env,
    });
    return { child, argv: whole };
  }

  /** A libvirt connection for the time of `act`. */
  async withLibvirt<T>(act: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await openConnection({ target: { unix: this.socket } });
    try {
      return await act(connection);
    } finally {
      await closeConnection(connection);
    }
  }

  /** Ends all VMs, libvirtd, bridges and namespaces; with `purge` the directory too. */
  async stop(options: { purge?: boolean } = {}): Promise<void> {
    await this.libvirtd.stop(options);
  }
}

/** Starts a lab host; needs root. A host that a crashed run left in `dir` is ended first. */
export async function startLabHost(options: LabHostOptions): Promise<LabHost> {
  const dir = resolve(options.dir);
  await (await attachPrivateLibvirtd(dir))?.stop();
  if (existsSync(dir) && !existsSync(join(dir, 'etc-libvirt')) && (await readdir(dir)).length > 0)
    throw new Error(`${dir}: not empty, and not a lab host's directory`);
  await rm(dir, { recursive: true, force: true });
  // libvirtd looks for hooks once, at its start: they must be there before.
  const hooks = join(dir, 'etc-libvirt/hooks');
  await mkdir(join(hooks, 'qemu.d'), { recursive: true });
  await writeFile(join(hooks, 'lab-vlans'), '');
  await writeFile(join(hooks, 'qemu.d/lab-vlans'), VLAN_HOOK);
  await chmod(join(hooks, 'qemu.d/lab-vlans'), 0o755);
  await mkdir(join(dir, 'run/libvirt/lab'), { recursive: true });
  await mkdir(join(dir, 'var-lib-libvirt/images'), { recursive: true });
  const libvirtd = await startPrivateLibvirtd({
    dir,
    hostname: options.name,
    hostUuid: hostUuid(options.name, dir),
    keep: KEEP,
    cacheDir: join(defaultCacheDir(), 'qemu-capabilities'),
    detached: options.detached === true,
  });
  const host = new LabHost(libvirtd);
  // As on a host where nobody has asked for bridge netfilter yet; whoever needs it switches it on.
  await host.run(
    'for f in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e "$f" ] || echo 0 > "$f"; done; ' +
      'modprobe -qa br_netfilter nf_conntrack 8021q 2>/dev/null; true',
  );
  await host.run(`setsid --fork sh -c '${WATCH}' </dev/null >/dev/null 2>&1`);
  return host;
}

// The same host again after a restart of the lab, another one than the same scenario elsewhere.
function hostUuid(name: string, dir: string): string {
  const hex = createHash('sha256').update(`host\0${name}\0${dir}`).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/** The lab host that lives in `dir`, or undefined when none does. */
export async function attachLabHost(dir: string): Promise<LabHost | undefined> {
  const libvirtd = await attachPrivateLibvirtd(resolve(dir));
  return libvirtd === undefined ? undefined : new LabHost(libvirtd);
}

/** Joins a bridge of one host with one of another, as a cable between two switches would. */
export async function joinBridges(
  a: LabHost,
  b: LabHost,
  bridge: { readonly a: string; readonly b: string; readonly name: string },
): Promise<void> {
  const [here, there] = [`lk${bridge.name}`.slice(0, 14) + 'a', `lk${bridge.name}`.slice(0, 14) + 'b'];
  // Made inside one host and moved from there: the machine's own namespace never sees it. Only outside do
  // both hosts' processes have a number.
  const inA = (argv: string[]): Promise<string> =>
    program(['nsenter', `--net=${a.netns}`, 'ip', 'link', ...argv]);
  await inA(['add', here, 'type', 'veth', 'peer', 'name', there, 'netns', String(b.libvirtd.holderPid)]);
  await inA(['set', here, 'master', bridge.a, 'up']);
  await b.run(['ip', 'link', 'set', there, 'master', bridge.b, 'up']);
}

/** Name of a host's directory, from the lab's directory. */
export const hostDir = (labDir: string, name: string): string => join(labDir, basename(name));
