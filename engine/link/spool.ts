// Batches of one stream on disk until the platform says they are durable: numbered without gaps, bounded, and still
// there after the engine was killed. What does not fit is not taken; the caller counts it.
import {
  closeSync,
  ftruncateSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  unlinkSync,
  writevSync,
} from 'node:fs';
import { join } from 'node:path';

const HEADER = 16;
const SEGMENT_BYTES = 8 * 1024 * 1024;

interface Segment {
  path: string;
  file: number;
  first: number;
  /** Bytes written. */
  size: number;
}
interface Entry {
  segment: Segment;
  offset: number;
  length: number;
  rows: number;
}

export class Spool {
  readonly #dir: string;
  readonly #stream: string;
  readonly #maxBytes: number;
  readonly #segments: Segment[] = [];
  /** Entries of sequences `#acked + 1` … `#next - 1`. */
  #entries: Entry[] = [];
  #acked: number;
  #next: number;
  #bytes = 0;

  /** Opens the stream's files; `acked` is what is known to be durable from before. */
  constructor(dir: string, stream: string, maxBytes: number, acked: number) {
    this.#dir = dir;
    this.#stream = stream;
    this.#maxBytes = maxBytes;
    this.#acked = acked;
    this.#next = acked + 1;
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(dir).sort()) {
      const first = Number(new RegExp(`^${stream}-(\\d{16})\\.seg$`).exec(name)?.[1] ?? NaN);
      if (Number.isSafeInteger(first)) this.#load(join(dir, name), first);
    }
    this.#forget();
  }

  /** Number of the next batch. */
  get next(): number {
    return this.#next;
  }
  get acked(): number {
    return this.#acked;
  }
  /** Bytes on disk. */
  get bytes(): number {
    return this.#bytes;
  }
  /** Rows not yet known to be durable. */
  get rows(): number {
    return this.#entries.reduce((sum, e) => sum + e.rows, 0);
  }

  /** Keeps a batch, which must carry the number `next`. False when there is no room: then it was not kept. */
  append(frame: Uint8Array, rows: number): boolean {
    if (this.#bytes + HEADER + frame.length > this.#maxBytes) return false;
    const last = this.#segments.at(-1);
    const segment = last && last.size < SEGMENT_BYTES ? last : this.#create(this.#next);
    const header = Buffer.alloc(HEADER);
    header.writeUInt32LE(frame.length, 0);
    header.writeUInt32LE(rows, 4);
    header.writeDoubleLE(this.#next, 8);
    writevSync(segment.file, [header, frame], segment.size);
    this.#entries.push({ segment, offset: segment.size + HEADER, length: frame.length, rows });
    segment.size += HEADER + frame.length;
    this.#bytes += HEADER + frame.length;
    this.#next++;
    return true;
  }

  /** A batch that is not acknowledged yet; undefined beyond the last. */
  read(sequence: number): Uint8Array | undefined {
    const entry = this.#entries[sequence - this.#acked - 1];
    if (!entry) return undefined;
    const frame = Buffer.allocUnsafe(entry.length);
    if (readSync(entry.segment.file, frame, 0, entry.length, entry.offset) !== entry.length)
      throw new Error(`${entry.segment.path}: shorter than it was written`);
    return frame;
  }

  /** Everything up to and including `sequence` is durable elsewhere. An acknowledgment out of range is ignored. */
  ack(sequence: number): void {
    if (!(sequence > this.#acked && sequence < this.#next)) return;
    this.#entries = this.#entries.slice(sequence - this.#acked);
    this.#acked = sequence;
  }

  /** Deletes files that hold nothing but acknowledged batches. Call once the position is kept. */
  prune(): void {
    this.#forget();
  }

  close(): void {
    for (const segment of this.#segments) closeSync(segment.file);
    this.#segments.length = 0;
  }

  #create(first: number): Segment {
    const path = join(this.#dir, `${this.#stream}-${String(first).padStart(16, '0')}.seg`);
    const segment = { path, file: openSync(path, 'w+', 0o600), first, size: 0 };
    this.#segments.push(segment);
    return segment;
  }

  /** Reads a file's index; a record that a crash cut short ends it. */
  #load(path: string, first: number): void {
    const file = openSync(path, 'r+');
    const segment: Segment = { path, file, first, size: 0 };
    const total = fstatSync(file).size;
    const header = Buffer.alloc(HEADER);
    let expected = first;
    while (segment.size + HEADER <= total) {
      readSync(file, header, 0, HEADER, segment.size);
      const length = header.readUInt32LE(0);
      if (header.readDoubleLE(8) !== expected || segment.size + HEADER + length > total) break;
      const entry = { segment, offset: segment.size + HEADER, length, rows: header.readUInt32LE(4) };
      if (expected > this.#acked && expected === this.#next) {
        this.#entries.push(entry);
        this.#next++;
      }
      segment.size += HEADER + length;
      expected++;
    }
    ftruncateSync(file, segment.size);
    this.#segments.push(segment);
    this.#bytes += segment.size;
  }

  #forget(): void {
    const oldest = this.#entries[0]?.segment;
    while (this.#segments.length > 0 && this.#segments[0] !== oldest) {
      const segment = this.#segments[0] as Segment;
      this.#segments.shift();
      closeSync(segment.file);
      unlinkSync(segment.path);
      this.#bytes -= segment.size;
    }
  }
}
