// A host in network namespaces: bridges with taps, the kernel's own nftables and conntrack, and guests made of raw frames.
import { execFile, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';
import { BROADCAST, ETHERTYPE, ethernet, readFrame } from './frames.ts';

export function run(program: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { maxBuffer: 256 << 20 }, (error, stdout, stderr) => {
      if (error)
        reject(new Error(`${program} ${args.join(' ')}: ${stderr || error.message}`, { cause: error }));
      else resolve(stdout);
    });
    // A program may end without reading; its exit code tells.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

let count = 0;

export interface KernelPort {
  tap: string;
  bridge: string;
}

/** Interface indices; `header` and `packet` are base64. */
export interface LogLine {
  prefix: string;
  indev?: number;
  physindev?: number;
  header?: string;
  packet?: string;
}

const UPLINK_MAC = '02:00:00:00:00:aa';
const MARKER_MAC = '02:00:00:00:00:bb';

/** Frames go in and out at the guests' ends, named like the taps. */
export class KernelHost {
  readonly host: string;
  readonly guests: string;
  readonly ports: readonly KernelPort[];
  readonly bridges: readonly string[];
  readonly #frames: ChildProcessWithoutNullStreams;
  readonly #answers: AsyncIterator<string>;
  #markers = 0;

  private constructor(name: string, ports: readonly KernelPort[], frames: ChildProcessWithoutNullStreams) {
    this.host = `${name}h`;
    this.guests = `${name}g`;
    this.ports = ports;
    this.bridges = [...new Set(ports.map((p) => p.bridge))];
    this.#frames = frames;
    this.#answers = createInterface({ input: frames.stdout })[Symbol.asyncIterator]();
  }

  /** Bridge n has the MAC `bridgeMac(n)`, the addresses 10.0.0.254/24 and fd00::fe/64 if it is the first, and an uplink. */
  static async create(ports: readonly KernelPort[]): Promise<KernelHost> {
    const name = `wp${process.pid}x${count++}`;
    const [host, guests] = [`${name}h`, `${name}g`];
    const bridges = [...new Set(ports.map((p) => p.bridge))];
    const links = [...ports, ...bridges.map((bridge, i) => ({ tap: `up${i}`, bridge }))];
    await run('ip', ['netns', 'add', host]);
    await run('ip', ['netns', 'add', guests]);
    const sysctl = (namespace: string, ...settings: string[]) =>
      run('ip', ['netns', 'exec', namespace, 'sysctl', '-q', ...settings.flatMap((s) => ['-w', s])]);
    const quiet = [
      'net.ipv6.conf.default.disable_ipv6=1',
      'net.ipv4.conf.default.rp_filter=0',
      'net.ipv4.conf.all.rp_filter=0',
    ];
    await sysctl(guests, ...quiet);
    await sysctl(host, ...quiet, 'net.ipv4.ip_forward=1', 'net.ipv4.icmp_ratelimit=0');
    const setup = [
      ...bridges.flatMap((bridge, i) => [
        `link add ${bridge} address ${bridgeMac(i)} type bridge mcast_snooping 0 forward_delay 0`,
        `link set ${bridge} up`,
      ]),
      ...links.flatMap(({ tap, bridge }) => [
        `link add ${tap} type veth peer name ${tap} netns ${guests}`,
        `link set ${tap} master ${bridge} up`,
      ]),
      `link add routed address ${ROUTED.mac} type veth peer name routed address ${UPLINK_MAC} netns ${guests}`,
      'link set routed up',
      `address add ${HOST_ADDRESS}/24 dev ${bridges[0]}`,
      'address add 198.51.100.1/24 dev routed',
      'route add default via 198.51.100.2 dev routed',
      `neighbour add 198.51.100.2 lladdr ${UPLINK_MAC} dev routed nud permanent`,
    ];
    await run('ip', ['-n', host, '-batch', '-'], setup.join('\n'));
    await run(
      'ip',
      ['-n', guests, '-batch', '-'],
      [...links.map((l) => l.tap), 'routed'].map((t) => `link set ${t} up`).join('\n'),
    );
    await sysctl(
      host,
      'net.bridge.bridge-nf-call-iptables=1',
      'net.bridge.bridge-nf-call-ip6tables=1',
      'net.netfilter.nf_conntrack_acct=1',
    );
    const script = new URL('frames.py', import.meta.url).pathname;
    const frames = spawn('/usr/bin/python3', [script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    }) as unknown as ChildProcessWithoutNullStreams;
    const kernel = new KernelHost(name, ports, frames);
    await kernel.#ask({ do: 'open', namespace: guests, devices: [...links.map((l) => l.tap), 'routed'] });
    return kernel;
  }

  async #ask(command: object): Promise<Record<string, unknown>> {
    this.#frames.stdin.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error('the frame program ended');
    return JSON.parse(value) as Record<string, unknown>;
  }

  /** Applies an nftables script, atomically. */
  async nft(script: string): Promise<void> {
    if (script === '') return;
    await run('ip', ['netns', 'exec', this.host, 'nft', '-f', '-'], script);
  }

  inHost(...command: string[]): Promise<string> {
    return run('ip', ['netns', 'exec', this.host, ...command]);
  }

  ip(lines: readonly string[]): Promise<string> {
    return run('ip', ['-n', this.host, '-force', '-batch', '-'], lines.join('\n'));
  }

  /** Puts frames on the guests' ends, in order. */
  async send(frames: readonly (readonly [string, Buffer])[]): Promise<void> {
    await this.#ask({ do: 'send', frames: frames.map(([tap, frame]) => [tap, frame.toString('base64')]) });
  }

  /** Datagrams from the host's own sockets: [source, port, target, port]. */
  async hostSends(datagrams: readonly (readonly [string, number, string, number])[]): Promise<void> {
    await this.#ask({
      do: 'udp',
      namespace: this.host,
      datagrams: datagrams.map((d) => [d[2].includes(':') ? 6 : 4, ...d]),
    });
  }

  /** Everything that came out at the guests' ends since the last time. */
  async received(): Promise<Map<string, Buffer[]>> {
    const marker = Buffer.from(`end of batch ${this.host} ${this.#markers++};`.padEnd(50));
    const frame = ethernet(BROADCAST, MARKER_MAC, ETHERTYPE.test, marker);
    await this.send(this.bridges.map((_, i) => [`up${i}`, frame] as const));
    const answer = await this.#ask({
      do: 'collect',
      marker: marker.toString('base64'),
      devices: this.ports.map((p) => p.tap),
    });
    if ((answer['missing'] as string[]).length > 0)
      throw new Error(`nothing gets to ${(answer['missing'] as string[]).join(', ')}`);
    return decode(answer);
  }

  /** What the host routed out, up to a marker that came the same way. */
  async routedOut(marker: Buffer): Promise<Buffer[]> {
    const answer = await this.#ask({ do: 'collect', marker: marker.toString('base64'), devices: ['routed'] });
    if ((answer['missing'] as string[]).length > 0) throw new Error('the marker was not routed');
    return decode(answer).get('routed') ?? [];
  }

  /** Opens devices of another namespace, to send and to look at. */
  async open(namespace: string, devices: readonly string[]): Promise<void> {
    await this.#ask({ do: 'open', namespace, devices });
  }

  /** What came in on devices opened before, since the last time. */
  async taken(devices: readonly string[]): Promise<Map<string, Buffer[]>> {
    return decode(await this.#ask({ do: 'take', devices }));
  }

  /** Starts listening to an NFLOG group of the host. */
  async listen(group: number): Promise<void> {
    await this.#ask({ do: 'log', namespace: this.host, group });
  }

  /** Log lines since the last time. */
  async logged(): Promise<LogLine[]> {
    return (await this.#ask({ do: 'logs' }))['lines'] as LogLine[];
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#frames.once('exit', resolve));
    this.#frames.stdin.end();
    await ended;
    await run('ip', ['netns', 'delete', this.host]);
    await run('ip', ['netns', 'delete', this.guests]);
  }
}

function decode(answer: Record<string, unknown>): Map<string, Buffer[]> {
  const frames = answer['frames'] as Record<string, string[]>;
  return new Map(
    Object.entries(frames).map(([tap, list]) => [tap, list.map((f) => Buffer.from(f, 'base64'))]),
  );
}

export const HOST_ADDRESS = '10.0.0.254';
/** The host's leg to the outside, and the router there. */
export const ROUTED = { mac: '02:00:00:00:00:ab', router: UPLINK_MAC };
export const bridgeMac = (n: number): string => `02:00:00:00:01:0${n}`;
export { readFrame };
