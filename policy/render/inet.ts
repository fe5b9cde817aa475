// table inet: connection zones per network, and the verdicts of policies on what VMs send each other, the host and beyond.
import type { DesiredChain, DesiredNetwork, DesiredNic, DesiredState } from '@wocloud/protocol/desired.ts';
import { linkLocal, parseCidr } from '../cidr.ts';
import { digest } from '../digest.ts';
import { MLD_TYPES, ND_TYPES } from '../essential.ts';
import { chainText, verdictRules, type ChainText, type VerdictUse } from './chains.ts';
import { VARIANTS, LOG_GROUP, chainName, commentOf, counterName, guardPrefix, setName } from './names.ts';
import { isDeviceName } from './names.ts';
import { addConnectionLimits, addLimitRefusals } from './limits.ts';
import type { LocalFacts } from './local.ts';
import { remember } from './remember.ts';
import { addChain, addSet, emptyTable, type ElementSet, type Table } from './ruleset.ts';

const GROUP_FRAME = 'ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00';
const ND = `icmpv6 type { ${ND_TYPES.join(', ')} }`;
const MLD = `icmpv6 type { ${MLD_TYPES.join(', ')} }`;
const DHCP_ASK = 'udp sport . udp dport { 68 . 67, 546 . 547 }';
const DHCP_ANSWER = 'udp sport . udp dport { 67 . 68, 547 . 546 }';

/** Packet paths. They are the same on every host and with every policy; sets and maps say whom they concern. */
const FIXED_CHAINS: Readonly<Record<string, readonly string[]>> = {
  // What is allowed stays allowed; a one-way flow never becomes established, so its first packet's verdict counts.
  forward: [
    'ct state established,related accept',
    // The first packet of a TCP connection is none of what is told apart below.
    'meta l4proto tcp ct state new goto connect',
    'icmpv6 type { 134, 137 } iifname . ether saddr @enforced goto forged',
    `${ND} accept`,
    `${GROUP_FRAME} goto to-many`,
    'ct status confirmed accept',
    'ct state invalid goto invalid',
    'jump limits',
    'iifname . ether daddr @host-macs goto routed',
    'iifname . oifname @bridged goto bridged',
    'goto routed',
  ],
  // What the host routes is in zone 0; that alone would believe whoever else may set zones.
  connect: ['jump limits', 'ct zone != 0 iifname . oifname @bridged goto connect-bridged', 'goto routed'],
  'connect-bridged': ['iifname . ether saddr vmap @src-n', 'oifname . ether daddr vmap @dst-n'],
  bridged: [`${DHCP_ASK} goto bridged-in`, 'iifname . ether saddr vmap @src-n', 'goto bridged-in'],
  'bridged-in': [
    `${DHCP_ANSWER} iifname . ether saddr @enforced goto forged`,
    `${DHCP_ANSWER} accept`,
    'oifname . ether daddr vmap @dst-n',
  ],
  routed: [
    'iifname . ether saddr vmap @src-r',
    'oifname . ip daddr vmap @dst-r4',
    'oifname . ip6 daddr vmap @dst-r6',
  ],
  // One frame to many: the sender's rules here, each receiver's in table bridge.
  'to-many': [
    'meta l4proto igmp accept',
    `${MLD} accept`,
    `${DHCP_ASK} accept`,
    `${DHCP_ANSWER} iifname . ether saddr @enforced goto forged`,
    'iifname . ether saddr vmap @src-n',
  ],
  invalid: [
    // The question was asked before questions were noted.
    'iifname @settling icmp type echo-reply accept',
    'iifname @settling icmpv6 type echo-reply accept',
    'iifname . ether saddr @enforced counter name "invalid" drop',
    'oifname . ether daddr @enforced counter name "invalid" drop',
    'oifname . ip daddr @enforced-ip4 counter name "invalid" drop',
    'oifname . ip6 daddr @enforced-ip6 counter name "invalid" drop',
  ],
  // Seen only after reassembly, where the guard at the tap could not look.
  forged: [
    `limit rate 10/second burst 20 packets log prefix "${guardPrefix('fragment')}" group ${LOG_GROUP.guard} snaplen 128`,
    'counter name "forged" drop',
  ],
  unroutable: [
    `limit rate 10/second burst 20 packets log prefix "${guardPrefix('route')}" group ${LOG_GROUP.guard} snaplen 128`,
    'counter name "unroutable" drop',
  ],
  input: [
    'ct state established,related accept',
    `${ND} accept`,
    `${MLD} accept`,
    'meta l4proto igmp accept',
    `${DHCP_ASK} accept`,
    'ct status confirmed accept',
    'ct state invalid iifname . ether saddr @enforced counter name "invalid" drop',
    'jump limits',
    'iifname . ether saddr vmap @src-h',
  ],
  output: [
    'ct state established,related accept',
    `${ND} accept`,
    `${DHCP_ANSWER} accept`,
    'ct status confirmed accept',
    'oifname . ip daddr vmap @dst-h4',
    'oifname . ip6 daddr vmap @dst-h6',
  ],
  // The host routes by address, so an address must belong to where it comes from: two networks may share a range.
  'to-host': ['iifname . ether saddr @enforced fib saddr . iif oif missing goto unroutable'],
};

