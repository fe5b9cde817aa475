/**
 * Scenarios: which hosts, networks and VMs a lab has, what runs in the guests, and which policy documents
 * belong to it. One YAML file each; a mistake in it is told with its place, before anything is started.
 */
import { readFile } from 'node:fs/promises';
import { BlockList, isIPv4, isIPv6 } from 'node:net';
import { dirname, resolve } from 'node:path';
import { Labels, Mac, Name, oneOf, record } from '@wocloud/protocol/schema.ts';
import { Type, type Static } from 'typebox';
import { Value } from 'typebox/value';
import { parse } from 'yaml';

const Prefix4 = Type.String({ pattern: '^[0-9.]+/[0-9]{1,2}$', description: 'IPv4 prefix' });
const Prefix6 = Type.String({ pattern: '^[0-9a-f:]+/[0-9]{1,3}$', description: 'IPv6 prefix' });
const Address4 = Type.String({ pattern: '^[0-9.]+$', description: 'IPv4 address' });
const Address6 = Type.String({ pattern: '^[0-9a-f:]+$', description: 'IPv6 address' });
const Vlan = Type.Integer({ minimum: 1, maximum: 4094 });

export const NETWORK_KINDS = ['nat', 'isolated', 'bridge', 'vlan', 'macvtap', 'ovs'] as const;

export const NetworkSchema = record({
  name: Name,
  kind: oneOf(NETWORK_KINDS, {
    description:
      'nat, isolated: libvirt networks with dnsmasq; bridge: a plain bridge; vlan: a bridge with VLAN filtering, a PVID per tap; macvtap: NICs directly on a link that is a port of a bridge; ovs: an Open vSwitch bridge, for VMs that stay off',
  }),
  /** Hosts it spans, joined by a veth; the scenario's first host when left out. */
  hosts: Type.Optional(Type.Array(Name, { minItems: 1 })),
  bridge: Type.Optional(Type.String({ pattern: '^[a-z][-a-z0-9]{0,14}$' })),
  ipv4: Type.Optional(Prefix4),
  ipv6: Type.Optional(Prefix6),
  /** Whether the (first) host has the prefix's first address on the bridge. Always so for nat. */
  gateway: Type.Optional(Type.Boolean()),
  /** Whether libvirt serves IPv4 leases; addresses of the scenario's VMs are reserved. */
  dhcp: Type.Optional(Type.Boolean()),
});
export type Network = Static<typeof NetworkSchema>;

export const NicSchema = record({
  network: Name,
  /** Static, or `dhcp`; with `lease: true` the static address comes by DHCP from a reservation. */
  ipv4: Type.Optional(Type.Union([Type.Literal('dhcp'), Address4])),
  lease: Type.Optional(Type.Boolean()),
  ipv6: Type.Optional(Type.Union([Type.Literal('slaac'), Address6])),
  vlan: Type.Optional(Vlan),
  mac: Type.Optional(Mac),
  /** Fixed name of the tap; libvirt chooses vnetN otherwise. */
  tap: Type.Optional(Type.String({ pattern: '^[a-z][-a-z0-9.]{0,14}$' })),
});
export type Nic = Static<typeof NicSchema>;

export const SERVICES = ['http', 'https', 'app', 'db', 'echo', 'iperf'] as const;

export const TrafficSchema = record({
  kind: oneOf(['http', 'https', 'db', 'tcp', 'udp', 'ping', 'scan']),
  /** A VM's name (NAME.v4 and NAME.v6 name one of its addresses), or an address. */
  to: Type.String({ minLength: 1 }),
  port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535 })),
  ports: Type.Optional(Type.Array(Type.Integer({ minimum: 1, maximum: 65535 }), { minItems: 1 })),
  path: Type.Optional(Type.String()),
  /** Seconds between two rounds (± 20 %). */
  every: Type.Number({ minimum: 0.01 }),
  /** Seconds to wait before the first. */
  after: Type.Optional(Type.Number({ minimum: 0 })),
});

export const VmSchema = record({
  name: Name,
  host: Type.Optional(Name),
  tenant: Type.Optional(Name),
  labels: Type.Optional(Labels),
  /** MiB. */
  memory: Type.Optional(Type.Integer({ minimum: 80, maximum: 4096 })),
  nics: Type.Array(NicSchema),
  services: Type.Optional(Type.Array(oneOf(SERVICES))),
  /** Brings an attacker's tools along, in /tools. */
  tools: Type.Optional(Type.Boolean()),
  /** Defined, never started: for hosts that lack what its NICs need. */
  off: Type.Optional(Type.Boolean()),
  /** Which VM the web server asks (`app`), and which the app (`db`). */
  upstream: Type.Optional(record({ app: Type.Optional(Type.String()), db: Type.Optional(Type.String()) })),
  traffic: Type.Optional(Type.Array(TrafficSchema)),
});
export type Vm = Static<typeof VmSchema>;

