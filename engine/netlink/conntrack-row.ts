// A connection as 128 bytes: what threads hand each other instead of objects, and what the live table is made of.
// Little-endian. Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d. Times are µs since the epoch.

export const ROW = 128;

export const TIME = 0;
/** u64: connection id in the high half, a mix of its start in the low half. */
export const FLOW = 8;
export const START = 16;
export const END = 24;
export const SRC = 32;
export const DST = 48;
/** Who really answers: differs from DST where the destination was translated. */
export const REPLY_SRC = 64;
export const PACKETS_OUT = 80;
export const BYTES_OUT = 88;
export const PACKETS_IN = 96;
export const BYTES_IN = 104;
export const MARK = 112;
export const ZONE = 116;
export const SPORT = 118;
export const DPORT = 120;
export const PROTOCOL = 122;
/** Index in FLOW_KINDS. */
export const KIND = 123;
export const FAMILY = 124;
/** The kernel's enum tcp_conntrack; 0 when not TCP or not said. */
export const TCP_STATE = 125;
/** 1 when the message carried counters. */
export const COUNTED = 126;

/** For an observed flow, REPLY_SRC holds instead: */
export const SRC_MAC = 64;
export const DST_MAC = 70;
export const PORT_INDEX = 76;

export const AF_INET = 2;
export const AF_INET6 = 10;

export const TCP_TIME_WAIT = 7;
export const TCP_CLOSE = 8;

/** Our own notes on a row in the live table. */
export const NOTES = 127;
/** An end has been told (a closed TCP connection lingers in the kernel for minutes). */
export const NOTE_ENDED = 1;
/** Known from a dump; its NEW event may still come. */
export const NOTE_DUMPED = 2;

/**
 * A number below 2^53 that names a connection among those alive: the kernel's id, which may collide, and a mix
 * of its ports and addresses. The same from NEW, DESTROY and dump, which do not all tell the start.
 */
export function connectionKey(row: DataView, at: number): number {
  let mix = Math.imul(row.getUint32(at + SRC + 12), 0x9e3779b1) ^ row.getUint32(at + DST + 12);
  mix = Math.imul(mix ^ row.getUint32(at + SPORT, true), 0x85ebca6b) ^ row.getUint16(at + ZONE, true);
  return row.getUint32(at + FLOW + 4, true) * 0x200000 + ((mix ^ (mix >>> 15)) & 0x1fffff);
}
