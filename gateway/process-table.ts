// Processes as /proc has them: how the daemon finds the Suricata that runs, whoever started it.
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';

const PAGE_KIB = 4;

export interface Running {
  pid: number;
  /** When it started, in ticks since boot: together with the pid it names one process for ever. */
  started: string;
}

/** The process with this pid while it runs; undefined when it is gone or only waits to be reaped. */
export function running(pid: number): Running | undefined {
  const fields = read(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, '')
    .split(' ');
  const [state, started] = [fields?.[0], fields?.[19]];
  if (started === undefined || state === 'Z' || state === 'X') return undefined;
  return { pid, started };
}

export const isRunning = (process: Running): boolean => running(process.pid)?.started === process.started;

/** Processes of a program of this name with exactly these arguments. */
export function withCommand(program: string, args: readonly string[]): Running[] {
  const wanted = args.join('\0');
  return readdirSync('/proc').flatMap((name) => {
    if (!/^[0-9]+$/.test(name)) return [];
    const [path = '', ...its] = read(`/proc/${name}/cmdline`)?.replace(/\0$/, '').split('\0') ?? [];
    if (basename(path) !== program || its.join('\0') !== wanted) return [];
    return running(Number(name)) ?? [];
  });
}

export function residentKiB(pid: number): number {
  return Number(read(`/proc/${pid}/statm`)?.split(' ')[1] ?? 0) * PAGE_KIB || 0;
}

/** Memory that could be had without swapping. */
export function freeKiB(): number {
  return Number(/^MemAvailable: +([0-9]+) kB$/m.exec(read('/proc/meminfo') ?? '')?.[1] ?? 0);
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
