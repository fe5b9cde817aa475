// The measurement itself, in namespaces of its own; prints a BenchResult. Run by ../flow-reader.ts.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { enterHost, nft, run as command, sysctl, until } from '@wocloud/engine/flows/testing/namespace.ts';
import type { BenchResult } from '../result.ts';

enterHost();
// A wire whose far end is unplugged: packets are tracked on their way out, and then cost nothing more.
command('ip link add out0 type veth peer name out1');
command('ip link set out0 arp off up');
command('ip addr add 10.127.0.1/32 dev out0');
command('ip route add 10.128.0.0/9 dev out0 src 10.127.0.1');
nft(
  'table inet bench {\n chain zones { type filter hook output priority raw;\n ct zone set 1\n }\n chain out { type filter hook output priority 0; policy accept;\n ct state new accept\n }\n}',
);
sysctl('net.netfilter.nf_conntrack_acct', 1);
sysctl('net.netfilter.nf_conntrack_timestamp', 1);

const directory = mkdtempSync(join(tmpdir(), 'wocloud-bench-'));
const here = (file: string) => join(import.meta.dirname, file);

interface Count {
  starts: number;
  ends: number;
  /** µs */
  cpu: number;
  resident: number;
  same?: boolean;
  counters?: Record<string, number>;
}

/** Bytes waiting in any netfilter socket of this namespace. */
function backlog(): number {
  const lines = readFileSync('/proc/thread-self/net/netlink', 'utf8').trim().split('\n').slice(1);
  return lines.reduce((sum, line) => {
    const [, protocol, , , waiting] = line.trim().split(/\s+/);
    return protocol === '12' ? sum + Number(waiting) : sum;
  }, 0);
}

const quiet = () =>
  until('the reader to catch up', () => (backlog() === 0 ? true : undefined), 60_000).then(
    () => new Promise((resolve) => setTimeout(resolve, 300)),
  );

async function load(flows: number, rate: number): Promise<number> {
  const child = spawn(process.execPath, [here('generate.ts'), String(flows), String(rate)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const took = Number(await firstLine(child));
  await quiet();
  command('conntrack -F');
  await quiet();
  return took;
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('exit', (status) => reject(new Error(`exited (${status})`)));
    child.stdout?.once('data', (data: Buffer) => resolve(data.toString().trim()));
  });
}

/** A reader that says `up`, and its counts as JSON after SIGINT. */
async function counting(
  program: string,
  args: string[],
  flows: number,
  rate: number,
): Promise<Count & { took: number }> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await firstLine(child);
  const took = await load(flows, rate);
  const lines = createInterface({ input: child.stdout });
  const said = new Promise<string>((resolve) => lines.once('line', resolve));
  child.kill('SIGINT');
  return { ...(JSON.parse(await said) as Count), took };
}

/** `conntrack -E` into a file, its lines counted afterwards. */
async function conntrackTool(flows: number, rate: number): Promise<Count & { took: number }> {
  const path = join(directory, 'events');
  const file = openSync(path, 'w');
  const child = spawn('conntrack', ['-E', '-e', 'NEW,DESTROY', '-b', String(64 * 1024 * 1024)], {
    stdio: ['ignore', file, 'ignore'],
  });
  await until('conntrack -E to listen', () =>
    readFileSync('/proc/thread-self/net/netlink', 'utf8').includes('00000005'),
  );
  const took = await load(flows, rate);
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const ticks = Number(fields[11]) + Number(fields[12]);
  const resident =
    Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) * 1024;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGINT');
  await exited;
  closeSync(file);
  const count = (what: string) =>
    Number(execFileSync('grep', ['-c', '-F', what, path], { encoding: 'utf8' }).trim());
  return { starts: count('[NEW]'), ends: count('[DESTROY]'), cpu: ticks * 10_000, resident, took };
}

function compilePeer(): string | undefined {
  const out = join(directory, 'peer');
  try {
    execFileSync('gcc', ['-O2', '-o', out, here('peer.c'), '-lnetfilter_conntrack', '-lnfnetlink'], {
      stdio: 'ignore',
    });
    return out;
  } catch {
    return undefined;
  }
}

async function measure(): Promise<BenchResult> {
  const peer = compilePeer();
  const seconds = 4;
  const rows: { label: string; value: number; unit: string }[] = [];
  const lost: Record<string, number> = {};
  const cpu: Record<string, number> = {};
  for (const rate of [2000, 10_000, 40_000]) {
    const flows = rate * seconds;
    const readers: [string, () => Promise<Count & { took: number }>][] = [
      ['wocloud', () => counting(process.execPath, [here('ours.ts')], flows, rate)],
      ...(peer === undefined
        ? []
        : [
            ['C reader', () => counting(peer, [], flows, rate)] as [
              string,
              () => Promise<Count & { took: number }>,
            ],
          ]),
      ['conntrack -E', () => conntrackTool(flows, rate)],
    ];
    for (const [name, read] of readers) {
      const got = await read();
      const events = got.starts + got.ends;
      const missing = 1 - events / (2 * flows);
      const at = `${name}, ${rate.toLocaleString('en-US')} flows/s`;
      rows.push({ label: `${at}: events lost`, value: 2 * flows - events, unit: `of ${2 * flows}` });
      rows.push({ label: `${at}: CPU per event`, value: got.cpu / Math.max(1, events), unit: 'µs' });
      if (rate === 40_000) {
        rows.push({ label: `${at}: offered`, value: flows / got.took, unit: 'flows/s' });
        rows.push({ label: `${at}: resident`, value: got.resident / 2 ** 20, unit: 'MiB' });
      }
      lost[`${name} ${rate}`] = missing;
      cpu[`${name} ${rate}`] = got.cpu / Math.max(1, events);
      console.error(at, got);
    }
  }
  const ours = lost['wocloud 40000'] ?? 1;
  const ratios: BenchResult['ratios'] = [
    { label: 'events lost at 40,000 flows/s', value: ours, target: '0', met: ours === 0 },
    {
      label: 'CPU per event, wocloud / conntrack -E',
      value: (cpu['wocloud 40000'] ?? Number.NaN) / (cpu['conntrack -E 40000'] ?? Number.NaN),
    },
    ...(peer === undefined
      ? []
      : [
          {
            label: 'CPU per event, wocloud (to flow records) / C reader (counting only)',
            value: (cpu['wocloud 40000'] ?? Number.NaN) / (cpu['C reader 40000'] ?? Number.NaN),
          },
        ]),
  ];
  return {
    name: 'flow reader',
    params: {
      seconds,
      ends: 'all in one burst',
      receiveBuffer: '64 MiB each',
      peer: peer ? 'libnetfilter_conntrack' : 'no C compiler',
    },
    rows,
    ratios,
  };
}

try {
  console.log(JSON.stringify(await measure()));
} finally {
  rmSync(directory, { recursive: true, force: true });
}
