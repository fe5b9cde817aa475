// The start of a packet, as a guest made it: addresses, protocol, ports, through extension headers, in bounds.

export const ETH_IP = 0x0800;
export const ETH_ARP = 0x0806;
export const ETH_IP6 = 0x86dd;
export const ETH_VLAN = 0x8100;
export const ETH_QINQ = 0x88a8;

const MAX_HEADERS = 8;
const EXTENSIONS = new Set([0, 43, 44, 51, 60, 135, 139, 140]);

export interface DecodedPacket {
  family: 4 | 6;
  /** Offsets of the addresses, 4 or 16 bytes each. */
  src: number;
  dst: number;
  protocol: number;
  /** Ports, or ICMP type and code, 0 where there are none (a later fragment, cut short). */
  sport: number;
  dport: number;
  /** Not the first piece of a fragmented packet. */
  laterFragment: boolean;
  fragment: boolean;
  /** Offset of what follows the IP headers, or `end`. */
  transport: number;
  /** L3 length as its header says. */
  length: number;
}

/** undefined when it is no IP packet, or not even its fixed header is there. */
export function decodePacket(bytes: Uint8Array, start: number, end: number): DecodedPacket | undefined {
  const version = end > start ? (bytes[start] ?? 0) >> 4 : 0;
  if (version === 4) return decodeIp4(bytes, start, end);
  if (version === 6) return decodeIp6(bytes, start, end);
  return undefined;
}

const u16 = (bytes: Uint8Array, at: number) => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);

function decodeIp4(bytes: Uint8Array, start: number, end: number): DecodedPacket | undefined {
  const header = ((bytes[start] ?? 0) & 15) * 4;
  if (header < 20 || end - start < 20) return undefined;
  const flags = u16(bytes, start + 6);
  const packet: DecodedPacket = {
    family: 4,
    src: start + 12,
    dst: start + 16,
    protocol: bytes[start + 9] ?? 0,
    sport: 0,
    dport: 0,
    laterFragment: (flags & 0x1fff) !== 0,
    fragment: (flags & 0x3fff) !== 0,
    transport: Math.min(end, start + header),
    length: u16(bytes, start + 2),
  };
  readPorts(bytes, end, packet);
  return packet;
}

function decodeIp6(bytes: Uint8Array, start: number, end: number): DecodedPacket | undefined {
  if (end - start < 40) return undefined;
  const packet: DecodedPacket = {
    family: 6,
    src: start + 8,
    dst: start + 24,
    protocol: bytes[start + 6] ?? 0,
    sport: 0,
    dport: 0,
    laterFragment: false,
    fragment: false,
    transport: start + 40,
    length: 40 + u16(bytes, start + 4),
  };
  for (let i = 0; i < MAX_HEADERS && EXTENSIONS.has(packet.protocol) && !packet.laterFragment; i++) {
    const at = packet.transport;
    if (end - at < 8) {
      packet.transport = end;
      break;
    }
    const kind = packet.protocol;
    packet.protocol = bytes[at] ?? 0;
    const units = bytes[at + 1] ?? 0;
    if (kind === 44) {
      packet.fragment = true;
      packet.laterFragment = (u16(bytes, at + 2) & 0xfff8) !== 0;
      packet.transport = at + 8;
    } else packet.transport = Math.min(end, at + (kind === 51 ? (units + 2) * 4 : (units + 1) * 8));
  }
  readPorts(bytes, end, packet);
  return packet;
}

const HAS_PORTS = new Set([6, 17, 33, 132, 136]);

function readPorts(bytes: Uint8Array, end: number, packet: DecodedPacket): void {
  const at = packet.transport;
  if (packet.laterFragment) return;
  if (HAS_PORTS.has(packet.protocol) && end - at >= 4) {
    packet.sport = u16(bytes, at);
    packet.dport = u16(bytes, at + 2);
  } else if ((packet.protocol === 1 || packet.protocol === 58) && end - at >= 2) {
    packet.sport = bytes[at] ?? 0;
    packet.dport = bytes[at + 1] ?? 0;
  }
}

/** `52:54:00:12:34:56` */
export function macText(bytes: Uint8Array, at: number): string {
  let text = '';
  for (let i = 0; i < 6; i++)
    text += `${i === 0 ? '' : ':'}${(bytes[at + i] ?? 0).toString(16).padStart(2, '0')}`;
  return text;
}

/** Text of an address of 4 or 16 bytes. */
export function ipText(bytes: Uint8Array, at: number, family: 4 | 6): string {
  if (family === 4) return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
  return ip6Text(bytes, at);
}

/** RFC 5952, an embedded IPv4 address included as the groups it is made of. */
function ip6Text(bytes: Uint8Array, at: number): string {
  const words = Array.from({ length: 8 }, (_, i) => u16(bytes, at + i * 2));
  let best = -1;
  let longest = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && words[i + length] === 0) length++;
    if (length > longest) [best, longest] = [i, length];
  }
  const hex = (from: number, to: number) =>
    words
      .slice(from, to)
      .map((word) => word.toString(16))
      .join(':');
  return best < 0 ? hex(0, 8) : `${hex(0, best)}::${hex(best + longest, 8)}`;
}
