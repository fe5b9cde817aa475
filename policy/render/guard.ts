// table netdev: at each enforced tap, nothing enters that the NIC may not say: forged addresses, other people's roles.
import type { DesiredNic, DesiredState } from '@wocloud/protocol/desired.ts';
import { lastAddress, linkLocal, parseCidr } from '../cidr.ts';
import { digest } from '../digest.ts';
import { GUARD_KINDS, LOG_GROUP, guardPrefix, isDeviceName, tapChain } from './names.ts';
import { SHAPED, addSendRate, addSynGuard, synRate } from './limits.ts';
import type { LocalFacts } from './local.ts';
import { remember } from './remember.ts';
import { addChain, addSet, emptyTable, type Table } from './ruleset.ts';

/** Neighbour discovery is only valid unrouted and undisguised (RFC 4861, RFC 6980). */
const ND_SOUND = ['ip6 hoplimit != 255 goto refuse-nd', 'ip6 nexthdr != 58 goto refuse-nd'];

/** The same for every tap; sets keyed by tap say what each may say. */
const FIXED_CHAINS: Readonly<Record<string, readonly string[]>> = {
  guard: [
    // Whole, untagged, of TCP, by its own name: one look instead of three; the same answer.
    'ether type ip ip protocol tcp ip frag-off & 0x3fff == 0 iifname . ether saddr . ip saddr @own-pair4 goto own-tcp',
    'ether type ip6 ip6 nexthdr tcp iifname . ether saddr . ip6 saddr @own-pair6 goto own-tcp',
    'iifname . ether saddr != @own-mac goto refuse-mac',
    'ether type { 0x8100, 0x88a8 } goto refuse-vlan',
    'meta protocol vmap { ip : goto guard-ip4, ip6 : goto guard-ip6, arp : goto guard-arp, 0x8035 : accept }',
    'goto refuse-ethertype',
  ],
  'guard-ip4': [
    'ip frag-off & 0x3fff != 0 jump guard-fragment4',
    'udp sport 67 goto refuse-dhcp',
    'udp sport 68 udp dport 67 goto guard-dhcp',
    'iifname . ip saddr @own-ip4 goto own',
    'iifname . ip saddr @own-net4 goto own',
    'ip saddr 0.0.0.0 ip protocol igmp accept',
    'goto refuse-ipv4',
  ],
  // No link cuts a datagram below 68 bytes (RFC 791): smaller pieces are made to hide a header.
  'guard-fragment4': [
    'ip frag-off & 0x1fff 1-5 goto refuse-fragment',
    'ip frag-off & 0x2000 != 0 ip length < 68 goto refuse-fragment',
  ],
  // The client hardware address inside must be the NIC's: else one guest could drain the pool.
  'guard-dhcp': [
    'iifname . @th,288,48 != @own-lladdr goto refuse-dhcp-client',
    'ip saddr 0.0.0.0 accept',
    'iifname . ip saddr @own-ip4 accept',
    'iifname . ip saddr @own-net4 accept',
    'goto refuse-ipv4',
  ],
  'guard-arp': [
    'arp htype != 1 goto refuse-arp',
    'arp ptype != ip goto refuse-arp',
    'arp hlen != 6 goto refuse-arp',
    'arp plen != 4 goto refuse-arp',
    'arp operation != { 1, 2 } goto refuse-arp',
    'iifname . arp saddr ether != @own-mac goto refuse-arp',
    'iifname . arp saddr ip @own-ip4 accept',
    'iifname . arp saddr ip @own-net4 accept',
    'arp saddr ip 0.0.0.0 iifname . arp daddr ip @own-ip4 accept',
    'arp saddr ip 0.0.0.0 iifname . arp daddr ip @own-net4 accept',
    'goto refuse-arp',
  ],
  'guard-ip6': [
    'exthdr frag exists jump guard-fragment6',
    'meta l4proto 58 goto guard-icmp6',
    'udp sport 547 goto refuse-dhcpv6',
    'goto own-source6',
  ],
  // Neighbour discovery is never fragmented, and only it needs hop limit 255; pieces that small hide a header.
  'guard-fragment6': [
    'ip6 hoplimit 255 goto refuse-fragment',
    'frag more-fragments 1 ip6 length < 640 goto refuse-fragment',
  ],
  'guard-icmp6': [
    'icmpv6 type vmap { 133 : goto nd-rs, 134 : goto refuse-ra, 135 : goto nd-ns, 136 : goto nd-na, 137 : goto refuse-redirect }',
    'ip6 saddr :: icmpv6 type { 131, 132, 143 } accept',
    'goto own-source6',
  ],
  'own-source6': [
    'iifname . ip6 saddr @own-ip6 goto own',
    'iifname . ip6 saddr @own-net6 goto own',
    'goto refuse-ipv6',
  ],
  // At most one option, whose link-layer address is the NIC's own.
  'nd-rs': [
    ...ND_SOUND,
    'ip6 saddr :: ip6 length 8 accept',
    'ip6 length 8 goto own-source6',
    'ip6 length 16 @th,64,8 1 iifname . @th,80,48 @own-lladdr goto own-source6',
    'goto refuse-nd-option',
  ],
  'nd-ns': [
    ...ND_SOUND,
    'ip6 saddr :: goto nd-dad',
    'ip6 length 24 goto own-source6',
    'ip6 length 32 @th,192,8 1 iifname . @th,208,48 @own-lladdr goto own-source6',
    'goto refuse-nd-option',
  ],
  // Asking whether an address is taken is a claim to it. A nonce (RFC 7527) may come with it.
  'nd-dad': [
    'iifname . @th,64,128 @own-nd goto nd-dad-option',
    'iifname . @th,64,128 @own-nd-net goto nd-dad-option',
    'goto refuse-nd-dad',
  ],
  'nd-dad-option': ['ip6 length 24 accept', 'ip6 length 32 @th,192,8 14 accept', 'goto refuse-nd-option'],
  'nd-na': [
    ...ND_SOUND,
    'iifname . @th,64,128 @own-nd goto nd-na-option',
    'iifname . @th,64,128 @own-nd-net goto nd-na-option',
    'goto refuse-nd',
  ],
  'nd-na-option': [
    'ip6 length 24 goto own-source6',
    'ip6 length 32 @th,192,8 2 iifname . @th,208,48 @own-lladdr goto own-source6',
    'goto refuse-nd-option',
  ],
};

