// The answer to a rejected packet, for networks on which the host has no route back: a TCP reset, or an ICMP error.
// It comes from the address that was asked, so that nothing of the host appears on the guests' network.

const IP4 = 0x0800;
const IP6 = 0x86dd;
/** Octets of the refused packet an ICMP error quotes. */
const QUOTE = 96;

function checksum(...parts: readonly Uint8Array[]): number {
  const data = Buffer.concat(parts);
  let total = 0;
  for (let i = 0; i < data.length; i += 2) total += ((data[i] ?? 0) << 8) | (data[i + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return ~total & 0xffff;
}

interface Refused {
  six: boolean;
  source: Buffer;
  destination: Buffer;
  protocol: number;
  body: Buffer;
  /** Payload length as the header says it: the log may carry less. */
  length: number;
}

/** Null for what cannot be answered: fragments, extension headers, group or unspecified addresses, truncated headers. */
function readRefused(type: number, packet: Buffer): Refused | null {
  if (type === IP4 && packet.length >= 20 && (packet[0] ?? 0) >> 4 === 4) {
    const header = ((packet[0] ?? 0) & 15) * 4;
    const total = packet.readUInt16BE(2);
    if (header < 20 || total < header || packet.length < header) return null;
    if ((packet.readUInt16BE(6) & 0x3fff) !== 0) return null;
    const [source, destination] = [packet.subarray(12, 16), packet.subarray(16, 20)];
    if ((source[0] ?? 0) >= 224 || (destination[0] ?? 0) >= 224 || source.readUInt32BE(0) === 0) return null;
    const body = packet.subarray(header);
    return { six: false, source, destination, protocol: packet[9] ?? 0, body, length: total - header };
  }
  if (type === IP6 && packet.length >= 40 && (packet[0] ?? 0) >> 4 === 6) {
    const [source, destination] = [packet.subarray(8, 24), packet.subarray(24, 40)];
    if (source[0] === 0xff || destination[0] === 0xff || source.every((b) => b === 0)) return null;
    const body = packet.subarray(40);
    return { six: true, source, destination, protocol: packet[6] ?? 0, body, length: packet.readUInt16BE(4) };
  }
  return null;
}

/**
 * `ethernet`: the 14 octets of the refused frame; `packet`: its IP packet (128 octets are enough). Returns the frame
 * to put on the sender's tap, or null when none may be sent: resets and ICMP errors are never answered.
 */
export function refusalFrame(ethernet: Buffer, packet: Buffer): Buffer | null {
  if (ethernet.length !== 14 || ((ethernet[0] ?? 0) & 1) === 1 || ((ethernet[6] ?? 0) & 1) === 1) return null;
  const type = ethernet.readUInt16BE(12);
  const refused = readRefused(type, packet);
  if (!refused) return null;
  const answer = refused.protocol === 6 ? reset(refused) : unreachable(refused, packet);
  if (!answer) return null;
  const head = Buffer.concat([ethernet.subarray(6, 12), ethernet.subarray(0, 6), ethernet.subarray(12, 14)]);
  return Buffer.concat([head, ipHeader(refused, answer.protocol, answer.body.length), answer.body]);
}

function reset(refused: Refused): { protocol: number; body: Buffer } | null {
  const { body, length } = refused;
  if (body.length < 20) return null;
  const flags = body[13] ?? 0;
  if ((flags & 4) !== 0) return null;
  const out = Buffer.alloc(20);
  body.copy(out, 0, 2, 4);
  body.copy(out, 2, 0, 2);
  out[12] = 0x50;
  if ((flags & 16) !== 0) {
    body.copy(out, 4, 8, 12);
    out[13] = 4;
  } else {
    const data = length - ((body[12] ?? 0) >> 4) * 4;
    const occupied = Math.max(0, data) + ((flags & 2) !== 0 ? 1 : 0) + (flags & 1);
    out.writeUInt32BE((body.readUInt32BE(4) + occupied) >>> 0, 8);
    out[13] = 4 | 16;
  }
  out.writeUInt16BE(checksum(pseudo(refused, 6, out.length), out), 16);
  return { protocol: 6, body: out };
}

function unreachable(refused: Refused, packet: Buffer): { protocol: number; body: Buffer } | null {
  const { six, protocol, body } = refused;
  const type = body[0] ?? 0;
  const isError = six ? protocol === 58 && type < 128 : protocol === 1 && ![0, 8, 13, 14].includes(type);
  if (isError) return null;
  const out = Buffer.concat([Buffer.alloc(8), packet.subarray(0, QUOTE)]);
  [out[0], out[1]] = six ? [1, 1] : [3, 13];
  const cover = six ? [pseudo(refused, 58, out.length)] : [];
  out.writeUInt16BE(checksum(...cover, out), 2);
  return { protocol: six ? 58 : 1, body: out };
}

function pseudo({ six, source, destination }: Refused, protocol: number, length: number): Buffer {
  const tail = Buffer.alloc(six ? 8 : 4);
  tail.writeUInt16BE(length, 2);
  tail[six ? 7 : 1] = protocol;
  return Buffer.concat([destination, source, tail]);
}

function ipHeader({ six, source, destination }: Refused, protocol: number, length: number): Buffer {
  const head = Buffer.alloc(six ? 40 : 20);
  if (six) {
    head[0] = 0x60;
    head.writeUInt16BE(length, 4);
    [head[6], head[7]] = [protocol, 64];
    destination.copy(head, 8);
    source.copy(head, 24);
    return head;
  }
  head[0] = 0x45;
  head.writeUInt16BE(20 + length, 2);
  [head[8], head[9]] = [64, protocol];
  destination.copy(head, 12);
  source.copy(head, 16);
  head.writeUInt16BE(checksum(head), 10);
  return head;
}
