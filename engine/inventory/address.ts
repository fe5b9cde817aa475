// Addresses in the one spelling everything compares by: dotted quads, IPv6 as RFC 5952, MAC addresses in lower case.
import { packAddress, unpackAddress } from '@wocloud/protocol/columns.ts';

const scratch = new Uint8Array(16);

/** One spelling for one address; the text must be a valid address (IPv6 may end in a dotted quad). */
export function normalAddress(ip: string): string {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(ip);
  let text = ip;
  if (dotted) {
    const [a = 0, b = 0, c = 0, d = 0] = dotted.slice(2).map(Number);
    text = `${dotted[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  packAddress(text.replace(/%.*$/, ''), scratch, 0);
  return unpackAddress(scratch, 0);
}

/** The IPv6 link-local address that a MAC gives by EUI-64: every guest has it before anyone configures it. */
export function linkLocal(mac: string): string {
  const b = mac.split(':').map((part) => Number.parseInt(part, 16));
  const word = (high: number | undefined, low: number | undefined) =>
    (((high ?? 0) << 8) | (low ?? 0)).toString(16);
  return normalAddress(
    `fe80::${word((b[0] ?? 0) ^ 2, b[1])}:${word(b[2], 0xff)}:${word(0xfe, b[3])}:${word(b[4], b[5])}`,
  );
}

const NEVER_A_HOST = /^(0\.|127\.|22[4-9]\.|23\d\.|24\d\.|25[0-5]\.|::$|::1$|ff)/;

/** True for an address that one NIC can have on a network: not unspecified, loopback, multicast or reserved. */
export const isHostAddress = (ip: string): boolean => !NEVER_A_HOST.test(ip);
