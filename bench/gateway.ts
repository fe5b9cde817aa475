/**
 * What inspection costs two VMs of one bridge: nothing, the firewall, a gateway that is only a wire, Suricata as it
 * would stand between them by itself, and our whole path through a gateway with the same Suricata. All take turns, and
 * the medians are compared.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  COMMAND_SOCKET,
  CURRENT_RULES,
  RULE_FILE,
  suricataConfig,
  THRESHOLD_FILE,
} from '@wocloud/gateway/suricata-config.ts';
import { gatewayImage } from '@wocloud/gateway/image/build.ts';
import { imageSuricata } from '@wocloud/gateway/testing/suricata.ts';
import { buildRuleset, fullScript } from '@wocloud/policy/render/script.ts';
import { run as execute } from '@wocloud/policy/testing/kernel.ts';
import type { Insertion } from '@wocloud/protocol/resources/insertion.ts';
import { BRIDGE_MAC, MACS, pairFacts, pairState } from './pair.ts';
import { main, median, type BenchResult } from './result.ts';

const ROUNDS = 7;
const SECONDS = 2;
const TRIPS = 3_000;
const PYTHON = '/usr/bin/python3';
const RULES = `alert http any any -> any any (msg:"a"; http.uri; content:"/forbidden"; sid:1;)
drop tcp any any -> any any (msg:"b"; flow:established; content:"EXPLOIT-ME"; sid:2;)
`;

const ECHO = `
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('10.0.0.2', 7)); print('ready', flush=True)
while True: s.sendto(*s.recvfrom(100))
`;
const ASK = `
import socket, statistics, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(('10.0.0.2', 7)); s.settimeout(2)
def trip():
    began = time.perf_counter(); s.send(b'x' * 64); s.recv(100); return (time.perf_counter() - began) * 1e6
for _ in range(200): trip()
print(statistics.median(trip() for _ in range(${TRIPS})))
`;

const SETUPS = {
  bare: 'bare bridge',
  firewall: 'host firewall',
  wire: 'through a gateway that is a wire',
  alone: 'Suricata alone between them',
  whole: 'through a gateway with Suricata',
} as const;
type Setup = keyof typeof SETUPS;

/** Namespaces of a host, two guests and a gateway, made anew for each setup. */
class Hosts {
  readonly #name: string;
  readonly #servers: ChildProcess[] = [];
  #run: string | undefined;

  constructor(setup: Setup) {
    this.#name = `wbg${process.pid}${setup.slice(0, 1)}`;
  }

  static async measured<T>(setup: Setup, body: (hosts: Hosts) => Promise<T>): Promise<T> {
    const hosts = new Hosts(setup);
    try {
      await hosts.#build(setup);
      return await body(hosts);
    } finally {
      await hosts.#end();
    }
  }

  in(place: 'h' | 'a' | 'b' | 'g', command: string, args: readonly string[] = [], input?: string) {
    return execute('ip', ['netns', 'exec', this.#name + place, command, ...args], input);
  }

  async #build(setup: Setup): Promise<void> {
    const n = this.#name;
    for (const place of ['h', 'a', 'b', 'g']) {
      await execute('ip', ['netns', 'add', n + place]);
      await execute('ip', ['-n', n + place, 'link', 'set', 'lo', 'up']);
    }
    const middle = setup === 'alone' ? 'g' : 'h';
    if (setup !== 'alone')
      await this.#ip('h', `link add br0 address ${BRIDGE_MAC} type bridge`, 'link set br0 up');
    for (const [i, guest] of (['a', 'b'] as const).entries()) {
      const device = setup === 'alone' ? `in${i}` : `tap${i}`;
      await this.#ip(
        middle,
        `link add ${device} type veth peer name eth0 address ${MACS[i]} netns ${n}${guest}`,
      );
      await this.#ip(middle, `link set ${device} ${setup === 'alone' ? '' : 'master br0'} up`);
      await this.#ip(guest, `address add 10.0.0.${i + 1}/24 dev eth0`, 'link set eth0 up');
      if (setup === 'alone') await this.#plain(guest, 'eth0');
      if (setup === 'alone') await this.#plain(middle, device);
    }
    if (setup === 'wire' || setup === 'whole') await this.#gateway(setup);
    if (setup === 'alone' || setup === 'whole') await this.#suricata();
    if (setup !== 'bare' && setup !== 'alone') await this.#firewall(setup !== 'firewall');
    await this.#serve('iperf3', ['-s'], 'b');
    const echo = await this.#serve(PYTHON, ['-c', ECHO], 'b');
    await once(echo.stdout as NodeJS.ReadableStream, 'data');
  }

  async #ip(place: 'h' | 'a' | 'b' | 'g', ...commands: string[]): Promise<void> {
    for (const command of commands)
      await execute('ip', ['-n', this.#name + place, ...command.split(' ').filter(Boolean)]);
  }

  /** Frames as long as a wire carries, as in every gateway. */
  #plain(place: 'h' | 'a' | 'b' | 'g', device: string) {
    return this.in(place, 'ethtool', [
      '-K',
      device,
      ...['tso', 'gso', 'gro', 'tx', 'rx'].flatMap((what) => [what, 'off']),
    ]);
  }