export const ScenarioSchema = record({
  name: Name,
  description: Type.Optional(Type.String()),
  hosts: Type.Optional(Type.Array(Name, { minItems: 1 })),
  networks: Type.Array(NetworkSchema),
  vms: Type.Array(VmSchema),
  /** nft files loaded on every host before its VMs start: somebody else's firewall. Relative to the scenario. */
  rules: Type.Optional(Type.Array(Type.String())),
  /** Files of policy documents, relative to the scenario. */
  policies: Type.Optional(Type.Array(Type.String())),
});
export type ScenarioDocument = Static<typeof ScenarioSchema>;

/** A checked scenario: hosts are named, paths absolute. */
export interface Scenario extends ScenarioDocument {
  readonly hosts: string[];
  readonly policies: string[];
  readonly rules: string[];
}

export class ScenarioError extends Error {
  readonly code = 'scenario-invalid';
}

/** The scenarios that come with the lab, by name: `demo`, `pair`, … or any file by path. */
export function scenarioPath(name: string): string {
  return name.endsWith('.yaml') ? resolve(name) : resolve(import.meta.dirname, 'scenarios', `${name}.yaml`);
}

/** Reads and checks a scenario by name or path. Throws ScenarioError with every mistake and its place. */
export async function loadScenario(name: string): Promise<Scenario> {
  const path = scenarioPath(name);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new ScenarioError(`${path}: ${(cause as Error).message}`, { cause });
  }
  return checkScenario(parse(text), path);
}

/** Checks a scenario given as data; relative policy paths count from `path`'s folder. */
export function checkScenario(document: unknown, path: string): Scenario {
  const mistakes: string[] = Value.Errors(ScenarioSchema, document).map(
    (error) => `${error.instancePath || '/'}: ${error.message}`,
  );
  if (mistakes.length === 0) mistakes.push(...contradictions(document as ScenarioDocument));
  if (mistakes.length > 0) throw new ScenarioError(`${path}:\n  ${mistakes.join('\n  ')}`);
  const scenario = document as ScenarioDocument;
  return {
    ...scenario,
    hosts: scenario.hosts ?? ['lab-1'],
    policies: (scenario.policies ?? []).map((file) => resolve(dirname(path), file)),
    rules: (scenario.rules ?? []).map((file) => resolve(dirname(path), file)),
  };
}

function contradictions(scenario: ScenarioDocument): string[] {
  const mistakes: string[] = [];
  const hosts = new Set(scenario.hosts ?? ['lab-1']);
  const networks = new Map(scenario.networks.map((network) => [network.name, network]));
  if (networks.size < scenario.networks.length) mistakes.push('/networks: two have the same name');
  if (new Set(scenario.vms.map((vm) => vm.name)).size < scenario.vms.length)
    mistakes.push('/vms: two have the same name');
  for (const network of scenario.networks) {
    for (const host of network.hosts ?? [])
      if (!hosts.has(host)) mistakes.push(`/networks/${network.name}: no host ${host}`);
    if (network.kind === 'nat' && network.ipv4 === undefined)
      mistakes.push(`/networks/${network.name}: a nat network needs ipv4`);
    if (
      network.dhcp &&
      (network.ipv4 === undefined || (network.kind !== 'nat' && network.kind !== 'isolated'))
    )
      mistakes.push(`/networks/${network.name}: dhcp needs ipv4 and a libvirt network (nat or isolated)`);
  }
  for (const vm of scenario.vms) {
    if (vm.host !== undefined && !hosts.has(vm.host)) mistakes.push(`/vms/${vm.name}: no host ${vm.host}`);
    for (const nic of vm.nics) {
      const network = networks.get(nic.network);
      const at = `/vms/${vm.name}/${nic.network}`;
      if (network === undefined) {
        mistakes.push(`${at}: no such network; there are ${[...networks.keys()].join(', ')}`);
        continue;
      }
      if ((network.kind === 'vlan') !== (nic.vlan !== undefined))
        mistakes.push(`${at}: vlan is for networks of kind vlan, and those need it`);
      if (network.kind === 'ovs' && !vm.off) mistakes.push(`${at}: a VM on an ovs network must be off`);
      if ((nic.ipv4 === 'dhcp' || nic.lease) && !network.dhcp)
        mistakes.push(`${at}: the network has no dhcp`);
      if (nic.ipv4 !== undefined && nic.ipv4 !== 'dhcp' && !within(nic.ipv4, network.ipv4))
        mistakes.push(`${at}: ${nic.ipv4} is not in ${network.ipv4 ?? 'the network: it has no ipv4'}`);
      if (nic.ipv6 !== undefined && nic.ipv6 !== 'slaac' && !within(nic.ipv6, network.ipv6))
        mistakes.push(`${at}: ${nic.ipv6} is not in ${network.ipv6 ?? 'the network: it has no ipv6'}`);
    }
  }
  return mistakes;
}

function within(address: string, prefix: string | undefined): boolean {
  const [base = '', length] = (prefix ?? '').split('/');
  const family = isIPv4(address) ? 'ipv4' : isIPv6(address) ? 'ipv6' : undefined;
  if (family === undefined || (family === 'ipv4' ? !isIPv4(base) : !isIPv6(base))) return false;
  const list = new BlockList();
  list.addSubnet(base, Number(length), family);
  return list.check(address, family);
}
