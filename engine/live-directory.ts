// The engine's directory: what inventory knows of NICs and the platform of networks, joined and indexed. Rebuilt as a
// whole on each change, read without locks.
import { Evaluator } from '@wocloud/policy/evaluate.ts';
import { EMPTY_STATE, type DesiredState } from '@wocloud/protocol/desired.ts';
import type { StagedVerdict } from '@wocloud/protocol/flow.ts';
import type { Directory, LocalNic, Packet } from './directory.ts';

/** A NIC as this host has it, before the platform's word. */
export interface NicFact {
  id: string;
  vm: string;
  name: string;
  mac: string;
  tap: string | null;
  bridge: string | null;
  vlan: number | null;
  addresses: readonly string[];
}

type NetworkRow = { id: string; bridge: string; vlan: number | null };

const ICMP: ReadonlySet<number> = new Set([1, 58]);
const segment = (bridge: string | null, vlan: number | null): string => `${bridge}/${vlan ?? ''}`;

export class LiveDirectory implements Directory {
  #facts: readonly NicFact[] = [];
  #state: DesiredState = EMPTY_STATE;
  readonly #evaluator = new Evaluator(EMPTY_STATE);
  readonly #ruleOf: (slot: number) => string;
  readonly #listeners = new Set<() => void>();
  #nics: LocalNic[] = [];
  #byMac = new Map<string, LocalNic>();
  #byTap = new Map<string, LocalNic>();
  #byAddress = new Map<string, LocalNic>();
  #networks = new Map<number, NetworkRow>();

  /** @param ruleOf rule id of a slot, '' when unknown. */
  constructor(ruleOf: (slot: number) => string) {
    this.#ruleOf = ruleOf;
  }

  /** The NICs of all running VMs of this host. */
  setFacts(facts: readonly NicFact[]): void {
    this.#facts = facts;
    this.#rebuild();
  }

  setState(state: DesiredState): void {
    this.#state = state;
    this.#evaluator.update(state);
    this.#rebuild();
  }

  nics(): readonly LocalNic[] {
    return this.#nics;
  }
  byMac(mac: string): LocalNic | undefined {
    return this.#byMac.get(mac);
  }
  byTap(tap: string): LocalNic | undefined {
    return this.#byTap.get(tap);
  }
  byAddress(zone: number, ip: string): LocalNic | undefined {
    return this.#byAddress.get(`${zone} ${ip}`);
  }
  networkOfZone(zone: number): NetworkRow | undefined {
    return this.#networks.get(zone);
  }
  rule(slot: number): string {
    return slot === 0 ? '' : this.#ruleOf(slot);
  }

  staged(
    out: LocalNic | undefined,
    into: LocalNic | undefined,
    packet: Packet,
  ): { verdict: StagedVerdict; rule: string } {
    const icmp = ICMP.has(packet.protocol);
    const outcome = this.#evaluator.flow({
      source: out?.id ?? null,
      destination: into?.id ?? null,
      src: packet.src,
      dst: packet.dst,
      // An address nobody on this network is known by may still be on it: only the policy's sets can tell.
      relation: 'network',
      headers: {
        protocol: packet.protocol,
        port: icmp ? 0 : packet.dport,
        icmpType: icmp ? packet.sport : 0,
      },
      sourcePort: icmp ? 0 : packet.sport,
    });
    return { verdict: outcome.stagedVerdict, rule: outcome.stagedRule };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #rebuild(): void {
    const desired = new Map(this.#state.nics.map((nic) => [nic.id, nic]));
    const byId = new Map(this.#state.networks.map((network) => [network.id, network]));
    // A NIC the platform has not placed yet is on the network of its bridge, if that one is known.
    const bySegment = new Map(this.#state.networks.map((n) => [segment(n.bridge, n.vlan), n]));
    this.#networks = new Map(
      this.#state.networks.map(({ id, bridge, vlan, zone }) => [zone, { id, bridge, vlan }]),
    );
    this.#nics = this.#facts.map((fact) => {
      const nic = desired.get(fact.id);
      const network = (nic && byId.get(nic.network)) ?? bySegment.get(segment(fact.bridge, fact.vlan));
      const addresses = nic ? [...new Set([...nic.addresses, ...fact.addresses])] : fact.addresses;
      return {
        ...fact,
        addresses,
        network: network?.id ?? '',
        zone: network?.zone ?? 0,
        mode: nic?.mode ?? 'observe',
      };
    });
    this.#byMac = new Map(this.#nics.map((nic) => [nic.mac, nic]));
    this.#byTap = new Map(this.#nics.flatMap((nic) => (nic.tap === null ? [] : [[nic.tap, nic] as const])));
    this.#byAddress = new Map(
      this.#nics.flatMap((nic) =>
        nic.addresses.map((ip) => [`${nic.zone} ${ip.replace(/\/(32|128)$/, '')}`, nic] as const),
      ),
    );
    for (const listener of this.#listeners) listener();
  }
}
