// A host in namespaces with VMs on bridges and stand-in wires for gateways: documents in, frames through, and what the
// wires were shown. One NIC a VM; a VM's tap has its name.
import { EMPTY_STATE, type DesiredNetwork, type DesiredState } from '@wocloud/protocol/desired.ts';
import type { Insertion, InsertionSpec } from '@wocloud/protocol/resources/insertion.ts';
import type { Policy, Rule } from '@wocloud/protocol/resources/policy.ts';
import { NO_DOCUMENTS, type Documents, type InventoryVm } from '../model.ts';
import { Planner } from '../plan.ts';
import { NO_LOCAL, assignSlots, ruleIds, type BridgePort, type LocalFacts } from '../render/local.ts';
import { BUCKETS, hex32, instanceMark } from '../render/marks.ts';
import type { Ruleset } from '../render/ruleset.ts';
import { buildRuleset, deltaScript, fullScript, quietDelta } from '../render/script.ts';
import {
  BROADCAST,
  ETHERTYPE,
  NOBODY,
  arp,
  ethernet,
  ip,
  readFrame,
  segment,
  typeOf,
  type Seen,
} from './frames.ts';
import { KernelHost, bridgeMac, type KernelPort } from './kernel.ts';
import { existing } from './listing.ts';
import { StandInWire } from './wire.ts';

export interface Station {
  tap: string;
  mac: string;
  ipv4: string;
  ipv6: string;
}

export const station = (tap: string, n: number, mac = `52:54:00:00:00:0${n}`): Station => ({
  tap,
  mac,
  ipv4: `10.0.0.${n}`,
  ipv6: `fd00::${n}`,
});

export function vmOf(at: Station, network: string, rest: Partial<InventoryVm> = {}): InventoryVm {
  const id = `00000000-0000-4000-8000-${Buffer.from(at.tap).toString('hex').padStart(12, '0')}`;
  const nics = [{ mac: at.mac, network, addresses: [at.ipv4, at.ipv6] }];
  return { id, name: at.tap, host: 'h', tenant: 'acme', labels: {}, mode: 'enforce', nics, ...rest };
}

export const insertion = (name: string, spec: InsertionSpec, tenant?: string): Insertion => ({
  apiVersion: 'wocloud/v1',
  kind: 'Insertion',
  metadata: { name, ...(tenant === undefined ? {} : { tenant }) },
  spec,
});

export const policy = (name: string, rules: Rule[]): Policy => ({
  apiVersion: 'wocloud/v1',
  kind: 'Policy',
  metadata: { name },
  spec: { tier: 'platform', priority: 1, mode: 'enforce', appliesTo: 'all', rules },
});

export const ANYTHING = policy('anything', [{ name: 'all', direction: 'both', action: 'allow' }]);

/** What is sent, without its payload: `original` by A, `reply` by B. */
export interface Exchange {
  protocol: 1 | 6 | 17 | 58;
  port: number;
  six?: boolean;
}

export class InspectedHost {
  readonly kernel: KernelHost;
  readonly wires: readonly StandInWire[];
  readonly planner = new Planner();
  readonly networks: readonly DesiredNetwork[];
  #applied: { state: DesiredState; local: LocalFacts } = { state: EMPTY_STATE, local: NO_LOCAL };
  #gone: ReadonlySet<string> = new Set();
  #slot = 0;
  #sport = 20_000;
  /** What the host's engine would have: changed by tests, in force from the next `publish` on. */
  buckets: number[] = Array.from({ length: BUCKETS }, () => 1);
  present = new Set<number>();
  /** Ports that the engine has not seen yet. */
  unseen = new Set<string>();

  private constructor(
    kernel: KernelHost,
    wires: readonly StandInWire[],
    networks: readonly DesiredNetwork[],
  ) {
    this.kernel = kernel;
    this.wires = wires;
    this.networks = networks;
    for (const { instance } of wires) this.present.add(instance);
    this.planner.setHostNetworks('h', networks);
  }

