/**
 * What 10,000 rules cost the traffic of two VMs of one bridge: throughput and connections per second, beside the same
 * bridge with nothing but connection tracking. The two take turns, and the medians are compared.
 */
import { spawn } from 'node:child_process';
import { buildRuleset, fullScript, removalScript } from '@wocloud/policy/render/script.ts';
import { run as execute } from '@wocloud/policy/testing/kernel.ts';
import type { Rule } from '@wocloud/protocol/resources/policy.ts';
import { BRIDGE_MAC, MACS, pairFacts, pairState } from './pair.ts';
import { main, median, type BenchResult } from './result.ts';

const RULES = 10_000;
const ROUNDS = 11;
const SECONDS = 2;
const PYTHON = '/usr/bin/python3';
const SERVICE = 5201;

/** Rules about other addresses and ports, then, as the last, the one that lets the measured traffic through. */
function ruleset(): string {
  const rules = (part: number): Rule[] =>
    Array.from({ length: 1000 }, (_, i): Rule => {
      const n = part * 1000 + i;
      if (n === RULES - 1) return { name: 'measured', direction: 'both', action: 'allow', services: ['tcp'] };
      const peers = [{ cidr: `172.${16 + (n >> 10)}.${(n >> 2) & 255}.${(n & 3) << 6}/26` }];
      const services = [`tcp/${1 + (n % 4000)}`];
      return { name: `r${i}`, direction: 'both', action: n % 3 ? 'allow' : 'drop', from: peers, services };
    });
  const state = pairState({
    policies: Array.from({ length: RULES / 1000 }, (_, part) => ({
      apiVersion: 'wocloud/v1' as const,
      kind: 'Policy' as const,
      metadata: { name: `p${part}`, tenant: 'acme' },
      spec: { tier: 'tenant', priority: part, mode: 'enforce', appliesTo: 'all', rules: rules(part) },
    })),
    // What is measured is a flood, to the guard against floods.
    limits: [
      {
        apiVersion: 'wocloud/v1',
        kind: 'Limit',
        metadata: { name: 'none' },
        spec: { appliesTo: 'all', synsPerSecond: 10_000_000 },
      },
    ],
  });
  return fullScript(buildRuleset(state, pairFacts(state)));
}

// Connects and closes, one after the other, as fast as it goes; prints connections per second.
const CLIENT = `
import socket, struct, sys, time
seconds, count, start = float(sys.argv[1]), 0, time.perf_counter()
while time.perf_counter() - start < seconds:
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    s.connect(('10.0.0.2', 7000))
    s.close()
    count += 1
print(count / (time.perf_counter() - start))
`;
const SERVER = `
import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(('10.0.0.2', 7000))
s.listen(1024)
print('ready', flush=True)
while True:
    s.accept()[0].close()
`;

interface Hosts {
  host: string;
  guests: readonly [string, string];
}

async function withHosts<T>(body: (hosts: Hosts) => Promise<T>): Promise<T> {
  const host = `wbf${process.pid}`;
  const guests = [`${host}a`, `${host}b`] as const;
  const ip = (...args: string[]) => execute('ip', args);
  for (const name of [host, ...guests]) await ip('netns', 'add', name);
  const servers: ReturnType<typeof spawn>[] = [];
  try {
    await ip('-n', host, 'link', 'add', 'br0', 'address', BRIDGE_MAC, 'type', 'bridge');
    await ip('-n', host, 'link', 'set', 'br0', 'up');
    for (const [i, guest] of guests.entries()) {
      const peer = ['peer', 'name', 'eth0', 'address', MACS[i] as string, 'netns', guest];
      await ip('-n', host, 'link', 'add', `tap${i}`, 'type', 'veth', ...peer);
      await ip('-n', host, 'link', 'set', `tap${i}`, 'master', 'br0', 'up');
      await ip('-n', guest, 'address', 'add', `10.0.0.${i + 1}/24`, 'dev', 'eth0');
      await ip('-n', guest, 'link', 'set', 'eth0', 'up');
    }
    const settings = ['net.bridge.bridge-nf-call-iptables=1', 'net.bridge.bridge-nf-call-ip6tables=1'];
    await ip('netns', 'exec', host, 'sysctl', '-q', '-w', ...settings);
    const inside = ['netns', 'exec', guests[1]];
    servers.push(spawn('ip', [...inside, 'iperf3', '-s', '-p', String(SERVICE)], { stdio: 'ignore' }));
    const server = spawn('ip', [...inside, PYTHON, '-c', SERVER], { stdio: ['ignore', 'pipe', 'inherit'] });
    servers.push(server);
    await new Promise((resolve, reject) => {
      server.stdout.once('data', resolve);
      server.once('exit', () => reject(new Error('the server did not start')));
    });
    return await body({ host, guests });
  } finally {
    for (const server of servers) server.kill('SIGKILL');
    for (const name of [host, ...guests]) await ip('netns', 'delete', name);
  }
}

async function measure({ guests }: Hosts): Promise<{ gbits: number; connections: number }> {
  const inside = ['netns', 'exec', guests[0]];
  const iperf = ['iperf3', '-J', '-c', '10.0.0.2', '-p', String(SERVICE), '-t', String(SECONDS)];
  const report = JSON.parse(await execute('ip', [...inside, ...iperf])) as {
    end: { sum_received: { bits_per_second: number } };
  };
  const connections = Number(await execute('ip', [...inside, PYTHON, '-c', CLIENT, String(SECONDS)]));
  return { gbits: report.end.sum_received.bits_per_second / 1e9, connections };
}

/** Only what makes the kernel track connections. */
const BARE = `add table inet bare
add chain inet bare forward { type filter hook forward priority 0; policy accept; }
add rule inet bare forward ct state established accept
`;

export async function run(): Promise<BenchResult> {
  const [rules, ours, bare] = [
    ruleset(),
    [] as Awaited<ReturnType<typeof measure>>[],
    [] as Awaited<ReturnType<typeof measure>>[],
  ];
  await withHosts(async (hosts) => {
    const nft = (script: string) => execute('ip', ['netns', 'exec', hosts.host, 'nft', '-f', '-'], script);
    for (let round = 0; round < ROUNDS; round++) {
      await nft(BARE);
      bare.push(await measure(hosts));
      await nft('delete table inet bare');
      await nft(rules);
      ours.push(await measure(hosts));
      await nft(removalScript());
    }
  });
  const of = (list: typeof ours, key: 'gbits' | 'connections') => median(list.map((m) => m[key]));
  const [gbits, connections] = [
    of(ours, 'gbits') / of(bare, 'gbits'),
    of(ours, 'connections') / of(bare, 'connections'),
  ];
  return {
    name: 'Traffic under 10,000 rules',
    params: { rules: RULES, rounds: ROUNDS, seconds: SECONDS },
    rows: [
      { label: 'bridge with connection tracking', value: of(bare, 'gbits'), unit: 'Gbit/s' },
      { label: 'with 10,000 rules', value: of(ours, 'gbits'), unit: 'Gbit/s' },
      { label: 'bridge with connection tracking', value: of(bare, 'connections'), unit: 'connections/s' },
      { label: 'with 10,000 rules', value: of(ours, 'connections'), unit: 'connections/s' },
    ],
    ratios: [
      { label: 'throughput, of the bare bridge', value: gbits, target: 'at least 0.9', met: gbits >= 0.9 },
      {
        label: 'connections, of the bare bridge',
        value: connections,
        target: 'at least 0.9',
        met: connections >= 0.9,
      },
    ],
  };
}

await main(import.meta.url, run);
