// What a guest may forge: frames byte by byte, each with the name under which the guard refuses it.
import type { GuardKind } from '../render/names.ts';
import {
  BROADCAST,
  ETHERTYPE,
  NOBODY,
  addressBytes,
  arp,
  ethernet,
  groupMac,
  icmp6,
  ip,
  macBytes,
  segment,
  typeOf,
} from './frames.ts';

/** One NIC on the segment. */
export interface Station {
  readonly mac: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly linkLocal: string;
}

/** Who forges, who is meant to receive it, and in whose name. All on one segment. */
export interface Cast {
  readonly me: Station;
  readonly victim: Station;
  readonly bystander: Station;
}

/** The link-local address a MAC gives itself (RFC 4291, appendix A). */
export function linkLocalOf(mac: string): string {
  const b = macBytes(mac);
  const word = (i: number, x = 0) => ((((b[i] ?? 0) ^ x) << 8) | (b[i + 1] ?? 0)).toString(16);
  const half = (i: number) => (((b[i] ?? 0) << 8) | 0xff).toString(16);
  return `fe80::${word(0, 2)}:${half(2)}:${(0xfe00 | (b[3] ?? 0)).toString(16)}:${word(4)}`;
}

/** Solicited-node group of an address (RFC 4291, 2.7.1). */
function solicited(address: string): string {
  const b = addressBytes(address);
  return `ff02::1:ff${b.subarray(13, 14).toString('hex')}:${(((b[14] ?? 0) << 8) | (b[15] ?? 0)).toString(16)}`;
}

export const udp = (src: string, dst: string, sport: number, dport: number, data?: Buffer<ArrayBuffer>) =>
  segment(src, dst, 17, sport, dport, 0, data);
export const option = (type: number, m: string) => Buffer.concat([Buffer.from([type, 1]), macBytes(m)]);
export const zero = (n: number) => Buffer.alloc(n);
/** ND body: 4 reserved octets, a target, options. */
export const target = (address: string, ...options: Buffer[]) =>
  Buffer.concat([zero(4), addressBytes(address), ...options]);
export const override = (address: string, ...options: Buffer[]) =>
  Buffer.concat([Buffer.from([0x20, 0, 0, 0]), addressBytes(address), ...options]);
export const extension = (next: number, words: number) => {
  const out = zero(8 + words * 8);
  [out[0], out[1]] = [next, words];
  for (let at = 2; at < out.length; at += 2 + (out[at + 1] ?? 0)) {
    out[at] = 1;
    out[at + 1] = Math.min(out.length - at - 2, 255);
  }
  return out;
};
export const fragment6 = (next: number, offset: number, more: boolean, data: Buffer) => {
  const head = zero(8);
  head[0] = next;
  head.writeUInt16BE((offset << 3) | (more ? 1 : 0), 2);
  head.writeUInt32BE(7, 4);
  return Buffer.concat([head, data]);
};
export const dhcp = (client: string, reply = false) => {
  const body = zero(240);
  [body[0], body[1], body[2]] = [reply ? 2 : 1, 1, 6];
  macBytes(client).copy(body, 28);
  body.writeUInt32BE(0x63825363, 236);
  return body;
};
const VLAN = Buffer.from([0, 10, 0x08, 0x00]);

/** Frames as `me` would send them; the caller may lie in any field. */
export function speaker({ me, victim }: Pick<Cast, 'me' | 'victim'>) {
  const from1 = (to: string, type: number, payload: Buffer, source: string = me.mac) =>
    ethernet(to, source, type, payload);
  const packet = (
    src: string,
    dst: string,
    protocol: number,
    payload: Buffer,
    to: string = victim.mac,
    hops = 64,
  ) => from1(to, typeOf(src), ip({ src, dst, protocol, payload, hops }));
  const nd = (src: string, dst: string, type: number, body: Buffer, hops = 255) =>
    packet(
      src,
      dst,
      58,
      icmp6(src, dst, type, body),
      dst.startsWith('ff') ? groupMac(dst) : victim.mac,
      hops,
    );
  const plain = (src: string, dst = src.includes(':') ? victim.ipv6 : victim.ipv4) =>
    packet(src, dst, 17, udp(src, dst, 4000, 4001));
  return { from1, packet, nd, plain };
}