  /** `vlan`: of the first bridge's network. */
  static async create(
    ports: readonly KernelPort[],
    instances: readonly number[],
    vlan: number | null = null,
  ): Promise<InspectedHost> {
    const kernel = await KernelHost.create(ports);
    const wires: StandInWire[] = [];
    for (const instance of instances) wires.push(await StandInWire.create(kernel, instance));
    const networks = kernel.bridges.map((bridge, i) => ({
      id: `n${i}`,
      name: `n${i}`,
      bridge,
      vlan: i === 0 ? vlan : null,
      zone: i + 1,
    }));
    // A random address might look like a tap's.
    for (const [i, { tap }] of ports.entries())
      await kernel.inHost('ip', 'link', 'set', tap, 'address', `02:00:00:00:ef:0${i}`);
    // Where markers come in is no uplink: it looks like the tap of a VM that is only observed.
    for (const i of kernel.bridges.keys())
      await kernel.inHost('ip', 'link', 'set', `up${i}`, 'address', `fe:00:00:00:ee:0${i}`);
    const host = new InspectedHost(kernel, wires, networks);
    await kernel.nft(fullScript(buildRuleset(EMPTY_STATE, NO_LOCAL)));
    return host;
  }

  /** Brings what is planned into the kernel, as an engine would: by deltas, the quiet one first. */
  async publish(documents?: Partial<Documents>): Promise<void> {
    if (documents) this.planner.setDocuments({ ...NO_DOCUMENTS, policies: [ANYTHING], ...documents });
    const state = this.planner.desired('h', this.#applied.state.generation + 1);
    const { slots, last } = assignSlots(this.#applied.local.slots, ruleIds(state), this.#slot);
    this.#slot = last;
    const local = await this.facts(state, slots);
    const from = without(buildRuleset(this.#applied.state, this.#applied.local), this.#gone);
    const to = buildRuleset(state, local);
    this.#gone = new Set();
    await this.kernel.nft(quietDelta(from, to));
    await this.kernel.nft(deltaScript(from, to));
    this.#applied = { state, local };
  }

  /** Chains that went with their device are known to be gone, as an engine knows it by looking. */
  async forgetGone(): Promise<void> {
    const there = (await existing(this.kernel.host)).get('netdev wocloud')?.chains ?? [];
    this.#gone = new Set(
      [
        ...(buildRuleset(this.#applied.state, this.#applied.local).get('netdev wocloud')?.chains.keys() ??
          []),
      ].filter((name) => !there.includes(name)),
    );
  }

  get applied(): { state: DesiredState; local: LocalFacts } {
    return this.#applied;
  }

  async facts(state: DesiredState, slots: ReadonlyMap<string, number>): Promise<LocalFacts> {
    const ports = await this.#ports();
    const there = new Set([...ports.values()].flat().map(({ device }) => device));
    const taps = new Map(
      state.nics.filter(({ name }) => there.has(name)).map((nic) => [nic.id, nic.name] as const),
    );
    const guarded = new Set(state.nics.filter((nic) => nic.mode === 'enforce').map(({ name }) => name));
    return {
      taps,
      slots,
      ports,
      gateways: new Map(
        this.wires.filter((w) => this.present.has(w.instance)).map((w) => [w.instance, w.ports]),
      ),
      buckets: this.buckets,
      networks: new Map(
        this.networks.map(({ id, bridge }, i) => [
          id,
          {
            interfaces: [{ name: bridge, mac: bridgeMac(i) }],
            otherPorts: (ports.get(bridge) ?? [])
              .map(({ device }) => device)
              .filter((device) => !guarded.has(device)),
          },
        ]),
      ),
    };
  }

  async #ports(): Promise<Map<string, BridgePort[]>> {
    const links = JSON.parse(await this.kernel.inHost('ip', '-j', 'link', 'show')) as {
      ifname: string;
      ifindex: number;
      address: string;
      master?: string;
    }[];
    const ports = new Map<string, BridgePort[]>();
    for (const { ifname, ifindex, address, master } of links)
      if (master !== undefined && !this.unseen.has(ifname))
        ports.set(master, [...(ports.get(master) ?? []), { device: ifname, index: ifindex, mac: address }]);
    return ports;
  }

  /** Says which instances' probes pass. */
  async alive(...instances: number[]): Promise<void> {
    await this.kernel.nft('flush set netdev wocloud alive\n');
    const marks = instances.map((n) => hex32(instanceMark(n)));
    if (marks.length > 0) await this.kernel.nft(`add element netdev wocloud alive { ${marks.join(', ')} }\n`);
  }

  /** Each says who it is, so that the bridges know where it lives. */
  async announce(stations: readonly Station[]): Promise<void> {
    await this.kernel.send(
      stations.map(({ tap, mac, ipv4 }) => [
        tap,
        ethernet(BROADCAST, mac, ETHERTYPE.arp, arp(1, mac, ipv4, NOBODY, ipv4)),
      ]),
    );
    await this.settled();
  }

  /** What came out at guests' ends once all is through: a gateway is two hops more than a marker takes. */
  async settled(): Promise<Map<string, Buffer[]>> {
    const all = new Map<string, Buffer[]>();
    for (let hop = 0; hop < 4; hop++)
      for (const [tap, frames] of await this.kernel.received())
        all.set(tap, [...(all.get(tap) ?? []), ...frames]);
    return all;
  }

  /** One packet from A to B, then one back; where each came out, and which wire was shown it. */
  async exchange(a: Station, b: Station, { protocol, port, six = false }: Exchange): Promise<Passage> {
    const sport = this.#sport++;
    await this.settled();
    for (const wire of this.wires) await wire.seen();
    const [x, y] = six ? [a.ipv6, b.ipv6] : [a.ipv4, b.ipv4];
    const icmp = protocol === 1 || protocol === 58;
    const [ask, answer] = protocol === 58 ? [128, 129] : [8, 0];
    const there = frame(a, b, x, y, segment(x, y, protocol, sport, port, ask), protocol);
    const back = frame(
      b,
      a,
      y,
      x,
      icmp ? segment(y, x, protocol, sport, 0, answer) : segment(y, x, protocol, port, sport),
      protocol,
    );
    const is = (from: Station) => (buffer: Buffer) => {
      const seen = readFrame(buffer) as (Seen & { from: string }) | null;
      return seen?.from === from.mac && (seen.sport === sport || seen.dport === sport);
    };
    await this.kernel.send([[a.tap, there]]);
    const first = await this.settled();
    await this.kernel.send([[b.tap, back]]);
    const second = await this.settled();
    const at = (frames: ReadonlyMap<string, Buffer[]>, from: Station) =>
      [...frames].flatMap(([tap, list]) => list.filter(is(from)).map(() => tap)).sort();
    const passage: Passage = { there: at(first, a), back: at(second, b), wires: [] };
    for (const { instance, ...wire } of await this.#shown()) {
      const of = (list: readonly Buffer[], from: Station) => list.filter(is(from)).length;
      const [original, reply] = [of(wire.original, a), of(wire.reply, b)];
      const copies = of(wire.copies, a) + of(wire.copies, b);
      const crossed = of(wire.original, b) + of(wire.reply, a);
      const counts = { instance, original, reply, copies, ...(crossed > 0 && { crossed }) };
      if (original + reply + copies + crossed > 0) passage.wires.push(counts);
    }
    return passage;
  }

  async #shown() {
    const shown = [];
    for (const wire of this.wires) shown.push({ instance: wire.instance, ...(await wire.seen()) });
    return shown;
  }

  async close(): Promise<void> {
    for (const wire of this.wires) await wire.close();
    await this.kernel.close();
  }
}

function without(ruleset: Ruleset, gone: ReadonlySet<string>): Ruleset {
  const netdev = ruleset.get('netdev wocloud');
  if (gone.size === 0 || !netdev) return ruleset;
  const chains = new Map([...netdev.chains].filter(([name]) => !gone.has(name)));
  return new Map([...ruleset, ['netdev wocloud', { ...netdev, chains }]]);
}

export interface Passage {
  /** Guests' ends where the packets came out. */
  there: string[];
  back: string[];
  /** `crossed`: that entered at the other direction's device. */
  wires: { instance: number; original: number; reply: number; copies: number; crossed?: number }[];
}

export const frame = (a: Station, b: Station, src: string, dst: string, payload: Buffer, protocol: number) =>
  ethernet(b.mac, a.mac, typeOf(src), ip({ src, dst, protocol, payload }));
