// A stand-in for a gateway: a namespace that is a wire between two devices of a host and keeps what it is shown, so that
// a test sees which frames went through, and which way. It inspects nothing.
import type { GatewayPorts, Port } from '../render/local.ts';
import { run, type KernelHost } from './kernel.ts';

export class StandInWire {
  readonly instance: number;
  readonly namespace: string;
  readonly #kernel: KernelHost;
  #ports: GatewayPorts | undefined;

  private constructor(kernel: KernelHost, instance: number) {
    this.#kernel = kernel;
    this.instance = instance;
    this.namespace = `${kernel.host}w${instance}`;
  }

  static async create(kernel: KernelHost, instance: number): Promise<StandInWire> {
    const wire = new StandInWire(kernel, instance);
    await run('ip', ['netns', 'add', wire.namespace]);
    await wire.#in('sysctl', '-qw', 'net.ipv6.conf.default.disable_ipv6=1');
    await wire.#lay();
    return wire;
  }

  get ports(): GatewayPorts {
    if (!this.#ports) throw new Error('the wire is not laid');
    return this.#ports;
  }

  /** Other devices under the same names. */
  async remake(): Promise<void> {
    await this.#kernel.ip(Object.values(this.ports).map(({ device }: Port) => `link delete ${device}`));
    await this.#lay();
  }

  async #lay(): Promise<void> {
    const ports: Port[] = [];
    for (const side of ['a', 'b', 'm']) {
      const device = `wog${this.instance}${side}`;
      await this.#kernel.ip([
        `link add ${device} type veth peer name ${device} netns ${this.namespace}`,
        `link set ${device} up`,
      ]);
      await this.#in('ip', 'link', 'set', device, 'up');
      const index = Number(await this.#kernel.inHost('cat', `/sys/class/net/${device}/ifindex`));
      ports.push({ device, index });
    }
    const [a, b, m] = ports as [Port, Port, Port];
    for (const [from, to] of [
      [a.device, b.device],
      [b.device, a.device],
    ] as const) {
      await this.#in('tc', 'qdisc', 'add', 'dev', from, 'ingress');
      const match = ['protocol', 'all', 'u32', 'match', 'u32', '0', '0'];
      const action = ['action', 'mirred', 'egress', 'redirect', 'dev', to];
      await this.#in('tc', 'filter', 'add', 'dev', from, 'parent', 'ffff:', ...match, ...action);
    }
    await this.#kernel.open(
      this.namespace,
      ports.map((port) => port.device),
    );
    this.#ports = { a, b, m };
  }

  #in(...command: string[]): Promise<string> {
    return run('ip', ['netns', 'exec', this.namespace, ...command]);
  }

  /** Frames since the last time: of the original direction, of replies, and copies. */
  async seen(): Promise<{ original: Buffer[]; reply: Buffer[]; copies: Buffer[] }> {
    const { a, b, m } = this.ports;
    const taken = await this.#kernel.taken([a.device, b.device, m.device]);
    const of = ({ device }: Port) => taken.get(device) ?? [];
    return { original: of(a), reply: of(b), copies: of(m) };
  }

  async close(): Promise<void> {
    await run('ip', ['netns', 'delete', this.namespace]);
  }
}
