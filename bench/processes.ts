// What a process of the system costs: its resident memory, and the CPU time it has used.
import { readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;

/** User and system seconds since its start; 0 for none. */
export function cpuSeconds(pid: number | undefined): number {
  const text = pid === undefined ? '' : readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND;
}

/** Resident memory in MiB; NaN for none. */
export function residentMiB(pid: number | undefined): number {
  const text = pid === undefined ? '' : readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1] ?? Number.NaN) / 1024;
}
