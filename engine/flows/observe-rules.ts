// The nftables text of observation: a table of our own in the bridge family that accepts everything, needs neither
// br_netfilter nor connection tracking, and counts each conversation in sets, one pair of sets per network and family.
// A conversation's first packet (and a TCP connection's last ones) are logged, so that it is known at once.
// At most five parts to a set's key: older nft programs cannot hold more.

export const OBSERVE_TABLE = 'wocloud_observe';
/** NFLOG group, beside those of the policy's tables. */
export const OBSERVE_GROUP = 103;

/** Conversations per network and family; beyond, packets are only counted as overflow. */
const SET_SIZE = 65_536;
const HOLD = { tcp: '5m', udp: '1m', sctp: '5m', other: '1m', neighbour: '5m' } as const;

/** The tables and chains without any network. Whatever stood there before is gone. */
export function baseRules(): string {
  return [
    `add table bridge ${OBSERVE_TABLE}`,
    `delete table bridge ${OBSERVE_TABLE}`,
    `table bridge ${OBSERVE_TABLE} {`,
    '  comment "Observes bridged traffic for Wocloud; accepts everything"',
    '  counter overflow { }',
    '  counter unlogged { }',
    '  map ports { type iface_index : verdict; }',
    '  map tagged { typeof iif . vlan id : verdict; }',
    // Every frame once: where it comes in, or where the host itself sends it.
    '  chain arrive { type filter hook prerouting priority -350; policy accept;',
    '    ether type 8021q iif . vlan id vmap @tagged',
    '    ether type != 8021q iif vmap @ports',
    '  }',
    '  chain depart { type filter hook output priority -350; policy accept;',
    // The host's own frames to many pass here once per port.
    '    ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 accept',
    '    ether type 8021q oif . vlan id vmap @tagged',
    '    ether type != 8021q oif vmap @ports',
    '  }',
    '}',
    '',
  ].join('\n');
}

const KEY4 = 'ip saddr . ip daddr . meta l4proto . th sport . th dport';
const KEY6 = 'ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport';

/** Sets of network `n` whose elements are conversations, with what their keys are made of. */
export function flowSets(n: number): { name: string; family: 4 | 6; hasPorts: boolean }[] {
  return ([4, 6] as const).flatMap((family) => [
    { name: `n${n}-flows${family}`, family, hasPorts: true },
    { name: `n${n}-others${family}`, family, hasPorts: false },
  ]);
}

export const networkChain = (n: number): string => `n${n}`;

