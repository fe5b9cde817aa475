// Frames on a virtio-serial channel: a byte stream that outlives the programs at its two ends, so that a reader may begin
// in the middle of anything. The parser is fed bytes in any cut, never throws, keeps at most one frame, finds the next
// good one after garbage, and counts what it passed over.
import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';

const MAGIC = Buffer.from('WOCF');
const VERSION = 1;
/** magic 4, version 1, type 1, zero 2, guest's nonce 4, host's nonce 4, length 4, CRC of the payload 4, of the header 4 */
export const HEADER_BYTES = 28;
export const MAX_FRAME_BYTES = 1024 * 1024;
export const MAX_PAYLOAD_BYTES = MAX_FRAME_BYTES - HEADER_BYTES;

export const FRAME_TYPES = ['hello', 'welcome', 'reset', 'heartbeat', 'data'] as const;
export type FrameType = (typeof FRAME_TYPES)[number];

export interface Frame {
  type: FrameType;
  /** What each side drew for this session; 0 where it is not known yet. */
  guest: number;
  host: number;
  /** A view of the reader's memory: valid only while the frame is being handled. */
  payload: Uint8Array;
}

/** @throws RangeError when the payload is longer than MAX_PAYLOAD_BYTES */
export function encodeFrame(frame: Frame): Uint8Array {
  const { payload } = frame;
  if (payload.length > MAX_PAYLOAD_BYTES) throw new RangeError(`a frame of ${payload.length} bytes`);
  const bytes = Buffer.alloc(HEADER_BYTES + payload.length);
  MAGIC.copy(bytes);
  bytes[4] = VERSION;
  bytes[5] = FRAME_TYPES.indexOf(frame.type) + 1;
  bytes.writeUInt32LE(frame.guest, 8);
  bytes.writeUInt32LE(frame.host, 12);
  bytes.writeUInt32LE(payload.length, 16);
  bytes.writeUInt32LE(crc32(payload), 20);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 24)), 24);
  bytes.set(payload, HEADER_BYTES);
  return bytes;
}

/** A frame that is not complete after this many ticks is given up: whoever wrote its beginning is gone. */
const PATIENCE = 3;
const FIRST_CAPACITY = 16 * 1024;
/**
 * A frame whose payload is damaged is searched for frames inside it, which costs its CRC again for each that is found.
 * This much work comes with each byte, and may be saved up: what is beyond is passed over unsearched.
 */
const WORK_PER_BYTE = 2;
const MAX_WORK = 4 * MAX_FRAME_BYTES;

export class FrameReader {
  /** `garbage`: bytes that belong to no good frame. `damaged`: frames whose payload was not what was sent. */
  readonly counters = { frames: 0, garbage: 0, damaged: 0 };
  readonly #take: (frame: Frame) => void;
  #bytes = Buffer.allocUnsafe(FIRST_CAPACITY);
  #start = 0;
  #end = 0;
  #work = MAX_WORK;
  /** Ticks since the frame at the beginning of the buffer is being waited for. */
  #waited = 0;

  constructor(take: (frame: Frame) => void) {
    this.#take = take;
  }

  /** Bytes of memory kept. */
  get capacity(): number {
    return this.#bytes.length;
  }

  push(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length;) {
      const room = this.#makeRoom();
      const part = chunk.subarray(at, at + room);
      this.#bytes.set(part, this.#end);
      this.#end += part.length;
      at += part.length;
      this.#work = Math.min(MAX_WORK, this.#work + part.length * WORK_PER_BYTE);
      this.#parse();
    }
  }

  /** To be called about once a second. */
  tick(): void {
    if (this.#end === this.#start && this.#bytes.length > FIRST_CAPACITY)
      this.#bytes = Buffer.allocUnsafe(FIRST_CAPACITY);
    if (this.#end - this.#start < HEADER_BYTES || ++this.#waited <= PATIENCE) return;
    this.#skip(1);
    this.#parse();
  }

  /** Forgets what is buffered: the next byte begins another stream. */
  reset(): void {
    this.counters.garbage += this.#end - this.#start;
    this.#start = this.#end = 0;
    this.#waited = 0;
  }

  /** Space behind the end, at least one byte: what is waited for fits in a frame, and a frame in the buffer. */
  #makeRoom(): number {
    const held = this.#end - this.#start;
    if (this.#end === this.#bytes.length) {
      const wanted = Math.min(MAX_FRAME_BYTES, Math.max(FIRST_CAPACITY, this.#awaited()));
      const next = wanted > this.#bytes.length ? Buffer.allocUnsafe(wanted) : this.#bytes;
      next.set(this.#bytes.subarray(this.#start, this.#end));
      this.#bytes = next;
      this.#start = 0;
      this.#end = held;
    }
    return this.#bytes.length - this.#end;
  }

  /** Length of the frame at the beginning, once its header is there. */
  #awaited(): number {
    return this.#end - this.#start < HEADER_BYTES
      ? HEADER_BYTES
      : HEADER_BYTES + this.#bytes.readUInt32LE(this.#start + 16);
  }

  #parse(): void {
    while (this.#findMagic()) {
      if (this.#end - this.#start < HEADER_BYTES) return;
      const header = this.#bytes.subarray(this.#start, this.#start + HEADER_BYTES);
      const type = readHeader(header);
      if (type === undefined) {
        this.#skip(1);
        continue;
      }
      const total = this.#awaited();
      if (this.#end - this.#start < total) return;
      const payload = this.#bytes.subarray(this.#start + HEADER_BYTES, this.#start + total);
      this.#work -= payload.length;
      if (crc32(payload) !== header.readUInt32LE(20)) {
        this.counters.damaged++;
        this.#skip(this.#work > 0 ? 1 : total);
        continue;
      }
      this.#start += total;
      this.#waited = 0;
      this.counters.frames++;
      this.#take({ type, guest: header.readUInt32LE(8), host: header.readUInt32LE(12), payload });
    }
  }

  /** Moves to the next magic, or to what may be the beginning of one. False when nothing is left. */
  #findMagic(): boolean {
    if (this.#end === this.#start) {
      this.#start = this.#end = 0;
      return false;
    }
    const held = this.#bytes.subarray(this.#start, this.#end);
    let at = held.indexOf(MAGIC);
    if (at < 0) {
      at = held.length;
      for (let tail = Math.min(MAGIC.length - 1, held.length); tail > 0; tail--)
        if (held.subarray(held.length - tail).equals(MAGIC.subarray(0, tail))) {
          at = held.length - tail;
          break;
        }
    }
    if (at > 0) this.#skip(at);
    return this.#end > this.#start;
  }

  #skip(bytes: number): void {
    this.counters.garbage += bytes;
    this.#start += bytes;
    this.#waited = 0;
  }
}

/** The type of the frame a header announces; undefined when it is none of ours or damaged. */
function readHeader(header: Buffer): FrameType | undefined {
  if (header.readUInt32LE(24) !== crc32(header.subarray(0, 24))) return undefined;
  if (header[4] !== VERSION || header.readUInt32LE(16) > MAX_PAYLOAD_BYTES) return undefined;
  return FRAME_TYPES[(header[5] ?? 0) - 1];
}
