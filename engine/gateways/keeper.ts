// Keeps a container's processes alive and within their memory, whatever becomes of the engine: by systemd where it
// runs, as a service of its own; else as processes of nobody, in cgroups where there are some.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { program, ProgramError } from '@wocloud/image/program.ts';

/** How what was started is found again. */
export type Held = { by: 'process'; pid: number; started: string } | { by: 'systemd' };

export interface Kept {
  /** Name of the service or the cgroups. */
  readonly name: string;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Gets what the program says until it is under way. */
  readonly log: string;
  /** Appears when it is under way. */
  readonly ready: string;
  readonly memoryMiB: number;
  readonly vcpus: number;
}

export interface Keeper {
  /** Resolves when `ready` is there; throws with the program's last words when it ends before. */
  start(kept: Kept): Promise<Held>;
  /** Ends it and waits until it has. */
  stop(name: string, held: Held | null): Promise<void>;
  isAlive(name: string, held: Held): Promise<boolean>;
  /** Runs a program outside of what confines the engine. */
  run(argv: readonly string[]): Promise<void>;
}

const START_MS = 15_000;
/** Node reserves so much when it starts, and touches little of it; the kernel counts it all the same. */
const RESERVED_MIB = 512;
const MAX_PROCESSES = 512;

export const keeper = (): Keeper => (existsSync('/run/systemd/system') ? bySystemd : byProcess);

const unit = (name: string): string => `${name}.service`;

/** A transient service: systemd is outside of the engine's confinement, and outlives it. */
export const bySystemd: Keeper = {
  async start({ name, argv, env, log, ready, memoryMiB, vcpus }) {
    const properties = [
      `MemoryMax=${memoryMiB}M`,
      'MemorySwapMax=0',
      `CPUQuota=${vcpus * 100}%`,
      `TasksMax=${MAX_PROCESSES}`,
      `StandardOutput=file:${log}`,
      `StandardError=file:${log}`,
    ];
    await program([
      'systemd-run',
      '--quiet',
      '--collect',
      `--unit=${unit(name)}`,
      `--description=Wocloud security gateway (${name})`,
      ...properties.map((property) => `--property=${property}`),
      ...Object.entries(env).map(([key, value]) => `--setenv=${key}=${value}`),
      '--',
      ...argv,
    ]);
    const held: Held = { by: 'systemd' };
    await underWay(ready, log, () => this.isAlive(name, held));
    return held;
  },
  async stop(name) {
    await program(['systemctl', 'kill', '--signal=KILL', unit(name)]).catch(ifNotLoaded);
    await program(['systemctl', 'stop', unit(name)]).catch(ifNotLoaded);
  },
  async isAlive(name) {
    const shown = await program(['systemctl', 'show', '--property=ActiveState', '--value', unit(name)]);
    return ['active', 'activating', 'reloading'].includes(shown.trim());
  },
  async run(argv) {
    // Of this type it has started only when it is done.
    await program(['systemd-run', '--quiet', '--collect', '--property=Type=oneshot', '--', ...argv]);
  },
};

function ifNotLoaded(error: Error): void {
  if (!(error instanceof ProgramError) || !/not loaded|not found/.test(error.stderr)) throw error;
}

// $0: the cgroups to join, $1: KiB of data a process may have, then the program.
const ENTER = 'for group in $0; do echo $$ > "$group"; done; ulimit -d "$1"; shift; exec "$@"';

