// The way of record batches to the platform: numbered, spooled, sent within the window, kept until acknowledged.
import { randomUUID } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { encodeBatch, MAX_BATCH_ROWS, STREAMS, type StreamName } from '@wocloud/protocol/columns.ts';
import { LINK_WINDOW } from '@wocloud/protocol/link.ts';
import { readStateFile, writeStateFile } from '../state-file.ts';
import { Spool } from './spool.ts';

/** Bytes of batches sent and not acknowledged, at most (one batch may always go). */
const MAX_IN_FLIGHT = 16 * 1024 * 1024;

export type Rows = readonly Readonly<Record<string, unknown>>[];

const UUID = /^[0-9a-f-]{36}$/;

interface Position {
  boot: string;
  streams: Record<string, { acked: number; lost: number }>;
}

interface Stream {
  spool: Spool;
  /** Rows discarded so far: told by the caller, or for want of room. */
  lost: number;
  /** Next number to send on this connection. */
  send: number;
  inFlight: Map<number, number>;
}

export class Batches {
  /** Changes when numbering starts anew. */
  readonly boot: string;
  readonly #path: string;
  readonly #streams = new Map<StreamName, Stream>();
  readonly counters = { 'link.batches': 0, 'link.rows': 0, 'link.rowsLost': 0, 'spool.bytes': 0 };
  #transmit: ((frame: Uint8Array) => boolean) | undefined;
  #moved = false;

  constructor(dir: string, maxBytes: number) {
    this.#path = join(dir, 'position.json');
    const position = readPosition(this.#path);
    this.boot = position?.boot ?? randomUUID();
    for (const name of Object.keys(STREAMS) as StreamName[]) {
      const was = position?.streams[name];
      // Without a position the numbers on disk mean nothing: they go to a directory of their own.
      const spool = new Spool(join(dir, this.boot), name, maxBytes, was?.acked ?? 0);
      this.#streams.set(name, { spool, lost: was?.lost ?? 0, send: spool.acked + 1, inFlight: new Map() });
    }
    for (const name of readdirSync(dir))
      if (UUID.test(name) && name !== this.boot) rmSync(join(dir, name), { recursive: true });
    this.#keep();
  }

  /**
   * Takes rows on their way. `lost`: rows the caller had to discard since its last call, before these. What cannot be
   * kept is counted and told to the platform with the next batch.
   */
  add(name: StreamName, rows: Rows, lost = 0): void {
    const stream = this.#of(name);
    this.#lose(stream, lost);
    for (let at = 0; at < rows.length; at += MAX_BATCH_ROWS) {
      const part = rows.slice(at, at + MAX_BATCH_ROWS);
      const frame = encodeBatch(name, part, { sequence: stream.spool.next, lost: stream.lost });
      if (stream.spool.append(frame, part.length)) {
        this.counters['link.batches']++;
        this.counters['link.rows'] += part.length;
      } else this.#lose(stream, part.length);
    }
    this.#count();
    this.pump();
  }

  /** A connection is there: send what is not acknowledged. `transmit` answers false when it can take no more now. */
  connected(transmit: (frame: Uint8Array) => boolean): void {
    this.#transmit = transmit;
    for (const stream of this.#streams.values()) {
      stream.send = stream.spool.acked + 1;
      stream.inFlight.clear();
    }
    this.pump();
  }

  disconnected(): void {
    this.#transmit = undefined;
  }

  acknowledge(name: string, sequence: number): void {
    const stream = this.#streams.get(name as StreamName);
    if (!stream) return;
    stream.spool.ack(sequence);
    stream.send = Math.max(stream.send, stream.spool.acked + 1);
    for (const number of stream.inFlight.keys())
      if (number <= stream.spool.acked) stream.inFlight.delete(number);
    this.#moved = true;
    this.#count();
    this.pump();
  }

  /** Sends what the window allows. */
  pump(): void {
    for (const stream of this.#streams.values()) {
      while (this.#transmit && stream.inFlight.size < LINK_WINDOW) {
        const bytes = [...stream.inFlight.values()].reduce((sum, n) => sum + n, 0);
        if (bytes > MAX_IN_FLIGHT) break;
        const frame = stream.spool.read(stream.send);
        if (!frame) break;
        stream.inFlight.set(stream.send++, frame.length);
        if (!this.#transmit(frame)) return;
      }
    }
  }

  /**
   * Keeps how far the platform is, and deletes what it has. To be called about every second: an acknowledgment that
   * is not kept costs a batch sent twice, which the platform counts once.
   */
  tidy(): void {
    if (!this.#moved) return;
    this.#keep();
    this.#count();
  }

  /** Rows on disk or under way. */
  get pending(): number {
    return [...this.#streams.values()].reduce((sum, s) => sum + s.spool.rows, 0);
  }

  close(): void {
    this.#keep();
    for (const { spool } of this.#streams.values()) spool.close();
  }

  #of(name: StreamName): Stream {
    return this.#streams.get(name) as Stream;
  }

  #lose(stream: Stream, rows: number): void {
    stream.lost += rows;
    this.counters['link.rowsLost'] += rows;
  }

  #count(): void {
    this.counters['spool.bytes'] = [...this.#streams.values()].reduce((sum, s) => sum + s.spool.bytes, 0);
  }

  #keep(): void {
    const streams = [...this.#streams].map(([name, s]) => [name, { acked: s.spool.acked, lost: s.lost }]);
    const position: Position = {
      boot: this.boot,
      streams: Object.fromEntries(streams) as Position['streams'],
    };
    writeStateFile(this.#path, JSON.stringify(position));
    for (const { spool } of this.#streams.values()) spool.prune();
    this.#moved = false;
  }
}

function readPosition(path: string): Position | undefined {
  try {
    const value = JSON.parse(readStateFile(path) ?? 'null') as Position | null;
    return value && typeof value.boot === 'string' && typeof value.streams === 'object' ? value : undefined;
  } catch {
    return undefined;
  }
}
