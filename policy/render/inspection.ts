// What of the allowed traffic a gateway is to see (decision 0007): table inet, right after the policy's verdict, where a
// packet gets the mark that steers it when it leaves. Nothing at all where nothing is to be inspected.
import type { DesiredChain, DesiredNetwork, DesiredNic, DesiredState } from '@wocloud/protocol/desired.ts';
import type { FailureMode } from '@wocloud/protocol/resources/insertion.ts';
import { linkLocal, parseCidr } from '../cidr.ts';
import { MLD_TYPES, ND_TYPES } from '../essential.ts';
import { interfacesOf } from './inet.ts';
import type { LocalFacts } from './local.ts';
import { BUCKETS, CLEAR, MARK, addBits, hasAny, hasNone, hex32, instanceMark } from './marks.ts';
import { LOG_GROUP, isDeviceName, verdictPrefix } from './names.ts';
import { remember } from './remember.ts';
import { addChain, addSet, emptyTable, type Table } from './ruleset.ts';
import { steeringTables } from './steering.ts';
import { LEVELS, Wants, wantsChain, type Level } from './wants.ts';

export interface InspectionTables {
  inet: Table;
  netdev: Table;
  bridge: Table;
}

/** An enforced NIC and where it is. */
export interface Place {
  nic: DesiredNic;
  network: DesiredNetwork;
  /** No other enforced NIC of this host has its MAC: a frame from or to it can be told from any other. */
  distinct: boolean;
}

/** Null: nothing is to be inspected here. */
export function inspectionTables(state: DesiredState, local: LocalFacts): InspectionTables | null {
  const rules = inspectRules(state, local);
  const steers =
    state.insertions.length > 0 || rules.out.size > 0 || rules.in.size > 0
      ? [...(local.gateways ?? [])].map(([n, { a, b, m }]) => [n, a, b, m])
      : [];
  const text = JSON.stringify([[...rules.out], [...rules.in], steers, local.buckets]);
  return tables(
    state.nics,
    [state.insertions, state.networks, local.taps, local.networks, local.ports, text],
    () => make(state, local, rules),
  );
}

const tables = remember<readonly DesiredNic[], InspectionTables | null>();

function make(state: DesiredState, local: LocalFacts, rules: InspectRules): InspectionTables | null {
  const places = placesOf(state);
  const wanted = new Map<string, Wants>();
  for (const { nics, mode, failure, services } of state.insertions)
    for (const nic of nics) {
      const wants = wanted.get(nic) ?? new Wants();
      wants.add(mode === 'mirror' ? 'mirror' : failure, services);
      wanted.set(nic, wants);
    }
  const failures = new Set<Level>([...rules.out.values(), ...rules.in.values()]);
  for (const { nic } of places) for (const level of wanted.get(nic.id)?.levels() ?? []) failures.add(level);
  if (failures.size === 0) return null;
  return {
    inet: inetPart(places, wanted, rules, failures.has('closed'), local),
    ...steeringTables(state, places, local),
  };
}

function placesOf(state: DesiredState): Place[] {
  const networks = new Map(
    state.networks.filter((n) => isDeviceName(n.bridge)).map((network) => [network.id, network]),
  );
  const macs = new Map<string, number>();
  const enforced = state.nics.flatMap((nic) => {
    const network = networks.get(nic.network);
    return nic.mode === 'enforce' && network ? [{ nic, network }] : [];
  });
  for (const { nic } of enforced) macs.set(nic.mac, (macs.get(nic.mac) ?? 0) + 1);
  return enforced.map((place) => ({ ...place, distinct: macs.get(place.nic.mac) === 1 }));
}

interface InspectRules {
  /** By slot, of rules for what VMs send and receive. */
  out: ReadonlyMap<number, FailureMode>;
  in: ReadonlyMap<number, FailureMode>;
}

const inspecting = remember<DesiredChain, DesiredChain['rules']>();

function inspectRules(state: DesiredState, local: LocalFacts): InspectRules {
  const chains = new Map(state.chains.map((chain) => [chain.id, chain]));
  const used = { out: new Set<string>(), in: new Set<string>() };
  for (const nic of state.nics)
    if (nic.mode === 'enforce') for (const side of ['out', 'in'] as const) used[side].add(nic[side]);
  const slots = (ids: ReadonlySet<string>) => {
    const found = new Map<number, FailureMode>();
    for (const id of ids) {
      const chain = chains.get(id);
      if (!chain) continue;
      const rules = inspecting(chain, [], () =>
        chain.rules.filter((rule) => rule.action === 'inspect' && !rule.staged),
      );
      for (const rule of rules) {
        const slot = local.slots.get(rule.id);
        if (slot !== undefined) found.set(slot, rule.failure ?? 'open');
      }
    }
    return new Map([...found].sort(([a], [b]) => a - b));
  };
  return { out: slots(used.out), in: slots(used.in) };
}