const BASES: Readonly<Record<string, string>> = {
  forward: 'type filter hook forward priority -10; policy accept;',
  input: 'type filter hook input priority -10; policy accept;',
  output: 'type filter hook output priority -10; policy accept;',
  zones: 'type filter hook prerouting priority -450; policy accept;',
};

/** The networks' part and the NICs' part of table inet. */
export function inetTable(state: DesiredState, local: LocalFacts): Table {
  const table = emptyTable();
  for (const counter of ['invalid', 'forged', 'unroutable']) table.counters.add(counter);
  const fixed = wiring(state.nics, [state.networks, local.networks], () => {
    const part = emptyTable();
    addZones(part, state, local);
    for (const [name, rules] of Object.entries(FIXED_CHAINS)) addChain(part, name, rules, BASES[name]);
    addSet(part, 'settling', 'type ifname; size 4096; flags dynamic,timeout; timeout 3s;');
    addDispatch(part, state, local);
    return part;
  });
  for (const [name, set] of fixed.sets) table.sets.set(name, set);
  for (const [name, chain] of fixed.chains) table.chains.set(name, chain);
  addPolicyChains(table, state, local);
  addLimitRefusals(table, state, local);
  return table;
}

/** Everything that does not depend on rules: a policy's change leaves it alone. */
const wiring = remember<readonly DesiredNic[], Table>();

const usable = (networks: readonly DesiredNetwork[]): DesiredNetwork[] =>
  networks.filter((network) => isDeviceName(network.bridge));

/** Interfaces through which the host is on a network; the bridge itself when the host says nothing. */
export function interfacesOf(network: DesiredNetwork, local: LocalFacts): string[] {
  const known = local.networks.get(network.id)?.interfaces.map((i) => i.name) ?? [];
  return [...new Set([...known, ...(network.vlan === null ? [network.bridge] : [])])].filter(isDeviceName);
}

/**
 * Bridged frames are tracked in their network's zone, so that equal addresses on two networks never meet. Frames to
 * the host itself stay in zone 0 with the host's own: it translates and answers there, and connections that were
 * there before us go on. Before defragmentation, or fragments of two networks could be put together.
 *
 * Every packet passes here. So it is asked once where it came in, and after that only what matters there.
 */
