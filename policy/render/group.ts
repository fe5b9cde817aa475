// table bridge: who receives frames sent to many. Multicast and broadcast stay within a tenant; rules never open them inwards.
import type { DesiredChain, DesiredNic, DesiredState } from '@wocloud/protocol/desired.ts';
import { digest } from '../digest.ts';
import { MLD_TYPES, ND_TYPES } from '../essential.ts';
import { receivesGroups } from '../multicast.ts';
import { addAddressSets } from './inet.ts';
import { isDeviceName, setName } from './names.ts';
import type { LocalFacts } from './local.ts';
import { addChain, addSet, emptyTable, type Table } from './ruleset.ts';

const COMMON = [
  'ether daddr & 01:00:00:00:00:00 == 00:00:00:00:00:00 accept',
  'meta protocol != { ip, ip6 } accept',
  `icmpv6 type { ${[...ND_TYPES, ...MLD_TYPES].join(', ')} } accept`,
  'meta l4proto igmp accept',
  'udp sport . udp dport { 67 . 68, 547 . 546 } accept',
  'oifname vmap @receivers',
];

export function groupTable(state: DesiredState, local: LocalFacts): Table {
  const table = emptyTable();
  const chains = new Map(state.chains.map((chain) => [chain.id, chain]));
  const sets = new Map(state.sets.map((set) => [set.id, set]));
  const receivers = new Map<string, string>();
  table.counters.add('group-refused');
  addChain(table, 'refused', ['counter name "group-refused" drop']);
  for (const nic of state.nics) {
    const tap = local.taps.get(nic.id);
    if (nic.mode !== 'enforce' || tap === undefined || !isDeviceName(tap)) continue;
    const within = withinSet(nic, chains);
    if (within === null) {
      receivers.set(`"${tap}"`, 'goto refused');
      continue;
    }
    const name = `within-${digest(within)}`;
    receivers.set(`"${tap}"`, `goto ${name}`);
    if (table.chains.has(name)) continue;
    addAddressSets(table, within, sets.get(within)?.elements ?? []);
    // A unicast address in a group frame would come past the receiver's rules.
    addChain(table, name, [
      `ip daddr { 224.0.0.0/4, 255.255.255.255 } ip saddr @${setName(within, 4)} accept`,
      `ip6 daddr ff00::/8 ip6 saddr @${setName(within, 6)} accept`,
      'goto refused',
    ]);
  }
  addSet(table, 'receivers', 'type ifname : verdict;', receivers);
  addChain(table, 'forward', COMMON, 'type filter hook forward priority -100; policy accept;');
  addChain(table, 'output', COMMON, 'type filter hook output priority -100; policy accept;');
  return table;
}

/** The set of its own tenant's addresses, or null when the NIC's rules close it to them. */
function withinSet(nic: DesiredNic, chains: ReadonlyMap<string, DesiredChain>): string | null {
  const chain = chains.get(nic.in);
  return chain ? receivesGroups(chain) : null;
}