/** Frames to many, and what a VM without it is not on the network at all: never inspected. */
const NEVER = [
  `icmpv6 type { ${[...ND_TYPES, ...MLD_TYPES].join(', ')} } goto spare`,
  'meta l4proto igmp goto spare',
  'udp sport . udp dport { 68 . 67, 67 . 68, 546 . 547, 547 . 546 } goto spare',
];

/**
 * The marks of a decision under way: `want-…` chains collect what each end's insertions and rules ask for, and the
 * strictest counts. Whatever else the upper bits held is not ours and not the guest's.
 */
const WANTED = MARK.returned | MARK.mirror | MARK.closed;
const WANT: Readonly<Record<Level, number>> = {
  closed: MARK.closed,
  open: MARK.returned,
  mirror: MARK.mirror,
};

/** Where those are asked whose rules let the connection pass. */
const BY_RULES = 'by rules';

const FIXED_CHAINS: Readonly<Record<string, readonly string[]>> = {
  // What the host routes is in zone 0.
  inspection: ['ct zone != 0 iifname . oifname @bridged goto inspect-bridged', 'goto inspect-routed'],
  'inspect-bridged': [
    `${hasAny(MARK.ours)} ${CLEAR}`,
    'iifname . ether saddr vmap @inspected-src',
    'oifname . ether daddr vmap @inspected-dst',
    BY_RULES,
    `${hasAny(WANTED)} goto inspect-way`,
  ],
  // The way back from a gateway goes by MAC addresses alone. So one end must be a NIC of ours at its place, and neither
  // may have the MAC of a NIC of ours that is elsewhere: nothing gets to another network through a gateway.
  'inspect-way': [
    'ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 goto spare',
    ...NEVER,
    'ether saddr @enforced-macs iifname . ether saddr != @inspectable goto uninspectable',
    'ether daddr @enforced-macs oifname . ether daddr != @inspectable goto uninspectable',
    'iifname . ether saddr @inspectable goto steer',
    'oifname . ether daddr @inspectable goto steer',
    'goto uninspectable',
  ],
  'inspect-routed': [
    'iifname . ether saddr @enforced goto inspect-through',
    'oifname . ip daddr @enforced-ip4 goto inspect-through',
    'oifname . ip6 daddr @enforced-ip6 goto inspect-through',
  ],
  'inspect-through': ['jump inspect-ends', `${hasAny(WANTED)} goto inspect-way-through`],
  // A gateway must see both directions or none: only between two NICs of ours do both leave by a port.
  'inspect-way-through': [
    ...NEVER,
    'iifname . ether saddr @inspectable goto inspect-way-to',
    'goto uninspectable',
  ],
  'inspect-way-to': [
    'oifname . ip daddr @inspectable-ip4 goto steer',
    'oifname . ip6 daddr @inspectable-ip6 goto steer',
    'goto uninspectable',
  ],
  'inspect-ends': [
    `${hasAny(MARK.ours)} ${CLEAR}`,
    'iifname . ether saddr vmap @inspected-src',
    'oifname . ip daddr vmap @inspected-dst4',
    'oifname . ip6 daddr vmap @inspected-dst6',
    BY_RULES,
  ],
  'want-closed': [addBits(WANT.closed)],
  'want-open': [addBits(WANT.open)],
  'want-mirror': [addBits(WANT.mirror)],
  steer: [`meta mark & ${hex32(WANTED)} vmap { ${strictestMarks().join(', ')} }`],
  'mark-closed': [
    `meta mark set meta mark & ${hex32(MARK.others)} | ${hex32(MARK.closed)}`,
    'goto mark-flow',
  ],
  'mark-open': [CLEAR, 'goto mark-flow'],
  'mark-mirror': [
    `meta mark set meta mark & ${hex32(MARK.others)} | ${hex32(MARK.mirror)}`,
    'goto mark-flow',
  ],
  // Both directions of a connection meet the same instance.
  'mark-flow': [`ct direction reply ${addBits(MARK.reply)}`, `ct id & ${hex32(BUCKETS - 1)} vmap @buckets`],
  uninspectable: [`${hasAny(MARK.closed)} goto refuse-uninspected`, 'goto spare'],
  'refuse-uninspected': [
    `limit rate 50/second burst 100 packets log prefix "${verdictPrefix('out', 0, 'drop')}" group ${LOG_GROUP.verdict} snaplen 128`,
    'counter name "uninspected" drop',
  ],
  spare: [CLEAR],
};

function strictestMarks(): string[] {
  return Array.from({ length: 7 }, (_, i) => {
    const bits = ((i + 1) << 29) >>> 0;
    const level = LEVELS.find((name) => (bits & WANT[name]) !== 0);
    return `${hex32(bits)} : goto mark-${level}`;
  });
}