/** Sets and chains of one network, numbered `n` from 1. */
export function networkRules(n: number): string {
  const dynamic = `size ${SET_SIZE}; flags dynamic,timeout; timeout 1m;`;
  const log = (what: string) =>
    `limit rate 20000/second burst 10000 packets log prefix "wocloud-observe:${n}:${what}" group ${OBSERVE_GROUP} snaplen 128 return`;
  const conversations = ([4, 6] as const).flatMap((family) => {
    const ip = family === 4 ? 'ip' : 'ip6';
    const address = `ipv${family}_addr`;
    const flows = `n${n}-flows${family}`;
    const others = `n${n}-others${family}`;
    const key = family === 4 ? KEY4 : KEY6;
    const pair = `${ip} saddr . ${ip} daddr . meta l4proto`;
    return [
      `set ${flows} { type ${address} . ${address} . inet_proto . inet_service . inet_service; ${dynamic} counter; }`,
      `set ${others} { type ${address} . ${address} . inet_proto; ${dynamic} counter; }`,
      `chain n${n}-tcp${family} {`,
      `  tcp flags & (syn | ack) == syn jump n${n}-new`,
      `  tcp flags & (syn | ack) != syn ${key} != @${flows} jump n${n}-new`,
      `  tcp flags & (fin | rst) != 0 jump n${n}-end`,
      `  update @${flows} { ${key} timeout ${HOLD.tcp} } return`,
      '  counter name overflow',
      '}',
      ...(['udp', 'sctp'] as const).flatMap((protocol) => [
        `chain n${n}-${protocol}${family} {`,
        `  ${key} != @${flows} jump n${n}-new`,
        `  update @${flows} { ${key} timeout ${HOLD[protocol]} } return`,
        '  counter name overflow',
        '}',
      ]),
      `chain n${n}-other${family} {`,
      `  ${pair} != @${others} jump n${n}-new`,
      `  update @${others} { ${pair} timeout ${HOLD.other} } return`,
      '  counter name overflow',
      '}',
    ];
  });
  const protocols = (family: 4 | 6) =>
    `meta l4proto vmap { tcp : goto n${n}-tcp${family}, udp : goto n${n}-udp${family}, sctp : goto n${n}-sctp${family} }`;
  return [
    `table bridge ${OBSERVE_TABLE} {`,
    `chain n${n}-new {`,
    `  ${log('new')}`,
    '  counter name unlogged',
    '}',
    `chain n${n}-end {`,
    `  ${log('end')}`,
    '  counter name unlogged',
    '}',
    ...conversations,
    `set n${n}-neighbours4 { type ether_addr . ipv4_addr; ${dynamic} }`,
    `set n${n}-neighbours6 { type ether_addr . ipv6_addr; ${dynamic} }`,
    `chain n${n}-arp {`,
    `  ether saddr . arp saddr ip != @n${n}-neighbours4 jump n${n}-new`,
    `  update @n${n}-neighbours4 { ether saddr . arp saddr ip timeout ${HOLD.neighbour} }`,
    '}',
    `chain n${n}-nd {`,
    // Claims name their address inside: the pair of sender's addresses does not tell them apart.
    `  ip6 saddr :: limit rate 200/second burst 400 packets goto n${n}-new`,
    `  icmpv6 type 136 limit rate 200/second burst 400 packets goto n${n}-new`,
    `  ether saddr . ip6 saddr != @n${n}-neighbours6 jump n${n}-new`,
    `  update @n${n}-neighbours6 { ether saddr . ip6 saddr timeout ${HOLD.neighbour} }`,
    '}',
    `chain n${n}-ip4 {`,
    // Later fragments have no ports: they count for their pair of addresses.
    `  ip frag-off & 0x1fff != 0 goto n${n}-other4`,
    `  ${protocols(4)}`,
    `  goto n${n}-other4`,
    '}',
    `chain n${n}-ip6 {`,
    `  frag frag-off != 0 goto n${n}-other6`,
    // Neighbours keeping up with each other is no conversation.
    `  icmpv6 type { 130-137, 143 } goto n${n}-nd`,
    `  ${protocols(6)}`,
    `  goto n${n}-other6`,
    '}',
    `chain ${networkChain(n)} {`,
    `  meta protocol vmap { ip : goto n${n}-ip4, ip6 : goto n${n}-ip6, arp : goto n${n}-arp }`,
    '}',
    '}',
    '',
  ].join('\n');
}

/** Takes a network away, when no port leads to it any more. */
export function removeNetwork(n: number): string {
  const chains = ['', '-ip4', '-ip6', '-nd', '-arp'];
  for (const family of [4, 6])
    for (const what of ['tcp', 'udp', 'sctp', 'other']) chains.push(`-${what}${family}`);
  chains.push('-new', '-end');
  const names = chains.map((suffix) => `n${n}${suffix}`);
  const sets = [...flowSets(n).map((set) => set.name), `n${n}-neighbours4`, `n${n}-neighbours6`];
  return [
    ...names.map((name) => `flush chain bridge ${OBSERVE_TABLE} ${name}`),
    ...names.map((name) => `delete chain bridge ${OBSERVE_TABLE} ${name}`),
    ...sets.map((name) => `delete set bridge ${OBSERVE_TABLE} ${name}`),
    '',
  ].join('\n');
}

export const removeAll = `add table bridge ${OBSERVE_TABLE}\ndelete table bridge ${OBSERVE_TABLE}\n`;
