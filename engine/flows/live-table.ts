// Every connection alive, in rows of one block of memory: turns events and dumps into starts, updates and ends,
// each once, whatever events were lost. On a file the table outlives the engine, and with it flows' identity.
import { createHash } from 'node:crypto';
import { FLOW_KINDS, type FlowKind } from '@wocloud/protocol/flow.ts';
import {
  connectionKey,
  COUNTED,
  END,
  BYTES_IN,
  BYTES_OUT,
  FLOW,
  KIND,
  MARK,
  NOTE_DUMPED,
  NOTE_ENDED,
  NOTES,
  PACKETS_IN,
  PACKETS_OUT,
  ROW,
  START,
  TCP_CLOSE,
  TCP_STATE,
  TCP_TIME_WAIT,
  TIME,
} from '../netlink/conntrack-row.ts';
import { connectionTimeout, parseConntrack } from '../netlink/conntrack-message.ts';
import type { RowSink } from './sink.ts';
import type { Tally } from './tally.ts';

const MAGIC = 'wocloud flows 1';
const KINDS = Object.fromEntries(FLOW_KINDS.map((kind, i) => [kind, i])) as Record<FlowKind, number>;

export interface TableOptions {
  sink: Pick<RowSink, 'add'>;
  tally: Tally;
  /** Rows, one more than connections; the first one says whose table it is. */
  bytes: Uint8Array;
  /** Changes when the kernel's connection ids lose their meaning: the boot id and the network namespace. */
  epoch: string;
  /** Seconds a closed TCP connection stays, by its state: what its remaining time is compared with. */
  lingers: { timeWait: number; close: number };
  /** Updates told per dump. */
  maxUpdates?: number;
}

/** Times are µs since the epoch. */
export class LiveTable {
  readonly #o: TableOptions;
  readonly #rows: DataView;
  readonly #capacity: number;
  readonly #slots = new Map<number, number>();
  readonly #free: number[] = [];
  #used = 1;
  /** Number of the last dump that saw the row. */
  readonly #seen: Uint32Array;
  /** Number of the dump that told the row's last update: those told take turns when there are too many. */
  readonly #told: Uint32Array;
  #dump = 1;
  #dumping = false;
  #complete = [0, 0] as [previous: number, last: number];
  #overfull = 0;
  #budget = 0;
  /** Ended while a dump runs: an entry of theirs that is still to come is old news. */
  readonly #ended = new Set<number>();
  readonly #opened: number;
  readonly #scratch = new Uint8Array(ROW);
  readonly #row = new DataView(this.#scratch.buffer);