/** What a VM sends to the host itself, or the host to it, meets no gateway; what is closed is refused there. */
const HOST_CHAINS: Readonly<Record<string, readonly string[]>> = {
  'inspection-input': ['iifname . ether saddr @enforced goto inspect-host'],
  // A refusal's answer, or an error about a connection, is the host's own word.
  'inspection-output': [
    'ct state related accept',
    'oifname . ip daddr @enforced-ip4 goto inspect-host',
    'oifname . ip6 daddr @enforced-ip6 goto inspect-host',
  ],
  'inspect-host': ['jump inspect-ends', `${hasNone(WANTED)} return`, ...NEVER, 'goto uninspectable'],
};

const BASES: Readonly<Record<string, string>> = {
  inspection: 'type filter hook forward priority -9; policy accept;',
  'inspection-input': 'type filter hook input priority -9; policy accept;',
  'inspection-output': 'type filter hook output priority -9; policy accept;',
};

function inetPart(
  places: readonly Place[],
  wanted: ReadonlyMap<string, Wants>,
  rules: InspectRules,
  closed: boolean,
  local: LocalFacts,
): Table {
  const table = emptyTable();
  table.counters.add('uninspected');
  const byRules = [
    ...(rules.out.size > 0 ? ['ct mark & 0xffff0000 vmap @inspecting-out'] : []),
    ...(rules.in.size > 0 ? ['ct mark & 0x0000ffff vmap @inspecting-in'] : []),
  ];
  for (const [name, text] of Object.entries({ ...FIXED_CHAINS, ...(closed ? HOST_CHAINS : {}) }))
    addChain(
      table,
      name,
      text.flatMap((rule) => (rule === BY_RULES ? byRules : [rule])),
      BASES[name],
    );
  const verdicts = (slots: ReadonlyMap<number, FailureMode>, shift: number) =>
    new Map([...slots].map(([slot, level]) => [hex32(slot << shift), `jump want-${level}`]));
  if (rules.out.size > 0) addSet(table, 'inspecting-out', 'type mark : verdict;', verdicts(rules.out, 16));
  if (rules.in.size > 0) addSet(table, 'inspecting-in', 'type mark : verdict;', verdicts(rules.in, 0));
  addBuckets(table, local);
  addPlaces(table, places, wanted, local);
  return table;
}

function addBuckets(table: Table, local: LocalFacts): void {
  const buckets = new Map<string, string>();
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    const instance = local.buckets?.[bucket] ?? 0;
    if (instance < 1 || instance > 15) continue;
    buckets.set(`${bucket}`, `goto instance-${instance}`);
    addChain(table, `instance-${instance}`, [addBits(instanceMark(instance))]);
  }
  addSet(table, 'buckets', 'typeof ct id : verdict;', buckets);
}

function addPlaces(
  table: Table,
  places: readonly Place[],
  wanted: ReadonlyMap<string, Wants>,
  local: LocalFacts,
): void {
  const maps = { src: new Map<string, Wants>(), dst: new Map<string, Wants>() };
  const byAddress = { 4: new Map<string, Wants>(), 6: new Map<string, Wants>() };
  const inspectable = { macs: new Set<string>(), 4: new Set<string>(), 6: new Set<string>() };
  // Where two NICs cannot be told apart, what either wants is wanted.
  const put = (map: Map<string, Wants>, key: string, wants: Wants | undefined) => {
    if (wants) map.set(key, map.get(key)?.with(wants) ?? wants);
  };
  for (const { nic, network, distinct } of places) {
    const wants = wanted.get(nic.id);
    put(maps.dst, `"${network.bridge}" . ${nic.mac}`, wants);
    for (const name of new Set([network.bridge, ...interfacesOf(network, local)])) {
      put(maps.src, `"${name}" . ${nic.mac}`, wants);
      if (distinct) inspectable.macs.add(`"${name}" . ${nic.mac}`);
    }
    for (const name of interfacesOf(network, local))
      for (const address of new Set([...nic.addresses, linkLocal(nic.mac)])) {
        const { family } = parseCidr(address);
        put(byAddress[family], `"${name}" . ${address}`, wants);
        if (distinct) inspectable[family].add(`"${name}" . ${address}`);
      }
  }
  const verdicts = (map: ReadonlyMap<string, Wants>) =>
    new Map([...map].map(([key, wants]) => [key, `jump ${wantsChain(table, wants)}`]));
  addSet(table, 'inspected-src', 'type ifname . ether_addr : verdict;', verdicts(maps.src));
  addSet(table, 'inspected-dst', 'type ifname . ether_addr : verdict;', verdicts(maps.dst));
  addSet(table, 'enforced-macs', 'type ether_addr;', new Set(places.map(({ nic }) => nic.mac)));
  addSet(table, 'inspectable', 'type ifname . ether_addr;', inspectable.macs);
  for (const family of [4, 6] as const) {
    const type = `ifname . ipv${family}_addr`;
    addSet(
      table,
      `inspected-dst${family}`,
      `type ${type} : verdict; flags interval;`,
      verdicts(byAddress[family]),
    );
    addSet(table, `inspectable-ip${family}`, `type ${type}; flags interval;`, inspectable[family]);
  }
}
