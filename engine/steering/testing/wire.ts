// A stand-in for a gateway: two pairs of devices of the host, and a kernel's wire between their far ends.
import { run } from '../../flows/testing/namespace.ts';
import { instanceDevices } from '../../gateways/runner.ts';

export class Wire {
  readonly #number: number;
  readonly #far: { a: string; b: string };

  /** Makes the devices, and joins them unless told not to. */
  constructor(number: number, { joined = true } = {}) {
    this.#number = number;
    this.#far = { a: `far${number}a`, b: `far${number}b` };
    const { a, b, m } = instanceDevices(number);
    for (const [near, far] of [
      [a, this.#far.a],
      [b, this.#far.b],
      [m, `far${number}m`],
    ] as const) {
      run(`ip link add ${near} type veth peer name ${far}`);
      run(`ip link set ${near} up`);
      run(`ip link set ${far} up`);
    }
    if (joined) this.join();
  }

  /** What enters at one far end leaves at the other. */
  join(): void {
    const { a, b } = this.#far;
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      run(`tc qdisc add dev ${from} ingress`);
      run(
        `tc filter add dev ${from} parent ffff: protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev ${to}`,
      );
    }
  }

  /** Hangs: the devices stay, and nothing comes out any more. */
  cut(ways: 'both' | 'forth' | 'back' = 'both'): void {
    if (ways !== 'back') run(`tc qdisc del dev ${this.#far.a} ingress`);
    if (ways !== 'forth') run(`tc qdisc del dev ${this.#far.b} ingress`);
  }

  /** Its devices go away at once. */
  remove(): void {
    const { a, b, m } = instanceDevices(this.#number);
    for (const device of [a, b, m]) run(`ip link del ${device}`);
  }
}