  async #gateway(setup: Setup): Promise<void> {
    for (const [i, side] of ['a', 'b', 'm'].entries()) {
      const inside = `in${i}`;
      await this.#ip(
        'h',
        `link add wog1${side} type veth peer name ${inside} netns ${this.#name}g`,
        `link set wog1${side} up`,
      );
      await this.#ip('g', `link set ${inside} up`);
      await this.#plain('h', `wog1${side}`);
      await this.#plain('g', inside);
    }
    if (setup === 'whole') return;
    for (const [from, to] of [
      ['in0', 'in1'],
      ['in1', 'in0'],
    ] as const) {
      await this.in('g', 'tc', ['qdisc', 'add', 'dev', from, 'ingress']);
      const all = `filter add dev ${from} parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev ${to}`;
      await this.in('g', 'tc', all.split(' '));
    }
  }

  async #suricata(): Promise<void> {
    const run = mkdtempSync(join(tmpdir(), 'wbg-'));
    this.#run = run;
    for (const [file, text] of [
      [RULE_FILE, RULES],
      [THRESHOLD_FILE, ''],
    ] as const) {
      mkdirSync(dirname(join(run, CURRENT_RULES, file)), { recursive: true });
      writeFileSync(join(run, CURRENT_RULES, file), text);
    }
    const config = join(run, 'suricata.yaml');
    writeFileSync(config, suricataConfig({ run, memoryMiB: 768, cpus: 1, mirror: false }, 'wire'));
    const { dir } = await gatewayImage();
    await this.#serve(imageSuricata(dir, run), ['-c', config, '--af-packet'], 'g');
    for (const deadline = performance.now() + 30_000; !existsSync(join(run, COMMAND_SOCKET)); await pause(50))
      if (performance.now() > deadline) throw new Error('Suricata does not come up');
    await pause(1_000);
  }

  async #firewall(inspected: boolean): Promise<void> {
    await this.in('h', 'sysctl', [
      '-qw',
      'net.bridge.bridge-nf-call-iptables=1',
      'net.bridge.bridge-nf-call-ip6tables=1',
    ]);
    const index = async (device: string) => ({
      device,
      index: Number(await this.in('h', 'cat', [`/sys/class/net/${device}/ifindex`])),
    });
    const [a, b, m] = inspected ? await Promise.all(['wog1a', 'wog1b', 'wog1m'].map(index)) : [];
    const state = pairState({ insertions: inspected ? [INSERTION] : [] });
    const ruleset = buildRuleset(state, {
      ...pairFacts(state),
      ...(a && b && m ? { gateways: new Map([[1, { a, b, m }]]), buckets: Array<number>(16).fill(1) } : {}),
    });
    const alive = inspected ? 'add element netdev wocloud alive { 0x01000000 }\n' : '';
    await this.in('h', 'nft', ['-f', '-'], fullScript(ruleset) + alive);
  }

  async #serve(command: string, args: string[], place: 'b' | 'g'): Promise<ChildProcess> {
    const server = spawn('ip', ['netns', 'exec', this.#name + place, command, ...args], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.#servers.push(server);
    await once(server, 'spawn');
    return server;
  }

  async #end(): Promise<void> {
    for (const server of this.#servers) {
      server.kill('SIGKILL');
      if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
    }
    for (const place of ['h', 'a', 'b', 'g']) await execute('ip', ['netns', 'delete', this.#name + place]);
    if (this.#run) rmSync(this.#run, { recursive: true });
  }
}

/** Everything goes through the gateway. */
const INSERTION = {
  apiVersion: 'wocloud/v1',
  kind: 'Insertion',
  metadata: { name: 'all', tenant: 'acme' },
  spec: { appliesTo: 'all', mode: 'inline', failure: 'closed' },
} as const satisfies Insertion;

async function measure(setup: Setup): Promise<{ gbits: number; micros: number }> {
  return Hosts.measured(setup, async (hosts) => {
    const micros = Number(await hosts.in('a', PYTHON, ['-c', ASK]));
    const report = JSON.parse(
      await hosts.in('a', 'iperf3', ['-J', '-c', '10.0.0.2', '-t', String(SECONDS)]),
    ) as {
      end: { sum_received: { bits_per_second: number } };
    };
    return { gbits: report.end.sum_received.bits_per_second / 1e9, micros };
  });
}

export async function run(): Promise<BenchResult> {
  const setups = Object.keys(SETUPS) as Setup[];
  const measured = new Map<Setup, { gbits: number; micros: number }[]>(setups.map((setup) => [setup, []]));
  for (let round = 0; round < ROUNDS; round++)
    for (const setup of setups) measured.get(setup)?.push(await measure(setup));
  const of = (setup: Setup, what: 'gbits' | 'micros') =>
    median((measured.get(setup) ?? []).map((one) => one[what]));
  const { dir } = await gatewayImage();
  const throughput = of('whole', 'gbits') / of('alone', 'gbits');
  return {
    name: 'Traffic through a gateway',
    params: {
      rounds: ROUNDS,
      seconds: SECONDS,
      'round trips': TRIPS,
      suricata: (JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8')) as { suricata: string })
        .suricata,
    },
    rows: setups.flatMap((setup) => [
      { label: SETUPS[setup], value: of(setup, 'gbits'), unit: 'Gbit/s' },
      { label: SETUPS[setup], value: of(setup, 'micros'), unit: 'µs round trip' },
    ]),
    ratios: [
      {
        label: 'throughput, of Suricata alone',
        value: throughput,
        target: 'at least 0.9',
        met: throughput >= 0.9,
      },
      {
        label: 'round trip, of Suricata alone',
        value: of('whole', 'micros') / of('alone', 'micros'),
        target: 'at most 1.1',
        met: of('whole', 'micros') <= 1.1 * of('alone', 'micros'),
      },
    ],
  };
}

await main(import.meta.url, run);
