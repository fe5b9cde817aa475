/**
 * libvirt's packets: a length that counts itself, a header of six words, a payload. The parser is fed bytes as
 * they come and hands out whole packets; it does no I/O and keeps at most one packet's bytes.
 */
import { ProtocolError } from './errors.ts';
import type { Codec } from './codec.ts';
import { XdrWriter } from './xdr.ts';

/** Length word and header. */
export const HEADER_BYTES = 28;

/** VIR_NET_MESSAGE_MAX and the length word, which it does not count. */
export const FRAME_MAX = 33_554_432 + 4;

export const FrameType = {
  call: 0,
  reply: 1,
  message: 2,
  stream: 3,
  callWithFds: 4,
  replyWithFds: 5,
  streamHole: 6,
} as const;

export const FrameStatus = { ok: 0, error: 1, continue: 2 } as const;

export interface FrameHeader {
  /** Which set of procedures, e.g. REMOTE_PROGRAM. */
  readonly program: number;
  readonly version: number;
  readonly procedure: number;
  /** One of FrameType. */
  readonly type: number;
  /** Ties replies and stream data to the call; 0 in events. */
  readonly serial: number;
  /** One of FrameStatus. */
  readonly status: number;
}

export interface Frame extends FrameHeader {
  /** A view, valid for as long as it is kept; may share memory with the bytes that were fed. */
  readonly payload: Buffer;
}

/** Turns a byte stream into packets. Once it has thrown, it throws the same again: the stream has no next packet. */
export class FrameParser {
  readonly #max: number;
  #chunks: Buffer[] = [];
  #pending = 0;
  /** Bytes until the packet in progress is whole; while its length is unknown, until the length word is. */
  #needed = 4;
  #failed: ProtocolError | undefined;

  constructor(max = FRAME_MAX) {
    this.#max = max;
  }

  /** Bytes held of a packet that is not whole yet. */
  get pending(): number {
    return this.#pending;
  }

  /**
   * Takes the next bytes and gives the packets they complete, one by one as they are asked for; throws ProtocolError
   * where the first malformed one begins. Whoever stops asking early finds the rest kept for the next bytes.
   */
  *push(chunk: Buffer): Generator<Frame, void, undefined> {
    if (this.#failed !== undefined) throw this.#failed;
    let bytes = chunk;
    if (this.#pending > 0) {
      this.#chunks.push(chunk);
      this.#pending += chunk.length;
      if (this.#pending < this.#needed) return;
      bytes = Buffer.concat(this.#chunks, this.#pending);
      this.#chunks = [];
      this.#pending = 0;
    }
    let at = 0;
    let needed = 4;
    try {
      while (bytes.length - at >= 4) {
        const length = this.#length(bytes, at);
        if (bytes.length - at < length) {
          needed = length;
          break;
        }
        const packet = bytes.subarray(at, at + length);
        at += length;
        yield parse(packet);
      }
    } catch (error) {
      at = bytes.length;
      if (error instanceof ProtocolError) this.#failed = error;
      throw error;
    } finally {
      this.#hold(bytes.subarray(at), needed);
    }
  }

  #length(bytes: Buffer, at: number): number {
    const length = bytes.readUInt32BE(at);
    if (length < HEADER_BYTES)
      throw new ProtocolError('malformed', `packet of ${length} bytes is shorter than its header`);
    if (length > this.#max)
      throw new ProtocolError('too-large', `packet of ${length} bytes, at most ${this.#max}`);
    return length;
  }

  #hold(rest: Buffer, needed: number): void {
    this.#needed = needed;
    if (rest.length === 0) return;
    this.#chunks = [rest];
    this.#pending = rest.length;
  }
}

function parse(bytes: Buffer): Frame {
  const type = bytes.readUInt32BE(16);
  const status = bytes.readUInt32BE(24);
  if (type > FrameType.streamHole) throw new ProtocolError('malformed', `packet of unknown type ${type}`);
  if (status > FrameStatus.continue)
    throw new ProtocolError('malformed', `packet of unknown status ${status}`);
  return {
    program: bytes.readUInt32BE(4),
    version: bytes.readUInt32BE(8),
    procedure: bytes.readInt32BE(12),
    type,
    serial: bytes.readUInt32BE(20),
    status,
    payload: bytes.subarray(HEADER_BYTES),
  };
}

function writeHeader(bytes: Buffer, header: FrameHeader): Buffer {
  if (bytes.length > FRAME_MAX)
    throw new ProtocolError('too-large', `packet of ${bytes.length} bytes, at most ${FRAME_MAX}`);
  bytes.writeUInt32BE(bytes.length, 0);
  bytes.writeUInt32BE(header.program, 4);
  bytes.writeUInt32BE(header.version, 8);
  bytes.writeInt32BE(header.procedure, 12);
  bytes.writeUInt32BE(header.type, 16);
  bytes.writeUInt32BE(header.serial, 20);
  bytes.writeUInt32BE(header.status, 24);
  return bytes;
}

/** A whole packet with an encoded payload. */
export function encodeFrame<T>(header: FrameHeader, codec: Codec<T>, value: T): Buffer {
  const writer = new XdrWriter(HEADER_BYTES);
  codec.encode(writer, value);
  return writeHeader(writer.finish(), header);
}

/** A whole packet with these bytes as its payload, as streams and empty messages have. */
export function rawFrame(header: FrameHeader, payload?: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(HEADER_BYTES + (payload?.length ?? 0));
  if (payload !== undefined) bytes.set(payload, HEADER_BYTES);
  return writeHeader(bytes, header);
}