function addZones(table: Table, state: DesiredState, local: LocalFacts): void {
  const networks = usable(state.networks);
  const hostMacs = new Map<string, Set<string>>();
  const also = (device: string, macs: readonly string[]) =>
    hostMacs.set(device, new Set([...(hostMacs.get(device) ?? []), ...macs]));
  for (const network of networks) {
    also(network.bridge, []);
    for (const { name, mac } of local.networks.get(network.id)?.interfaces ?? [])
      if (isDeviceName(name)) for (const device of [name, network.bridge]) also(device, [mac]);
  }
  const pairs = [...hostMacs].flatMap(([device, macs]) => [...macs].map((mac) => `"${device}" . ${mac}`));
  addSet(table, 'host-macs', 'type ifname . ether_addr;', new Set(pairs));
  addSet(
    table,
    'bridged',
    'type ifname . ifname;',
    new Set(networks.map((n) => `"${n.bridge}" . "${n.bridge}"`)),
  );
  const entrances = new Map<string, string>();
  for (const [device, macs] of hostMacs) {
    const chain = `from-${digest(device)}`;
    const own = networks.filter((network) => network.bridge === device);
    entrances.set(`"${device}"`, `goto ${chain}`);
    addChain(table, chain, [
      ...(macs.size > 0 ? [`ether daddr ${oneOrSet([...macs].sort())} goto to-host`] : []),
      ...zoneRules(table, own, state.nics),
    ]);
  }
  addSet(table, 'entrances', 'type ifname : verdict;', entrances);
  addChain(table, 'zones', ['iifname vmap @entrances'], BASES['zones']);
}

const oneOrSet = (items: readonly string[]): string =>
  items.length === 1 ? (items[0] as string) : `{ ${items.join(', ')} }`;

/** For the networks of one bridge: at most one untagged, and VLANs. */
function zoneRules(table: Table, networks: readonly DesiredNetwork[], nics: readonly DesiredNic[]): string[] {
  const tagged = new Map(networks.flatMap((n) => (n.vlan === null ? [] : [[n.id, n] as const])));
  const rules: string[] = [];
  if (tagged.size > 0) {
    const [{ bridge }] = [...tagged.values()] as [DesiredNetwork];
    const macs = new Map<string, string>();
    for (const { mac, network } of nics) {
      const zone = tagged.get(network)?.zone;
      if (zone !== undefined) macs.set(mac, `${zone}`);
    }
    const name = `zones-${digest(bridge)}`;
    addSet(table, name, 'typeof ether saddr : ct zone;', macs);
    // Access ports are untagged here; the guarded MAC at either end says which VLAN.
    rules.push(`ct zone set ether saddr map @${name} accept`, `ct zone set ether daddr map @${name} accept`);
    for (const { vlan, zone } of tagged.values()) rules.push(`vlan id ${vlan} ct zone set ${zone} accept`);
  }
  for (const { vlan, zone } of networks) if (vlan === null) rules.push(`ct zone set ${zone}`);
  return rules;
}

function addDispatch(table: Table, state: DesiredState, local: LocalFacts): void {
  const networks = new Map(usable(state.networks).map((network) => [network.id, network]));
  const maps = new Map(
    ['src-n', 'dst-n', 'src-r', 'dst-r4', 'dst-r6', 'src-h', 'dst-h4', 'dst-h6'].map((name) => [
      name,
      new Map<string, string>(),
    ]),
  );
  const enforced = { macs: new Set<string>(), four: new Set<string>(), six: new Set<string>() };
  // Two NICs that cannot be told apart get nothing through rather than each other's rights.
  const put = (map: string, key: string, chain: string) => {
    const entries = maps.get(map) as Map<string, string>;
    const verdict = `jump ${chain}`;
    entries.set(key, entries.has(key) && entries.get(key) !== verdict ? 'drop' : verdict);
  };
  for (const nic of state.nics) {
    const network = networks.get(nic.network);
    if (nic.mode !== 'enforce' || !network) continue;
    const { bridge } = network;
    put('src-n', `"${bridge}" . ${nic.mac}`, chainName(nic.out, 'n'));
    put('dst-n', `"${bridge}" . ${nic.mac}`, chainName(nic.in, 'n'));
    enforced.macs.add(`"${bridge}" . ${nic.mac}`);
    for (const name of interfacesOf(network, local)) {
      enforced.macs.add(`"${name}" . ${nic.mac}`);
      put('src-r', `"${name}" . ${nic.mac}`, chainName(nic.out, 'r'));
      put('src-h', `"${name}" . ${nic.mac}`, chainName(nic.out, 'h'));
      for (const { family, text } of addressesOf(nic)) {
        const key = `"${name}" . ${text}`;
        enforced[family === 4 ? 'four' : 'six'].add(key);
        put(`dst-r${family}`, key, chainName(nic.in, 'r'));
        put(`dst-h${family}`, key, chainName(nic.in, 'h'));
      }
    }
  }
  for (const [name, elements] of maps) {
    const family = name.endsWith('4') ? 'ipv4_addr' : name.endsWith('6') ? 'ipv6_addr' : null;
    const header = family
      ? `type ifname . ${family} : verdict; flags interval;`
      : 'type ifname . ether_addr : verdict;';
    addSet(table, name, header, elements);
  }
  addConnectionLimits(table, state.nics, ({ network: id }) => {
    const network = networks.get(id);
    return network ? [network.bridge, ...interfacesOf(network, local)] : [];
  });
  addSet(table, 'enforced', 'type ifname . ether_addr;', enforced.macs);
  addSet(table, 'enforced-ip4', 'type ifname . ipv4_addr; flags interval;', enforced.four);
  addSet(table, 'enforced-ip6', 'type ifname . ipv6_addr; flags interval;', enforced.six);
}