/** Per kind, so that a flood of one forgery never hides another; per tap, so that one guest never hides another. */
const LOGGED = 'type ifname; size 8192; flags dynamic,timeout; timeout 1m;';
const REFUSED = 'type ifname; size 8192; flags dynamic; counter;';

/** Independent of all rules: made anew only when NICs, networks or taps change. */
export const guardTable = (state: DesiredState, local: LocalFacts): Table =>
  guards(state.nics, [state.networks, local.taps, local.networks, local.shapers], () =>
    makeGuard(state, local),
  );

const guards = remember<readonly DesiredNic[], Table>();

function makeGuard(state: DesiredState, local: LocalFacts): Table {
  const table = emptyTable();
  for (const kind of GUARD_KINDS) {
    if (kind === 'route') continue;
    addSet(table, `refused-${kind}`, REFUSED);
    addSet(table, `logged-${kind}`, LOGGED);
    addChain(table, `refuse-${kind}`, [
      `update @refused-${kind} { iifname }`,
      `update @logged-${kind} { iifname limit rate 10/second burst 20 packets } log prefix "${guardPrefix(kind)}" group ${LOG_GROUP.guard} snaplen 128`,
      'drop',
    ]);
  }
  for (const [name, rules] of Object.entries(FIXED_CHAINS)) addChain(table, name, rules);
  const own = new OwnSets();
  const synRates = new Map<string, number>();
  for (const nic of state.nics) {
    const tap = local.taps.get(nic.id);
    if (nic.mode !== 'enforce' || tap === undefined || !isDeviceName(tap)) continue;
    own.add(tap, nic);
    synRates.set(tap, synRate(nic));
    const shaper = local.shapers?.get(nic.id);
    if (shaper) addSendRate(table, tap, shaper);
    addChain(
      table,
      tapChain(tap),
      [...(shaper ? [SHAPED] : []), ...ownConnections(nic), 'jump guard'],
      `type filter hook ingress device "${tap}" priority -150; policy accept;`,
      tap,
    );
  }
  own.into(table);
  addSynGuard(table, synRates);
  addOtherPorts(table, state, local);
  return table;
}

/** Addresses of a NIC up to so many of a family are compared one by one; that takes less than looking them up. */
const FEW = 2;

