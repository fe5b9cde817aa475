// Ethernet frames for tests, byte by byte, with right checksums: what a guest sends, honest or forged.
import { parseAddress } from '../cidr.ts';

export const macBytes = (mac: string): Buffer => Buffer.from(mac.replaceAll(':', ''), 'hex');

export function addressBytes(address: string): Buffer {
  const { family, first } = parseAddress(address);
  return Buffer.from(first.toString(16).padStart(family === 4 ? 8 : 32, '0'), 'hex');
}

export function ethernet(to: string, from: string, type: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(14);
  macBytes(to).copy(head, 0);
  macBytes(from).copy(head, 6);
  head.writeUInt16BE(type, 12);
  return Buffer.concat([head, payload]);
}

export const ETHERTYPE = { ip: 0x0800, arp: 0x0806, vlan: 0x8100, ip6: 0x86dd, test: 0x88b5 } as const;

function sum(...parts: Buffer[]): number {
  const data = Buffer.concat(parts);
  let total = 0;
  for (let i = 0; i < data.length; i += 2) total += ((data[i] ?? 0) << 8) | (data[i + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}

export interface Ip {
  src: string;
  dst: string;
  protocol: number;
  payload: Buffer;
  hops?: number;
  /** IPv4 identification and flags+offset word. */
  id?: number;
  fragment?: number;
}

/** IPv4 or IPv6 packet, by its addresses. The transport checksum is already in the payload. */
export function ip({ src, dst, protocol, payload, hops = 64, id = 0, fragment = 0 }: Ip): Buffer {
  if (src.includes(':')) {
    const head = Buffer.alloc(40);
    head.writeUInt32BE(0x60000000, 0);
    head.writeUInt16BE(payload.length, 4);
    head[6] = protocol;
    head[7] = hops;
    addressBytes(src).copy(head, 8);
    addressBytes(dst).copy(head, 24);
    return Buffer.concat([head, payload]);
  }
  const head = Buffer.alloc(20);
  head[0] = 0x45;
  head.writeUInt16BE(20 + payload.length, 2);
  head.writeUInt16BE(id, 4);
  head.writeUInt16BE(fragment, 6);
  head[8] = hops;
  head[9] = protocol;
  addressBytes(src).copy(head, 12);
  addressBytes(dst).copy(head, 16);
  head.writeUInt16BE(sum(head), 10);
  return Buffer.concat([head, payload]);
}

export const typeOf = (address: string): number => (address.includes(':') ? ETHERTYPE.ip6 : ETHERTYPE.ip);

function pseudo(src: string, dst: string, protocol: number, length: number): Buffer {
  const tail = Buffer.alloc(src.includes(':') ? 8 : 4);
  if (src.includes(':')) {
    tail.writeUInt32BE(length, 0);
    tail[7] = protocol;
  } else {
    tail[1] = protocol;
    tail.writeUInt16BE(length, 2);
  }
  return Buffer.concat([addressBytes(src), addressBytes(dst), tail]);
}

/** Transport segment of the first packet of a connection. `sport` is the ICMP identifier where there are no ports. */
export function segment(
  src: string,
  dst: string,
  protocol: number,
  sport: number,
  dport: number,
  icmpType = 0,
  data = Buffer.from('wocloud probe'),
): Buffer {
  if (protocol === 6) {
    const head = Buffer.alloc(20);
    head.writeUInt16BE(sport, 0);
    head.writeUInt16BE(dport, 2);
    head.writeUInt32BE(1000, 4);
    head[12] = 0x50;
    head[13] = 0x02;
    head.writeUInt16BE(65_000, 14);
    head.writeUInt16BE(sum(pseudo(src, dst, 6, 20), head), 16);
    return head;
  }
  if (protocol === 17) {
    const head = Buffer.alloc(8);
    head.writeUInt16BE(sport, 0);
    head.writeUInt16BE(dport, 2);
    head.writeUInt16BE(8 + data.length, 4);
    head.writeUInt16BE(sum(pseudo(src, dst, 17, 8 + data.length), head, data) || 0xffff, 6);
    return Buffer.concat([head, data]);
  }
  if (protocol === 1 || protocol === 58) {
    const head = Buffer.alloc(8);
    head[0] = icmpType;
    head.writeUInt16BE(sport, 4);
    const cover = protocol === 58 ? [pseudo(src, dst, 58, 8 + data.length)] : [];
    head.writeUInt16BE(sum(...cover, head, data), 2);
    return Buffer.concat([head, data]);
  }
  return data;
}

/** ICMPv6 message with its checksum. */
export function icmp6(src: string, dst: string, type: number, body: Buffer): Buffer {
  const message = Buffer.concat([Buffer.from([type, 0, 0, 0]), body]);
  message.writeUInt16BE(sum(pseudo(src, dst, 58, message.length), message), 2);
  return message;
}

export function arp(
  operation: number,
  senderMac: string,
  sender: string,
  targetMac: string,
  target: string,
): Buffer {
  const head = Buffer.from([0, 1, 8, 0, 6, 4, 0, operation]);
  return Buffer.concat([
    head,
    macBytes(senderMac),
    addressBytes(sender),
    macBytes(targetMac),
    addressBytes(target),
  ]);
}

export const BROADCAST = 'ff:ff:ff:ff:ff:ff';
export const NOBODY = '00:00:00:00:00:00';

/** Group MAC of an IPv4 or IPv6 multicast address. */
export function groupMac(address: string): string {
  const b = addressBytes(address);
  const hex = (values: readonly number[]) => values.map((v) => v.toString(16).padStart(2, '0')).join(':');
  if (b.length === 16) return hex([0x33, 0x33, ...b.subarray(12)]);
  return address === '255.255.255.255'
    ? BROADCAST
    : hex([0x01, 0x00, 0x5e, (b[1] ?? 0) & 0x7f, ...b.subarray(2)]);
}

export interface Seen {
  src: string;
  dst: string;
  protocol: number;
  sport: number;
  dport: number;
  flags: number;
}

/** The parts of a received frame the tests compare, or null for what is no whole IP packet. */
export function readFrame(frame: Buffer): (Seen & { to: string; from: string }) | null {
  const hex = frame.subarray(0, 12).toString('hex').match(/../g) ?? [];
  const to = hex.slice(0, 6).join(':');
  const from = hex.slice(6, 12).join(':');
  const type = frame.readUInt16BE(12);
  const packet = frame.subarray(14);
  const text = (b: Buffer) =>
    b.length === 4 ? [...b].join('.') : (b.toString('hex').match(/.{4}/g) ?? []).join(':');
  let src: Buffer, dst: Buffer, protocol: number, body: Buffer;
  if (type === ETHERTYPE.ip) {
    src = packet.subarray(12, 16);
    dst = packet.subarray(16, 20);
    protocol = packet[9] ?? 0;
    body = packet.subarray(((packet[0] ?? 0) & 15) * 4);
  } else if (type === ETHERTYPE.ip6) {
    src = packet.subarray(8, 24);
    dst = packet.subarray(24, 40);
    protocol = packet[6] ?? 0;
    body = packet.subarray(40);
  } else return null;
  const ported = protocol === 6 || protocol === 17 || protocol === 132;
  const icmp = protocol === 1 || protocol === 58;
  const sport = ported ? body.readUInt16BE(0) : icmp ? body.readUInt16BE(4) : 0;
  const dport = ported ? body.readUInt16BE(2) : 0;
  const flags = protocol === 6 ? (body[13] ?? 0) : 0;
  return {
    to,
    from,
    src: parseAddress(text(src)).text,
    dst: parseAddress(text(dst)).text,
    protocol,
    sport,
    dport,
    flags,
  };
}

/** Source port (or identifier) of the connection a reset or an ICMP error refuses; null for any other frame. */
export function refusedPort(frame: Buffer): number | null {
  const seen = readFrame(frame);
  if (!seen) return null;
  if (seen.protocol === 6) return (seen.flags & 4) === 4 ? seen.dport : null;
  const six = frame.readUInt16BE(12) === ETHERTYPE.ip6;
  const message = frame.subarray(14 + (six ? 40 : 20));
  if (seen.protocol !== (six ? 58 : 1) || message[0] !== (six ? 1 : 3)) return null;
  const quoted = message.subarray(8);
  const protocol = quoted[six ? 6 : 9] ?? 0;
  const body = quoted.subarray(six ? 40 : 20);
  return body.readUInt16BE(protocol === 1 || protocol === 58 ? 4 : 0);
}
