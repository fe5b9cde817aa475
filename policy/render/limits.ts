// What a NIC may take, in the kernel: a guard against floods of connection attempts at its tap, how many connections
// it may open, and the way of what it sends through a device that holds it to its rate.
//
// The flood guard sees only first packets of TCP connections (SYN without ACK), only after their source was found to be
// the NIC's own, and before connection tracking. It counts per tap, destination and port. Who is too fast there is
// refused that destination and port alone, for ten seconds from the last time he was too fast. All sets are bounded:
// when so many pairs are counted that there is no place for another, pairs without a place share their tap's one rate,
// and are never remembered as refused; when no more refused pairs fit, what is too fast is refused packet by packet.
import type { DesiredNic, DesiredState } from '@wocloud/protocol/desired.ts';
import { DEFAULT_SYNS_PER_SECOND } from '@wocloud/protocol/resources/limit.ts';
import { digest } from '../digest.ts';
import { PolicyError } from '../errors.ts';
import type { LocalFacts, Port } from './local.ts';
import { CLEAR, MARK, addBits, hasAny } from './marks.ts';
import { LIMIT_RULES, LOG_GROUP, counterName, tapChain, verdictPrefix } from './names.ts';
import { addChain, addSet, type Table } from './ruleset.ts';

const PAIRS = 65_536;
const TAPS = 8_192;
const FAMILIES = [
  { n: 4, protocol: 'ip', type: 'ipv4_addr' },
  { n: 6, protocol: 'ip6', type: 'ipv6_addr' },
] as const;
const pair = (protocol: 'ip' | 'ip6'): string => `iifname . ${protocol} daddr . tcp dport`;

/** Where the guard sends what it found sound. What belongs to a connection under way never gets here. */
export const SOUND_CHAINS: Readonly<Record<string, readonly string[]>> = {
  own: ['meta l4proto tcp goto own-tcp', 'accept'],
  'own-tcp': [
    'tcp flags & (syn | ack) != syn accept',
    'iifname vmap @syn-rates',
    `goto syns-${DEFAULT_SYNS_PER_SECOND}`,
  ],
  'syn-calm': [
    ...FAMILIES.map(
      ({ n, protocol }) => `meta protocol ${protocol} ${pair(protocol)} @syn-refused${n} goto refuse-syn`,
    ),
    'accept',
  ],
};

/** A client that opens its whole pool at once is no flood. */
const burstOf = (perSecond: number): number => Math.max(5, Math.ceil(perSecond / 2));

/** `rates`: connection attempts a second, by tap. */
export function addSynGuard(table: Table, rates: ReadonlyMap<string, number>): void {
  for (const [name, rules] of Object.entries(SOUND_CHAINS)) addChain(table, name, rules);
  for (const { n, type } of FAMILIES)
    addSet(
      table,
      `syn-refused${n}`,
      `type ifname . ${type} . inet_service; size ${PAIRS}; flags dynamic,timeout; timeout 10s; counter;`,
    );
  const special = new Map<string, string>();
  for (const [tap, rate] of rates)
    if (rate !== DEFAULT_SYNS_PER_SECOND) special.set(`"${tap}"`, `goto syns-${rate}`);
  addSet(table, 'syn-rates', 'type ifname : verdict;', special);
  // A counted pair keeps the rate it was first counted with: another rate counts in other sets.
  for (const rate of new Set([DEFAULT_SYNS_PER_SECOND, ...rates.values()])) addRate(table, rate);
}

function addRate(table: Table, rate: number): void {
  const limit = `limit rate ${rate}/second burst ${burstOf(rate)} packets`;
  // Left alone for so long, its burst is whole again: forgetting it changes nothing.
  const rest = `flags dynamic,timeout; timeout ${Math.ceil(burstOf(rate) / rate)}s;`;
  for (const { n, type } of FAMILIES)
    addSet(table, `syn${n}-${rate}`, `type ifname . ${type} . inet_service; size ${PAIRS}; ${rest}`);
  addSet(table, `syn-crowd-${rate}`, `type ifname; size ${TAPS}; ${rest}`);
  const each = (rule: (family: (typeof FAMILIES)[number]) => string) =>
    FAMILIES.map((family) => `meta protocol ${family.protocol} ${rule(family)}`);
  addChain(table, `syns-${rate}`, [
    ...each(({ n, protocol }) => `update @syn${n}-${rate} { ${pair(protocol)} ${limit} } goto syn-calm`),
    // Neither slow enough nor counted: there was no place.
    ...each(({ n, protocol }) => `${pair(protocol)} != @syn${n}-${rate} goto syn-crowd-${rate}`),
    ...each(({ n, protocol }) => `update @syn-refused${n} { ${pair(protocol)} }`),
    'goto refuse-syn',
  ]);
  addChain(table, `syn-crowd-${rate}`, [
    `update @syn-crowd-${rate} { iifname ${limit} } goto syn-calm`,
    'goto refuse-syn',
  ]);
}

