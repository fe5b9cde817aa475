// A health probe as an Ethernet frame: goes into a gateway at one end and must come out at the other, unchanged. The
// nonce is drawn anew by each engine and goes nowhere else: whoever has not seen a probe of this session cannot forge one.
import { randomBytes } from 'node:crypto';
import { PROBE_ETHERTYPE } from '@wocloud/protocol/gateway.ts';

export const NONCE_BYTES = 16;
/** Ethernet's shortest frame, less its checksum. */
export const PROBE_BYTES = 60;

const ETHERTYPE = 12;
export const NONCE = 14;
const NUMBER = NONCE + NONCE_BYTES;
const WAY = NUMBER + 1;
const SEQUENCE = WAY + 1;

/** Which way through: from the first device to the second, or back. */
export const WAYS = ['forth', 'back'] as const;
export type Way = (typeof WAYS)[number];

export interface Probe {
  number: number;
  way: Way;
  sequence: number;
}

export const newNonce = (): Buffer => randomBytes(NONCE_BYTES);

/** Locally administered, and no VM's: libvirt's begin with 52:54:00, ours with 02:77:6f:67. */
const address = (number: number, end: number): number[] => [0x02, 0x77, 0x6f, 0x67, number, end];

export function encodeProbe({ number, way, sequence }: Probe, nonce: Uint8Array): Buffer {
  const frame = Buffer.alloc(PROBE_BYTES);
  const from = way === 'forth' ? 0 : 1;
  frame.set(address(number, 1 - from), 0);
  frame.set(address(number, from), 6);
  frame.writeUInt16BE(PROBE_ETHERTYPE, ETHERTYPE);
  frame.set(nonce, NONCE);
  frame[NUMBER] = number;
  frame[WAY] = from;
  frame.writeUInt32BE(sequence, SEQUENCE);
  return frame;
}

/** The probe in a frame; undefined when it is none of this session. */
export function decodeProbe(frame: Uint8Array, nonce: Uint8Array): Probe | undefined {
  if (frame.length < PROBE_BYTES) return undefined;
  const bytes = Buffer.from(frame.buffer, frame.byteOffset, PROBE_BYTES);
  if (bytes.readUInt16BE(ETHERTYPE) !== PROBE_ETHERTYPE) return undefined;
  if (!bytes.subarray(NONCE, NONCE + NONCE_BYTES).equals(nonce)) return undefined;
  const way = WAYS[bytes[WAY] ?? 2];
  return way && { number: bytes[NUMBER] ?? 0, way, sequence: bytes.readUInt32BE(SEQUENCE) };
}
