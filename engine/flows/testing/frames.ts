// Ethernet frames, byte by byte, and a way to put them on a guest's wire: for what no well-behaved program sends.
import { fileURLToPath } from 'node:url';
import { packAddress } from '@wocloud/protocol/columns.ts';
import type { Guest } from './namespace.ts';

const LIBC = fileURLToPath(new URL('../../netlink/libc.ts', import.meta.url));

export const macBytes = (mac: string) => Buffer.from(mac.replaceAll(':', ''), 'hex');

export function ipBytes(text: string): Buffer {
  const bytes = Buffer.alloc(16);
  packAddress(text, bytes, 0);
  return text.includes(':') ? bytes : bytes.subarray(12);
}

export interface Ethernet {
  src: string;
  dst: string;
  type: number;
  vlan?: number;
}

export function ethernet({ src, dst, type, vlan }: Ethernet, payload: Uint8Array): Buffer {
  const tag = vlan === undefined ? [] : [Buffer.of(0x81, 0, vlan >> 8, vlan & 0xff)];
  return Buffer.concat([macBytes(dst), macBytes(src), ...tag, Buffer.of(type >> 8, type & 0xff), payload]);
}

function checksum(...parts: Uint8Array[]): number {
  const bytes = Buffer.concat([...parts, Buffer.alloc(1)]);
  let sum = 0;
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** An IP packet, with the checksum its protocol wants at `checksumAt` of the payload. */
export function ip(src: string, dst: string, protocol: number, payload: Uint8Array, fragment = 0): Buffer {
  const [from, to] = [ipBytes(src), ipBytes(dst)];
  const body = Buffer.from(payload);
  const at = { 1: 2, 6: 16, 17: 6, 58: 2 }[protocol];
  if (at !== undefined && fragment === 0 && body.length >= at + 2) {
    const pseudo = protocol === 1 ? Buffer.alloc(0) : pseudoHeader(from, to, protocol, body.length);
    body.writeUInt16BE(checksum(pseudo, body), at);
  }
  if (from.length === 16) {
    const header = Buffer.alloc(40);
    header[0] = 0x60;
    header.writeUInt16BE(body.length, 4);
    header[6] = protocol;
    header[7] = 255;
    return Buffer.concat([header.subarray(0, 8), from, to, body]);
  }
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header.writeUInt16BE(20 + body.length, 2);
  header.writeUInt16BE(fragment, 6);
  header[8] = 64;
  header[9] = protocol;
  from.copy(header, 12);
  to.copy(header, 16);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, body]);
}

function pseudoHeader(from: Buffer, to: Buffer, protocol: number, length: number): Buffer {
  const tail =
    from.length === 4
      ? Buffer.of(0, protocol, length >> 8, length)
      : Buffer.of(0, 0, length >> 8, length, 0, 0, 0, protocol);
  return Buffer.concat([from, to, tail]);
}

export function udp(sport: number, dport: number, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(sport, 0);
  header.writeUInt16BE(dport, 2);
  header.writeUInt16BE(8 + data.length, 4);
  return Buffer.concat([header, data]);
}

/** @param flags as in the header: FIN 1, SYN 2, RST 4, ACK 16 */
export function tcp(sport: number, dport: number, flags: number): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(sport, 0);
  header.writeUInt16BE(dport, 2);
  header[12] = 0x50;
  header[13] = flags;
  header.writeUInt16BE(65_535, 14);
  return header;
}

export function icmp(type: number, code: number, rest: Uint8Array = Buffer.alloc(4)): Buffer {
  return Buffer.concat([Buffer.of(type, code, 0, 0), rest]);
}

/** @param operation 1 request, 2 reply */
export function arp(
  operation: number,
  sender: [mac: string, ip: string],
  target: [mac: string, ip: string],
): Buffer {
  return Buffer.concat([
    Buffer.of(0, 1, 8, 0, 6, 4, 0, operation),
    macBytes(sender[0]),
    ipBytes(sender[1]),
    macBytes(target[0]),
    ipBytes(target[1]),
  ]);
}

/** Sends frames out of the guest's interface, in order, as they are. */
export async function inject(guest: Guest, frames: Uint8Array[], times = 1): Promise<void> {
  await guest.script(`
    import { checked, interfaceIndex, sys } from 'file://${LIBC}';
    const fd = checked('socket', sys.socket(17, 3, 0));
    const to = Buffer.alloc(20);
    to.writeUInt16LE(17);
    to.writeInt32LE(interfaceIndex('eth0'), 4);
    const frames = ${JSON.stringify(frames.map((f) => Buffer.from(f).toString('hex')))}.map((hex) => Buffer.from(hex, 'hex'));
    for (let i = 0; i < ${times}; i++)
      for (const frame of frames) checked('send', Number(sys.sendto(fd, frame, frame.length, 0, to, to.length)));
    sys.close(fd);`);
}