function addressesOf(nic: DesiredNic): { family: 4 | 6; text: string }[] {
  return [...new Set([...nic.addresses, linkLocal(nic.mac)])].map((text) => {
    const { family } = parseCidr(text);
    return { family, text };
  });
}

/** A chain's text changes with the chain or its rules' slots only: the literal sets it shows are named by content. */
const texts = {
  n: remember<DesiredChain, ChainText>(),
  h: remember<DesiredChain, ChainText>(),
  r: remember<DesiredChain, ChainText>(),
};
const slotsOf = (chain: DesiredChain, local: LocalFacts): string =>
  chain.rules.map((rule) => local.slots.get(rule.id)).join();

function addPolicyChains(table: Table, state: DesiredState, local: LocalFacts): void {
  const sets = new Map(state.sets.map((set) => [set.id, set]));
  const chains = new Map(state.chains.map((chain) => [chain.id, chain]));
  const verdicts = new Map<string, VerdictUse>();
  const used = new Set<string>();
  const enforced = state.nics.filter((nic) => nic.mode === 'enforce');
  for (const direction of ['out', 'in'] as const)
    for (const id of new Set(enforced.map((nic) => nic[direction]))) {
      const chain = chains.get(id);
      for (const variant of VARIANTS) {
        // A chain that is missing lets nothing through.
        const text =
          chain &&
          texts[variant](chain, [slotsOf(chain, local)], () =>
            chainText(chain, direction, variant, sets, local.slots),
          );
        addChain(table, chainName(id, variant), text?.rules ?? ['drop']);
        for (const [name, use] of text?.verdicts ?? []) verdicts.set(name, use);
        for (const set of text?.sets ?? []) used.add(set);
      }
    }
  for (const [name, use] of verdicts) {
    table.counters.add(counterName(use.direction, use.slot));
    addChain(table, name, verdictRules(use));
  }
  for (const id of used) addAddressSets(table, id, sets.get(id)?.elements ?? []);
}

/** A set of addresses as two named sets, one per family. */
export function addAddressSets(table: Table, id: string, elements: readonly string[]): void {
  const sets = split(elements, [id], () => {
    const of = (family: 4 | 6): ElementSet => ({
      kind: 'set',
      header: `type ipv${family}_addr; flags interval; comment "${commentOf(id)}";`,
      elements: new Map(elements.filter((e) => e.includes(':') === (family === 6)).map((e) => [e, ''])),
      dynamic: false,
    });
    return { 4: of(4), 6: of(6) };
  });
  for (const family of [4, 6] as const) table.sets.set(setName(id, family), sets[family]);
}

const split = remember<readonly string[], Record<4 | 6, ElementSet>>();