  constructor(options: TableOptions, now: number) {
    this.#o = options;
    const { bytes } = options;
    this.#rows = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#capacity = Math.floor(bytes.length / ROW);
    this.#seen = new Uint32Array(this.#capacity);
    this.#told = new Uint32Array(this.#capacity);
    this.#opened = now;
    this.#adopt();
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Takes over what a former engine knew, if the kernel is still the same one. */
  #adopt(): void {
    const { bytes, epoch } = this.#o;
    const stamp = createHash('sha256').update(`${MAGIC} ${ROW} ${epoch}`).digest();
    if (!stamp.equals(bytes.subarray(0, stamp.length))) {
      bytes.fill(0);
      bytes.set(stamp);
      return;
    }
    for (let slot = 1; slot < this.#capacity; slot++) {
      const at = slot * ROW;
      if (this.#rows.getUint32(at + FLOW, true) === 0 && this.#rows.getUint32(at + FLOW + 4, true) === 0)
        continue;
      const key = connectionKey(this.#rows, at);
      if (this.#slots.has(key)) {
        this.#rows.setBigUint64(at + FLOW, 0n, true);
        continue;
      }
      this.#slots.set(key, slot);
      this.#used = slot + 1;
    }
    for (let slot = 1; slot < this.#used; slot++)
      if (this.#rows.getBigUint64(slot * ROW + FLOW, true) === 0n) this.#free.push(slot);
  }

  /** A NEW event. */
  started(view: DataView, start: number, end: number, now: number): void {
    if (!this.#parse(view, start, end)) return;
    const key = connectionKey(this.#row, 0);
    const slot = this.#slots.get(key);
    if (slot !== undefined) {
      const notes = this.#rows.getUint8(slot * ROW + NOTES);
      if ((notes & NOTE_DUMPED) !== 0) {
        this.#rows.setUint8(slot * ROW + NOTES, notes & ~NOTE_DUMPED);
        return;
      }
      this.#recover(key, slot, now);
    }
    this.#identify(now);
    this.#row.setUint8(COUNTED, 0);
    this.#insert(key, 0);
    this.#tell(this.#scratch, this.#row, 0, 'start', this.#row.getFloat64(START, true));
  }

  /** A DESTROY event: the last word, with the final counters. */
  destroyed(view: DataView, start: number, end: number, now: number): void {
    if (!this.#parse(view, start, end)) return;
    const row = this.#row;
    const key = connectionKey(row, 0);
    if (this.#dumping) this.#ended.add(key);
    const slot = this.#slots.get(key);
    if (row.getFloat64(END, true) === 0) row.setFloat64(END, now, true);
    if (slot === undefined) {
      this.#identify(now);
      this.#tell(this.#scratch, row, 0, 'end', row.getFloat64(END, true));
      return;
    }
    const at = slot * ROW;
    const known = this.#rows;
    row.setBigUint64(FLOW, known.getBigUint64(at + FLOW, true), true);
    row.setFloat64(START, known.getFloat64(at + START, true), true);
    if (row.getUint32(MARK, true) === 0) row.setUint32(MARK, known.getUint32(at + MARK, true), true);
    if (row.getUint8(COUNTED) === 0) copyCounters(known, at, row, 0);
    const wasTold = (known.getUint8(at + NOTES) & NOTE_ENDED) !== 0;
    if (wasTold) row.setFloat64(END, known.getFloat64(at + END, true), true);
    this.#release(key, slot);
    // Told when it closed; told again only if packets came after that.
    if (!wasTold || !sameCounters(known, at, row, 0)) this.#tell(this.#scratch, row, 0, 'end', now);
  }

  beginDump(): void {
    this.#dump++;
    this.#dumping = true;
    this.#ended.clear();
    this.#budget = this.#o.maxUpdates ?? 50_000;
  }

  /** One entry of a dump. */
  dumped(view: DataView, start: number, end: number, now: number): void {
    if (!this.#parse(view, start, end)) return;
    const row = this.#row;
    const key = connectionKey(row, 0);
    if (this.#ended.has(key)) return;
    const state = row.getUint8(TCP_STATE);
    const closed = state === TCP_TIME_WAIT || state === TCP_CLOSE;
    const slot = this.#slots.get(key);
    if (slot === undefined) {
      const kernelStart = row.getFloat64(START, true);
      this.#identify(now);
      row.setUint8(NOTES, NOTE_DUMPED);
      const isNew = kernelStart >= this.#opened;
      if (isNew) this.#o.tally.add('flows.starts_recovered');
      this.#insert(key, this.#dump);
      this.#tell(this.#scratch, row, 0, isNew ? 'start' : 'update', isNew ? kernelStart : now);
      if (closed) this.#close(this.#slots.get(key), view, start, end, now);
      return;
    }
    this.#seen[slot] = this.#dump;
    const at = slot * ROW;
    const known = this.#rows;
    if ((known.getUint8(at + NOTES) & NOTE_ENDED) !== 0) return;
    const changed = row.getUint8(COUNTED) === 1 && !sameCounters(known, at, row, 0);
    const remarked = row.getUint32(MARK, true) !== known.getUint32(at + MARK, true);
    if (closed) {
      if (row.getUint8(COUNTED) === 1) copyCounters(row, 0, known, at);
      known.setUint32(at + MARK, row.getUint32(MARK, true), true);
      this.#close(slot, view, start, end, now);
      return;
    }
    if (!changed && !remarked) return;
    if (this.#budget <= 0 || (this.#overfull > 0 && this.#told[slot] === this.#overfull)) {
      this.#o.tally.add('flows.updates_deferred');
      return;
    }
    this.#budget--;
    this.#told[slot] = this.#dump;
    copyCounters(row, 0, known, at);
    known.setUint32(at + MARK, row.getUint32(MARK, true), true);
    known.setUint8(at + TCP_STATE, state);
    this.#tell(this.#o.bytes, known, at, 'update', now);
  }

  /** @param complete the kernel told everything: what it did not tell twice running is gone. */
  endDump(complete: boolean, now: number): void {
    this.#dumping = false;
    this.#ended.clear();
    this.#overfull = this.#budget <= 0 ? this.#dump : 0;
    this.#o.tally.add(complete ? 'flows.dumps' : 'flows.dumps_failed');
    if (!complete) return;
    this.#complete = [this.#complete[1], this.#dump];
    const [since] = this.#complete;
    if (since === 0) return;
    for (const [key, slot] of this.#slots) if ((this.#seen[slot] ?? 0) < since) this.#recover(key, slot, now);
  }

  /** An end whose event never came: told with what was last known. */
  #recover(key: number, slot: number, now: number): void {
    const at = slot * ROW;
    if ((this.#rows.getUint8(at + NOTES) & NOTE_ENDED) === 0) {
      this.#o.tally.add('flows.ends_recovered');
      this.#rows.setFloat64(at + END, now, true);
      this.#tell(this.#o.bytes, this.#rows, at, 'end', now);
    }
    this.#release(key, slot);
  }

  /** A TCP connection both sides have finished with. The kernel keeps it for minutes; its end is now. */
  #close(slot: number | undefined, view: DataView, start: number, end: number, now: number): void {
    if (slot === undefined) return;
    const at = slot * ROW;
    const { timeWait, close } = this.#o.lingers;
    const linger = this.#row.getUint8(TCP_STATE) === TCP_TIME_WAIT ? timeWait : close;
    const ago = Math.max(0, linger - (connectionTimeout(view, start, end) ?? linger));
    const ended = Math.max(this.#rows.getFloat64(at + START, true), now - ago * 1e6);
    this.#rows.setFloat64(at + END, ended, true);
    this.#tell(this.#o.bytes, this.#rows, at, 'end', now);
    this.#rows.setUint8(at + NOTES, this.#rows.getUint8(at + NOTES) | NOTE_ENDED);
  }

  #parse(view: DataView, start: number, end: number): boolean {
    if (parseConntrack(view, start, end, this.#row, 0)) return true;
    this.#o.tally.add('flows.malformed');
    return false;
  }

  /** Gives the row in hand its start and its flow id, never 0. */
  #identify(now: number): void {
    const row = this.#row;
    if (row.getFloat64(START, true) === 0) row.setFloat64(START, now, true);
    const start = row.getFloat64(START, true);
    const mix = Math.imul(Math.floor(start / 4294967296), 0x9e3779b1) ^ (start % 4294967296);
    row.setUint32(FLOW, mix === 0 ? 1 : mix, true);
  }

  #insert(key: number, seen: number): void {
    const slot = this.#free.pop() ?? (this.#used < this.#capacity ? this.#used++ : 0);
    if (slot === 0) {
      this.#o.tally.add('flows.table_full');
      return;
    }
    this.#slots.set(key, slot);
    this.#o.bytes.set(this.#scratch, slot * ROW);
    // An event is newer than the dump under way, and may be older than what that dump has still to say.
    this.#seen[slot] = Math.max(seen, this.#dump);
    this.#told[slot] = 0;
  }

  #release(key: number, slot: number): void {
    this.#slots.delete(key);
    this.#rows.setBigUint64(slot * ROW + FLOW, 0n, true);
    this.#free.push(slot);
  }

  #tell(bytes: Uint8Array, view: DataView, at: number, kind: FlowKind, time: number): void {
    view.setUint8(at + KIND, KINDS[kind]);
    view.setFloat64(at + TIME, time, true);
    this.#o.sink.add(bytes, at);
  }
}

function sameCounters(a: DataView, i: number, b: DataView, j: number): boolean {
  return (
    a.getFloat64(i + BYTES_OUT, true) === b.getFloat64(j + BYTES_OUT, true) &&
    a.getFloat64(i + BYTES_IN, true) === b.getFloat64(j + BYTES_IN, true) &&
    a.getFloat64(i + PACKETS_OUT, true) === b.getFloat64(j + PACKETS_OUT, true) &&
    a.getFloat64(i + PACKETS_IN, true) === b.getFloat64(j + PACKETS_IN, true)
  );
}

function copyCounters(from: DataView, i: number, to: DataView, j: number): void {
  for (const field of [PACKETS_OUT, BYTES_OUT, PACKETS_IN, BYTES_IN])
    to.setFloat64(j + field, from.getFloat64(i + field, true), true);
  to.setUint8(j + COUNTED, 1);
}
