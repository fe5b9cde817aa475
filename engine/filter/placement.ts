// What can be enforced on this host now, and with which local facts: the desired state against what is really there. Pure.
import type { BridgePort, GatewayPorts, LocalNetwork, Port } from '@wocloud/policy/render/local.ts';
import type { DesiredNetwork, DesiredNic, DesiredState } from '@wocloud/protocol/desired.ts';
import type { ObservedNic } from '@wocloud/protocol/reports.ts';
import { MAX_INSTANCES } from '@wocloud/protocol/resources/gateway.ts';
import { instanceDevices } from '../gateways/runner.ts';
import type { Bridges } from '../inventory/bridges.ts';
import { shapersOf } from '../limits/shaping.ts';
import { hasTaps, nicId, type KnownVm } from '../inventory/observed.ts';

export interface Protection {
  protection: ObservedNic['protection'];
  reason: string;
}

export interface PlacementInput {
  state: DesiredState;
  vms: ReadonlyMap<string, KnownVm>;
  bridges: Bridges;
  /** Why frames of a bridge may not be shown to IP's rules; bridges that are not in it may. */
  blocked: ReadonlyMap<string, string>;
  /** Gateway instance by sixteenth of the connections. */
  buckets: readonly number[];
}

export interface Placement {
  /** The desired state, less what cannot be enforced here now. Without enforced NICs it is empty. */
  state: DesiredState;
  taps: ReadonlyMap<string, string>;
  networks: ReadonlyMap<string, LocalNetwork>;
  /** Gateway instances whose devices are all there. */
  gateways: ReadonlyMap<number, GatewayPorts>;
  buckets: readonly number[];
  /** What goes before a NIC whose sending is held to a rate, by NIC, where it is there. */
  shapers: ReadonlyMap<string, Port>;
  /** All ports by bridge, of those bridges. */
  ports: ReadonlyMap<string, readonly BridgePort[]>;
  /** Bridges whose frames must be shown to IP's rules. */
  bridges: ReadonlySet<string>;
  /** One of them filters VLANs. */
  vlans: boolean;
  /** Of every desired NIC, once the ruleset stands. */
  protections: ReadonlyMap<string, Protection>;
}

export function place(input: PlacementInput): Placement {
  const networks = new Map(input.state.networks.map((network) => [network.id, network]));
  const taps = new Map<string, string>();
  const protections = new Map<string, Protection>();
  const kept = new Set<string>();
  for (const nic of input.state.nics) {
    const { tap, protection, enforce } = placeNic(nic, networks.get(nic.network), input);
    protections.set(nic.id, protection);
    if (!enforce) continue;
    kept.add(nic.id);
    if (tap !== undefined) taps.set(nic.id, tap);
  }
  const state = reduced(input.state, kept);
  const bridges = new Set(
    state.networks.map((n) => n.bridge).filter((bridge) => input.bridges.bridges.has(bridge)),
  );
  return {
    state,
    taps,
    gateways: gatewayPorts(input.bridges),
    buckets: input.buckets,
    shapers: shapersOf(state.nics, taps, input.bridges),
    ports: portsOf(bridges, input.bridges),
    networks: new Map(
      state.networks.map((network) => [network.id, localNetwork(network, input.bridges, taps)]),
    ),
    bridges,
    vlans: state.networks.some((n) => input.bridges.bridges.get(n.bridge)?.vlanFiltering === true),
    protections,
  };
}

