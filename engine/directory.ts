// What the engine's parts know of its NICs, networks and rules: read by flows, kept by inventory and filter.
import type { StagedVerdict } from '@wocloud/protocol/flow.ts';

export interface LocalNic {
  /** `<vm uuid>/<mac>`, as in desired state. */
  id: string;
  vm: string;
  name: string;
  mac: string;
  tap: string | null;
  bridge: string | null;
  vlan: number | null;
  /** Network id, '' until the platform has said. */
  network: string;
  /** conntrack zone of the network, 0 until known. */
  zone: number;
  mode: 'observe' | 'enforce';
  addresses: readonly string[];
}

export interface Packet {
  /** Network the packet is on. */
  network: string;
  src: string;
  dst: string;
  /** IP protocol number. */
  protocol: number;
  /** Ports, or ICMP type and code. */
  sport: number;
  dport: number;
}

export interface Directory {
  nics(): readonly LocalNic[];
  byMac(mac: string): LocalNic | undefined;
  byTap(tap: string): LocalNic | undefined;
  /** The NIC that has this address on the network with this conntrack zone. */
  byAddress(zone: number, ip: string): LocalNic | undefined;
  networkOfZone(zone: number): { id: string; bridge: string; vlan: number | null } | undefined;
  /** Rule id of a slot (half of a connection mark), '' when 0 or unknown. */
  rule(slot: number): string;
  /** What staged policies would do (all policies, where a NIC is only observed). */
  staged(
    out: LocalNic | undefined,
    into: LocalNic | undefined,
    packet: Packet,
  ): { verdict: StagedVerdict; rule: string };
  /** Called whenever NICs, networks or modes have changed. Returns its undo. */
  onChange(listener: () => void): () => void;
}