/**
 * Has come through its NIC's shaper: it was found sound before. Should one go astray, it is dropped like any frame with
 * this mark. No guest can set it.
 */
export const SHAPED = `${hasAny(MARK.closed)} accept`;

/**
 * Sends all that enters by this tap, once the guard has passed it, through `device`: one end of a pair whose queue
 * holds it to its rate, and whose other end puts it back in at the tap. (An ifb, or tc at the tap's ingress, would put
 * it back behind the guard, and hide it from what looks at frames on their way out.) The kernel takes the device's
 * number: another device under the same name needs another rule.
 */
export const addSendRate = (table: Table, tap: string, { device, index }: Port): void =>
  addChain(
    table,
    `send-${tapChain(tap)}`,
    [
      `${hasAny(MARK.closed)} ${CLEAR} accept`,
      `${addBits(MARK.closed)} fwd to "${device}" comment "${index}"`,
    ],
    `type filter hook ingress device "${tap}" priority -140; policy accept;`,
    tap,
  );

const hasConnectionLimit = ({ mode, limits }: DesiredNic): boolean =>
  mode === 'enforce' && limits !== undefined && (limits.connections ?? limits.connectionsPerSecond) !== null;

/** Rules that refuse for a limit's sake: named in records like any rule. */
export function limitRuleIds(nics: readonly DesiredNic[]): string[] {
  return nics.some(hasConnectionLimit) ? Object.values(LIMIT_RULES) : [];
}

/**
 * New connections that a NIC opens, before they are judged; by the ways of `waysOf` (interfaces it may come by). One
 * chain per NIC, so that the count is one, whichever way a connection goes.
 */
export function addConnectionLimits(
  table: Table,
  nics: readonly DesiredNic[],
  waysOf: (nic: DesiredNic) => Iterable<string>,
): void {
  const limited = new Map<string, string>();
  for (const nic of nics.filter(hasConnectionLimit)) {
    const { connections = null, connectionsPerSecond: rate = null } = nic.limits ?? {};
    const chain = `limit-${digest(nic.id)}`;
    addChain(table, chain, [
      ...(rate === null ? [] : [`limit rate over ${rate}/second burst ${rate} packets goto refuse-rate`]),
      ...(connections === null ? [] : [countRule(table, digest(nic.id), connections)]),
    ]);
    for (const way of waysOf(nic)) limited.set(`"${way}" . ${nic.mac}`, `jump ${chain}`);
  }
  addSet(table, 'limited', 'type ifname . ether_addr : verdict;', limited);
  addChain(table, 'limits', limited.size === 0 ? [] : ['iifname . ether saddr vmap @limited']);
}

/** The kernel counts connections by looking at each: with more than so many it would take too long for one packet. */
const COUNTED_AT_ONCE = 256;

/**
 * Beyond `most` connections. Many are counted in parts, among which they are spread by chance: never more than `most`,
 * but a part may be full, and refuse, when a tenth is still free.
 */
function countRule(table: Table, nic: string, most: number): string {
  if (most <= COUNTED_AT_ONCE) return `ct count over ${most} goto refuse-connections`;
  const parts = Math.ceil(most / COUNTED_AT_ONCE);
  // A part keeps the share it was first counted with: another limit counts in another set.
  const set = `counted-${nic}-${most}`;
  addSet(table, set, `typeof @th,0,32; size ${parts}; flags dynamic;`);
  const share = Math.floor(most / parts);
  return `add @${set} { jhash ct id mod ${parts} ct count over ${share} } goto refuse-connections`;
}

/** What becomes of connections beyond a limit. Logged per NIC, so that none hides another. */
export function addLimitRefusals(table: Table, { nics }: DesiredState, { slots }: LocalFacts): void {
  if (!nics.some(hasConnectionLimit)) return;
  for (const [what, rule] of Object.entries(LIMIT_RULES)) {
    const slot = slots.get(rule);
    if (slot === undefined) throw new PolicyError('render.slots', `rule ${rule} has no slot`);
    const counter = counterName('out', slot);
    table.counters.add(counter);
    addSet(
      table,
      `logged-${what}`,
      `type ifname . ether_addr; size ${TAPS}; flags dynamic,timeout; timeout 1m;`,
    );
    addChain(table, `refuse-${what}`, [
      `update @logged-${what} { iifname . ether saddr limit rate 10/second burst 20 packets } log prefix "${verdictPrefix('out', slot, 'drop')}" group ${LOG_GROUP.verdict} snaplen 128`,
      `counter name "${counter}" drop comment "${rule}"`,
    ]);
  }
}

/** Attempts a second for each tap that is guarded. */
export const synRate = (nic: DesiredNic): number => nic.limits?.synsPerSecond ?? DEFAULT_SYNS_PER_SECOND;