function placeNic(
  nic: DesiredNic,
  network: DesiredNetwork | undefined,
  { vms, bridges, blocked }: PlacementInput,
): { tap?: string; protection: Protection; enforce: boolean } {
  const observed = (reason: string) => ({
    protection: { protection: 'observed', reason } as const,
    enforce: false,
  });
  const vm = vms.get(nic.vm);
  const known = vm?.nics.find((n) => nicId(nic.vm, n.mac) === nic.id);
  if (known && known.unprotectable !== '')
    return { protection: { protection: 'unprotected', reason: known.unprotectable }, enforce: false };
  const running = vm !== undefined && hasTaps(vm.state);
  if (nic.mode === 'observe')
    return running ? observed('') : { protection: { protection: 'inactive', reason: '' }, enforce: false };
  const why = network === undefined ? 'its network is not known yet' : blocked.get(network.bridge);
  if (why !== undefined) return observed(why);
  const tap = running && known?.tap ? known.tap : startingTap(nic, network, vms, bridges);
  // Rules stand before the tap does: the VM is never on the network without them.
  if (!running || tap === undefined)
    return {
      ...(tap === undefined ? {} : { tap }),
      protection: { protection: 'inactive', reason: '' },
      enforce: true,
    };
  return { tap, protection: { protection: 'enforced', reason: '' }, enforce: true };
}

/**
 * A tap that libvirt has made for a VM it has not yet told to be running. libvirt gives a tap its guest's MAC with a
 * first byte of fe; the guest cannot change that.
 */
function startingTap(
  nic: DesiredNic,
  network: DesiredNetwork | undefined,
  vms: ReadonlyMap<string, KnownVm>,
  { ports }: Bridges,
): string | undefined {
  const mac = `fe${nic.mac.slice(2)}`;
  const candidates = [...ports.values()].filter(
    (port) => port.mac === mac && port.bridge === network?.bridge,
  );
  const [only] = candidates;
  if (candidates.length !== 1 || only === undefined) return undefined;
  for (const vm of vms.values())
    if (vm.domain.id !== nic.vm && hasTaps(vm.state) && vm.nics.some((n) => n.tap === only.device))
      return undefined;
  return only.device;
}

/** Networks without an enforced NIC are not touched at all, not even by a connection tracking zone. */
function reduced(state: DesiredState, kept: ReadonlySet<string>): DesiredState {
  const nics = state.nics.filter((nic) => kept.has(nic.id));
  const used = new Set(nics.map((nic) => nic.network));
  const all = nics.length === state.nics.length && state.networks.every((n) => used.has(n.id));
  if (all) return state;
  return { ...state, nics, networks: state.networks.filter((network) => used.has(network.id)) };
}

function localNetwork(
  network: DesiredNetwork,
  bridges: Bridges,
  taps: ReadonlyMap<string, string>,
): LocalNetwork {
  const { bridge, vlan } = network;
  const own = bridges.bridges.get(bridge);
  const interfaces = [
    ...(own && own.vlan === vlan ? [{ name: bridge, mac: own.mac }] : []),
    ...bridges.vlanDevices
      .filter((d) => d.bridge === bridge && d.vlan === vlan)
      .map((d) => ({ name: d.device, mac: d.mac })),
  ];
  const guarded = new Set(taps.values());
  const otherPorts = [...bridges.ports.values()]
    .filter((port) => port.bridge === bridge && port.vlan === vlan && !guarded.has(port.device))
    .map((port) => port.device)
    .sort();
  return { interfaces, otherPorts };
}

function gatewayPorts({ ports }: Bridges): Map<number, GatewayPorts> {
  const found = new Map<number, GatewayPorts>();
  for (let number = 1; number <= MAX_INSTANCES; number++) {
    const names = instanceDevices(number);
    const [a, b, m] = [names.a, names.b, names.m].map((device) => ports.get(device));
    if (a && b && m) found.set(number, { a: bare(a), b: bare(b), m: bare(m) });
  }
  return found;
}

const bare = ({ device, index }: Port): Port => ({ device, index });

function portsOf(wanted: ReadonlySet<string>, { ports }: Bridges): Map<string, readonly BridgePort[]> {
  const found = new Map<string, BridgePort[]>([...wanted].sort().map((bridge) => [bridge, []]));
  for (const { bridge, device, index, mac } of ports.values())
    if (bridge !== null) found.get(bridge)?.push({ device, index, mac });
  for (const list of found.values()) list.sort((a, b) => a.index - b.index);
  return found;
}