/** Every forgery with its name: [what it is, the guard's kind, the frame]. */
export function forgeries(cast: Cast): [what: string, kind: GuardKind, frame: Buffer][] {
  const { me, victim, bystander } = cast;
  const { from1, packet, nd, plain } = speaker(cast);
  const advertisement = icmp6(
    me.linkLocal,
    'ff02::1',
    134,
    Buffer.concat([Buffer.from([64, 0, 7, 8]), zero(8)]),
  );
  const rest = ip({
    src: me.ipv4,
    dst: victim.ipv4,
    protocol: 17,
    payload: udp(me.ipv4, victim.ipv4, 1, 2),
  });
  return [
    ['another MAC', 'mac', ethernet(victim.mac, bystander.mac, ETHERTYPE.ip, rest)],
    ['an unknown MAC', 'mac', ethernet(victim.mac, '52:54:00:00:00:99', ETHERTYPE.ip, rest)],
    ["another's IPv4 address", 'ipv4', plain(bystander.ipv4)],
    ['an unknown IPv4 address', 'ipv4', plain('172.16.0.9')],
    ["another's IPv6 address", 'ipv6', plain(bystander.ipv6)],
    ["another's link-local address", 'ipv6', plain(bystander.linkLocal)],
    [
      'an ARP reply for another',
      'arp',
      from1(victim.mac, ETHERTYPE.arp, arp(2, me.mac, bystander.ipv4, victim.mac, victim.ipv4)),
    ],
    [
      'an ARP sender MAC that is not its own',
      'arp',
      from1(victim.mac, ETHERTYPE.arp, arp(2, bystander.mac, me.ipv4, victim.mac, victim.ipv4)),
    ],
    [
      'a gratuitous ARP for another',
      'arp',
      from1(BROADCAST, ETHERTYPE.arp, arp(1, me.mac, victim.ipv4, NOBODY, victim.ipv4)),
    ],
    [
      "an ARP probe for another's address",
      'arp',
      from1(BROADCAST, ETHERTYPE.arp, arp(1, me.mac, '0.0.0.0', NOBODY, victim.ipv4)),
    ],
    [
      'an ARP of another operation',
      'arp',
      from1(BROADCAST, ETHERTYPE.arp, arp(8, me.mac, me.ipv4, NOBODY, me.ipv4)),
    ],
    [
      'a neighbour advertisement for another',
      'nd',
      nd(me.linkLocal, 'ff02::1', 136, override(bystander.ipv6, option(2, me.mac))),
    ],
    [
      'a forged link-layer option in an advertisement',
      'nd-option',
      nd(me.ipv6, victim.ipv6, 136, override(me.ipv6, option(2, bystander.mac))),
    ],
    [
      'a forged link-layer option in a solicitation',
      'nd-option',
      nd(me.ipv6, solicited(victim.ipv6), 135, target(victim.ipv6, option(1, bystander.mac))),
    ],
    [
      'a second, forged option',
      'nd-option',
      nd(me.ipv6, victim.ipv6, 136, override(me.ipv6, option(2, me.mac), option(2, bystander.mac))),
    ],
    [
      'a forged option behind a nonce',
      'nd-option',
      nd(me.ipv6, victim.ipv6, 135, target(victim.ipv6, option(14, me.mac), option(1, bystander.mac))),
    ],
    [
      'a forged option in a router solicitation',
      'nd-option',
      nd(me.linkLocal, 'ff02::2', 133, Buffer.concat([zero(4), option(1, bystander.mac)])),
    ],
    [
      "duplicate detection of another's address",
      'nd-dad',
      nd('::', solicited(victim.ipv6), 135, target(victim.ipv6)),
    ],
    [
      'a solicitation from another',
      'ipv6',
      nd(bystander.ipv6, solicited(victim.ipv6), 135, target(victim.ipv6, option(1, me.mac))),
    ],
    [
      'neighbour discovery behind an extension header',
      'nd',
      packet(
        me.ipv6,
        victim.ipv6,
        60,
        Buffer.concat([
          extension(58, 0),
          icmp6(me.ipv6, victim.ipv6, 136, override(me.ipv6, option(2, me.mac))),
        ]),
        victim.mac,
        255,
      ),
    ],
    [
      'a router advertisement',
      'ra',
      packet(me.linkLocal, 'ff02::1', 58, advertisement, groupMac('ff02::1'), 255),
    ],
    [
      'a router advertisement behind extension headers',
      'ra',
      packet(
        me.linkLocal,
        'ff02::1',
        60,
        Buffer.concat([extension(60, 2), extension(58, 0), advertisement]),
        groupMac('ff02::1'),
        255,
      ),
    ],
    [
      'a router advertisement in fragments',
      'fragment',
      packet(me.linkLocal, 'ff02::1', 44, fragment6(58, 0, false, advertisement), groupMac('ff02::1'), 255),
    ],
    [
      'a redirect',
      'redirect',
      nd(
        me.linkLocal,
        victim.ipv6,
        137,
        Buffer.concat([zero(4), addressBytes('fd00::9'), addressBytes('fd00::9')]),
      ),
    ],
    [
      "a DHCP server's offer",
      'dhcp',
      packet(
        me.ipv4,
        '255.255.255.255',
        17,
        udp(me.ipv4, '255.255.255.255', 67, 68, dhcp(victim.mac, true)),
        BROADCAST,
      ),
    ],
    [
      "a DHCPv6 server's reply",
      'dhcpv6',
      packet(me.ipv6, victim.ipv6, 17, udp(me.ipv6, victim.ipv6, 547, 546)),
    ],
    [
      'a DHCP request for another client',
      'dhcp-client',
      packet(
        '0.0.0.0',
        '255.255.255.255',
        17,
        udp('0.0.0.0', '255.255.255.255', 68, 67, dhcp(bystander.mac)),
        BROADCAST,
      ),
    ],
    ['a VLAN tag', 'vlan', from1(victim.mac, ETHERTYPE.vlan, Buffer.concat([VLAN, rest]))],
    [
      'a priority tag',
      'vlan',
      from1(victim.mac, ETHERTYPE.vlan, Buffer.concat([Buffer.from([0x60, 0, 0x08, 0]), rest])),
    ],
    [
      'two VLAN tags',
      'vlan',
      from1(victim.mac, 0x88a8, Buffer.concat([Buffer.from([0, 10, 0x81, 0]), VLAN, rest])),
    ],
    [
      'a first fragment too small for its header',
      'fragment',
      from1(
        victim.mac,
        ETHERTYPE.ip,
        ip({
          src: me.ipv4,
          dst: victim.ipv4,
          protocol: 6,
          payload: segment(me.ipv4, victim.ipv4, 6, 5, 22).subarray(0, 8),
          id: 5,
          fragment: 0x2000,
        }),
      ),
    ],
    [
      'a fragment that would rewrite the header',
      'fragment',
      from1(
        victim.mac,
        ETHERTYPE.ip,
        ip({ src: me.ipv4, dst: victim.ipv4, protocol: 6, payload: zero(24), id: 5, fragment: 1 }),
      ),
    ],
    ['tiny IPv6 fragments', 'fragment', packet(me.ipv6, victim.ipv6, 44, fragment6(17, 0, true, zero(16)))],
    ['LLDP', 'ethertype', from1('01:80:c2:00:00:0e', 0x88cc, zero(46))],
    ['PPPoE discovery', 'ethertype', from1(BROADCAST, 0x8863, zero(46))],
    [
      'spanning tree',
      'ethertype',
      from1('01:80:c2:00:00:00', 38, Buffer.concat([Buffer.from([0x42, 0x42, 3]), zero(43)])),
    ],
  ];
}
