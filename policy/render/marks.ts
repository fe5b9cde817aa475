// The upper bits of a packet's mark while it is on its way to a gateway, and back; the lower 24 bits are not ours.

export const MARK = {
  /** It has come back. In table inet, until the decision is made: it is to go through, in line. */
  returned: 0x8000_0000,
  /** A copy goes to the gateway, the frame goes on. */
  mirror: 0x4000_0000,
  /** Without a gateway it is dropped. */
  closed: 0x2000_0000,
  /** Of the reply direction: it enters the gateway at its second device. */
  reply: 0x1000_0000,
  /** Which gateway of this host. */
  instance: 0x0f00_0000,
  ours: 0xff00_0000,
  others: 0x00ff_ffff,
} as const;

export const hex32 = (value: number): string => `0x${(value >>> 0).toString(16).padStart(8, '0')}`;

/** An instance as marks carry it, and as it stands in the set `alive`. */
export const instanceMark = (instance: number): number => instance << 24;

/** Flows of a host are spread over so many buckets, and each bucket is some instance's. */
export const BUCKETS = 16;

/** `meta mark …` for a rule: whether it has any of these bits, or none of them. */
export const hasAny = (bits: number): string => `meta mark & ${hex32(bits)} != 0x0`;
export const hasNone = (bits: number): string => `meta mark & ${hex32(bits)} == 0x0`;
export const addBits = (bits: number): string => `meta mark set meta mark | ${hex32(bits)}`;
export const CLEAR = `meta mark set meta mark & ${hex32(MARK.others)}`;