/** Processes in a session of their own. The machine's first process has them when the engine is gone. */
export const byProcess: Keeper = {
  async start({ name, argv, env, log, ready, memoryMiB, vcpus }) {
    const groups = await makeGroups(name, memoryMiB, vcpus);
    const output = await open(log, 'a');
    // Where no cgroup holds the memory of all, each process is held by itself.
    const dataKib = groups.some((group) => group.limitsMemory)
      ? 'unlimited'
      : String((memoryMiB + RESERVED_MIB) * 1024);
    const joined = groups.map((group) => join(group.path, 'cgroup.procs')).join(' ');
    const child = spawn('sh', ['-euc', ENTER, joined, dataKib, ...argv], {
      detached: true,
      cwd: '/',
      stdio: ['ignore', output.fd, output.fd],
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env },
    });
    let ended = false;
    child.once('exit', () => (ended = true)).once('error', () => (ended = true));
    child.unref();
    await output.close();
    try {
      await underWay(ready, log, async () => !ended);
      // The first process of the new namespace; the one that waits for it ends with it.
      const pid = await firstChild(child.pid as number);
      const started = pid === undefined ? undefined : await startTime(pid);
      if (pid === undefined || started === undefined) throw new Error('it ended at once');
      return { by: 'process', pid, started };
    } catch (error) {
      if (!ended) process.kill(child.pid as number, 'SIGKILL');
      throw error;
    }
  },
  async stop(name, held) {
    if (held?.by === 'process' && (await startTime(held.pid)) === held.started) {
      process.kill(held.pid, 'SIGKILL');
      await until(async () => (await startTime(held.pid)) !== held.started, 'the end of its processes');
    }
    for (const path of GROUPS.map((group) => join(group.path, name)).filter((path) => existsSync(path)))
      await until(
        () =>
          rmdir(path).then(
            () => true,
            () => false,
          ),
        `the end of what is in ${path}`,
      );
  },
  isAlive: async (_name, held) => held.by === 'process' && (await startTime(held.pid)) === held.started,
  async run(argv) {
    await program(argv);
  },
};

/** Where memory can be limited: by cgroups of version 2, else of version 1. */
const GROUPS = [
  { path: '/sys/fs/cgroup', present: '/sys/fs/cgroup/cgroup.controllers' },
  { path: '/sys/fs/cgroup/memory', present: '/sys/fs/cgroup/memory/memory.limit_in_bytes' },
  { path: '/sys/fs/cgroup/pids', present: '/sys/fs/cgroup/pids/cgroup.procs' },
] as const;

interface Group {
  readonly path: string;
  readonly limitsMemory: boolean;
}

async function makeGroups(name: string, memoryMiB: number, vcpus: number): Promise<Group[]> {
  const groups: Group[] = [];
  for (const { path: parent, present } of GROUPS) {
    if (!existsSync(present)) continue;
    const path = join(parent, name);
    const set = (file: string, value: string): Promise<boolean> =>
      writeFile(join(path, file), value).then(
        () => true,
        () => false, // this controller is not to be had here
      );
    await mkdir(path, { recursive: true });
    const bytes = String(memoryMiB * 1024 * 1024);
    const limitsMemory = (await set('memory.max', bytes)) || (await set('memory.limit_in_bytes', bytes));
    await set('memory.swap.max', '0');
    await set('pids.max', String(MAX_PROCESSES));
    await set('cpu.max', `${vcpus * 100_000} 100000`);
    groups.push({ path, limitsMemory });
  }
  return groups;
}

async function underWay(ready: string, log: string, isAlive: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + START_MS;
  while (!existsSync(ready)) {
    const late = performance.now() > end;
    if (late || !(await isAlive())) {
      // It may have come between the two looks.
      if (existsSync(ready)) return;
      const words = await readFile(log, 'utf8').catch(() => '');
      throw new Error(
        `${late ? `not under way after ${START_MS} ms` : 'it ended'}: ${words.slice(-2000).trim()}`,
      );
    }
    await delay(10);
  }
}

async function until(reached: () => Promise<boolean>, what: string): Promise<void> {
  const end = performance.now() + START_MS;
  while (!(await reached())) {
    if (performance.now() > end) throw new Error(`${what} did not come within ${START_MS} ms`);
    await delay(10);
  }
}

async function firstChild(pid: number): Promise<number | undefined> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'latin1').catch(() => '');
  return Number(text.trim().split(' ')[0]) || undefined;
}

/** With its number, the identity of a process. Undefined once it is gone or only waits to be reaped. */
async function startTime(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined);
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields === undefined || fields[0] === 'Z' ? undefined : fields[19];
}
