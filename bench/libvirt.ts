/**
 * Listing all domains and reading one's XML, 1,000 times: our client, libvirt's own C library through python3-libvirt,
 * and `virsh` spawned as often as patience allows, all against the same libvirtd, taking turns.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { libvirtVersion } from '@wocloud/libvirt/procedures-connect.ts';
import { defineDomain, domainXml, listDomains } from '@wocloud/libvirt/procedures-domain.ts';
import { closeConnection, openConnection } from '@wocloud/libvirt/open.ts';
import { guestXml } from '@wocloud/libvirt/testing/guest-xml.ts';
import { startPrivateLibvirtd } from '@wocloud/libvirt/testing/libvirtd.ts';
import { main, median, type BenchResult } from './result.ts';

const execute = promisify(execFile);

const DOMAINS = 20;
const ROUNDS = 5;
/** Pairs of list and XML per round: 1,000 in all. */
const PAIRS = 200;
/** `virsh` takes tens of milliseconds a spawn: fewer pairs, and the time per pair is what is compared. */
const VIRSH_PAIRS = 10;

const PYTHON = '/usr/bin/python3';

// Reads the number of pairs from standard input, line by line; prints the seconds each batch took.
const PYTHON_CLIENT = `
import sys, time, libvirt
conn = libvirt.open(sys.argv[1])
print('ready', flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    for _ in range(int(line)):
        domains = conn.listAllDomains(0)
        domains[0].XMLDesc(0)
    print(time.perf_counter() - start, flush=True)
`;

/** A Python process with a connection of its own; it measures as many pairs as it is asked for. */
async function startPython(uri: string): Promise<{ ask(line: string): Promise<string>; stop(): void }> {
  const child = spawn(PYTHON, ['-c', PYTHON_CLIENT, uri], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error('python3-libvirt ended: is it installed?');
    return value;
  };
  await next();
  return {
    ask(line) {
      child.stdin.write(`${line}\n`);
      return next();
    },
    stop: () => child.stdin.end(),
  };
}

/** Runs it; needs root, libvirtd, virsh and, for the C library, Debian's python3-libvirt. */
export async function run(): Promise<BenchResult> {
  const dir = await mkdtemp(join(tmpdir(), 'lv-'));
  const host = await startPrivateLibvirtd({ dir, cacheDir: join(tmpdir(), 'wocloud-qemu-capabilities') });
  try {
    const connection = await openConnection({ target: { unix: host.socket } });
    for (let i = 0; i < DOMAINS; i++) await defineDomain(connection, guestXml({ name: `bench-${i}` }));
    const python = existsSync(PYTHON) ? await startPython(host.uri) : undefined;

    const ours = async (pairs: number): Promise<number> => {
      const start = performance.now();
      for (let i = 0; i < pairs; i++) {
        const [first] = await listDomains(connection);
        if (first === undefined) throw new Error('no domains');
        await domainXml(connection, first);
      }
      return (performance.now() - start) / pairs;
    };
    const pipelined = async (pairs: number): Promise<number> => {
      const [first] = await listDomains(connection);
      if (first === undefined) throw new Error('no domains');
      const start = performance.now();
      await Promise.all(
        Array.from({ length: pairs }, () =>
          Promise.all([listDomains(connection), domainXml(connection, first)]),
        ),
      );
      return (performance.now() - start) / pairs;
    };
    const clibrary = async (pairs: number): Promise<number> =>
      (Number(await python?.ask(String(pairs))) * 1_000) / pairs;
    const virsh = async (pairs: number): Promise<number> => {
      const start = performance.now();
      for (let i = 0; i < pairs; i++) {
        await execute('virsh', ['-c', host.uri, 'list', '--all']);
        await execute('virsh', ['-c', host.uri, 'dumpxml', 'bench-0']);
      }
      return (performance.now() - start) / pairs;
    };

    await ours(50); // warm: compiled code, libvirtd's threads
    await clibrary(50);
    const times = {
      ours: [] as number[],
      pipelined: [] as number[],
      clibrary: [] as number[],
      virsh: [] as number[],
    };
    for (let round = 0; round < ROUNDS; round++) {
      times.ours.push(await ours(PAIRS));
      if (python !== undefined) times.clibrary.push(await clibrary(PAIRS));
      times.pipelined.push(await pipelined(PAIRS));
      times.virsh.push(await virsh(VIRSH_PAIRS));
    }
    python?.stop();
    const { major, minor, release } = await libvirtVersion(connection);
    await closeConnection(connection);

    const ms = {
      ours: median(times.ours),
      pipelined: median(times.pipelined),
      virsh: median(times.virsh),
      clibrary: median(times.clibrary),
    };
    const againstC =
      python === undefined
        ? []
        : [{ label: 'C library through Python / ours, one at a time', value: ms.clibrary / ms.ours }];
    return {
      name: 'libvirt client: list + XML',
      params: {
        domains: DOMAINS,
        pairs: ROUNDS * PAIRS,
        virshPairs: ROUNDS * VIRSH_PAIRS,
        libvirt: `${major}.${minor}.${release}`,
        node: process.version,
      },
      rows: [
        { label: 'ours, one at a time', value: ms.ours, unit: 'ms per list + XML' },
        { label: 'ours, all at once', value: ms.pipelined, unit: 'ms per list + XML' },
        ...(python === undefined
          ? []
          : [{ label: 'C library through python3-libvirt', value: ms.clibrary, unit: 'ms per list + XML' }]),
        { label: 'virsh, two spawns', value: ms.virsh, unit: 'ms per list + XML' },
      ],
      ratios: [
        {
          label: 'virsh / ours, one at a time',
          value: ms.virsh / ms.ours,
          target: 'at least 20',
          met: ms.virsh / ms.ours >= 20,
        },
        ...againstC,
      ],
    };
  } finally {
    await host.stop({ purge: true });
  }
}

await main(import.meta.url, run);