/**
 * What nearly every packet is: one of a TCP connection under way, whole, untagged, by the NIC's own name. Plain
 * comparisons, no look into any set; what they do not accept, `guard` judges.
 */
function ownConnections({ mac, addresses }: DesiredNic): string[] {
  const [four, six]: [string[], string[]] = [[], []];
  for (const text of addresses) if (!text.includes('/')) (text.includes(':') ? six : four).push(text);
  const rules = (own: readonly string[], rule: (address: string) => string) =>
    own.length <= FEW ? own.map(rule) : [];
  return [
    ...rules(
      four,
      (address) =>
        `ether saddr ${mac} ether type ip ip saddr ${address} ip protocol tcp ip frag-off & 0x3fff == 0 tcp flags & ack == ack accept`,
    ),
    ...rules(
      six,
      (address) =>
        `ether saddr ${mac} ether type ip6 ip6 saddr ${address} ip6 nexthdr tcp tcp flags & ack == ack accept`,
    ),
  ];
}

/** What each tap may say, as set elements. */
class OwnSets {
  readonly #macs = new Set<string>();
  readonly #lladdrs = new Set<string>();
  readonly #four = new Set<string>();
  readonly #six = new Set<string>();
  readonly #pairs4 = new Set<string>();
  readonly #pairs6 = new Set<string>();
  readonly #net4 = new Set<string>();
  readonly #net6 = new Set<string>();
  readonly #targets = new Set<string>();
  readonly #targetNets = new Set<string>();

  add(tap: string, nic: DesiredNic): void {
    const key = `"${tap}" . `;
    this.#macs.add(key + nic.mac);
    this.#lladdrs.add(`${key}0x${nic.mac.replaceAll(':', '')}`);
    for (const text of new Set([...nic.addresses, linkLocal(nic.mac)])) {
      const own = parseCidr(text);
      const whole = !text.includes('/');
      if (whole) (own.family === 4 ? this.#pairs4 : this.#pairs6).add(`${key}${nic.mac} . ${text}`);
      if (own.family === 4) (whole ? this.#four : this.#net4).add(key + text);
      else {
        (whole ? this.#six : this.#net6).add(key + text);
        if (whole) this.#targets.add(key + hex(own.first));
        else this.#targetNets.add(`${key}${hex(own.first)}-${hex(lastAddress(own))}`);
      }
    }
  }

  into(table: Table): void {
    addSet(table, 'own-mac', 'type ifname . ether_addr;', this.#macs);
    addSet(table, 'own-lladdr', 'typeof iifname . @th,208,48;', this.#lladdrs);
    addSet(table, 'own-pair4', 'type ifname . ether_addr . ipv4_addr;', this.#pairs4);
    addSet(table, 'own-pair6', 'type ifname . ether_addr . ipv6_addr;', this.#pairs6);
    addSet(table, 'own-ip4', 'type ifname . ipv4_addr;', this.#four);
    addSet(table, 'own-ip6', 'type ifname . ipv6_addr;', this.#six);
    addSet(table, 'own-net4', 'type ifname . ipv4_addr; flags interval;', this.#net4);
    addSet(table, 'own-net6', 'type ifname . ipv6_addr; flags interval;', this.#net6);
    addSet(table, 'own-nd', 'typeof iifname . @th,64,128;', this.#targets);
    addSet(table, 'own-nd-net', 'typeof iifname . @th,64,128; flags interval;', this.#targetNets);
  }
}

const hex = (value: bigint): string => `0x${value.toString(16).padStart(32, '0')}`;

/** Ports of no enforced NIC carry everything but frames in an enforced NIC's name. */
function addOtherPorts(table: Table, state: DesiredState, local: LocalFacts): void {
  for (const network of state.networks) {
    const ports = local.networks.get(network.id)?.otherPorts.filter(isDeviceName) ?? [];
    const macs = state.nics.filter((n) => n.network === network.id && n.mode === 'enforce').map((n) => n.mac);
    if (ports.length === 0 || macs.length === 0) continue;
    const name = `macs-${digest(network.id)}`;
    addSet(table, name, 'type ether_addr;', new Set(macs));
    for (const port of ports)
      addChain(
        table,
        tapChain(port),
        [`ether saddr @${name} goto refuse-theft`],
        `type filter hook ingress device "${port}" priority -150; policy accept;`,
        port,
      );
  }
}
