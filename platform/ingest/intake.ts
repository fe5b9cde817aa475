// Batches of one stream from links: each counts once, in order, whatever is sent again. Keeps how far every host's
// stream is durable, across restarts of either side.
import type { Batch, StreamName } from '@wocloud/protocol/columns.ts';
import type { Counter } from 'prom-client';
import type { Context } from '../context.ts';
import { literal } from '../telemetry/literal.ts';
import type { Telemetry } from '../telemetry/store.ts';
import type { Directory, DirectoryVm } from '../vms/directory.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { columnOf } from './columns.ts';
import { identify, type Identify } from './identify.ts';
import { dayOf, selectRows } from './select.ts';
import { Writer, type Pending } from './writer.ts';

export interface BlockOrigin {
  host: string;
  boot: string;
  /** µs since the epoch. */
  now: number;
}

/** A batch as the store takes it. */
export interface Block {
  batch: Batch;
  /** One Native block. */
  bytes: Uint8Array;
  /** Per row: the VM at either end, where known. */
  source: readonly (DirectoryVm | undefined)[];
  destination: readonly (DirectoryVm | undefined)[];
  /** Rows whose time was not credible and was replaced by the time of arrival. */
  clocked: number;
}

/** What one stream's batches become. */
export interface Source<B extends Block> {
  stream: StreamName;
  table: string;
  columns: readonly string[];
  block(batch: Batch, origin: BlockOrigin, ends: Identify): B;
  counters: Record<'received' | 'stored' | 'refused' | 'foreign' | 'clocked', Counter>;
}

export interface Intake<B extends Block = Block> {
  stream: StreamName;
  /** A host says hello: returns the last sequence that is durable of this boot (0: none). */
  open(host: string, boot: string): Promise<number>;
  /**
   * A batch. Returns the durable sequence to acknowledge when it is an old one; otherwise `durable` is called
   * when it is on disk.
   */
  take(host: string, boot: string, batch: Batch): number | undefined;
  /** Listens for batches that became durable. Returns its undo. */
  onDurable(listener: (host: string, boot: string, sequence: number) => void): () => void;
  /** Listens for records as they arrive, before they are durable: for live views. Returns its undo. */
  onArrival(listener: (host: string, block: B) => void): () => void;
  /** Listens for records a host had to give up. Returns its undo. */
  onLost(listener: (host: string, lost: number) => void): () => void;
  close(): Promise<void>;
}

/** The intake of each stream, as a link sees it. */
export type Intakes = Readonly<Record<StreamName, Pick<Intake, 'stream' | 'open' | 'take' | 'onDurable'>>>;

interface Stream {
  boot: string;
  durable: number;
  /** Highest sequence taken; undefined until the first batch after opening. */
  received: number | undefined;
  /** Days in the store by sequence, of batches that may be sent again. */
  present: Map<number, Set<string>>;
  lost: number;
  lostUnsaved: number;
  saved: number;
}

const SAVE_MS = 20_000;
const NOTHING: ReadonlySet<string> = new Set();

export function openIntake<B extends Block>(
  context: Context,
  deps: { telemetry: Telemetry; directory: Directory; metrics: Metrics },
  source: Source<B>,
): Intake<B> {
  const { db, log } = context;
  const { telemetry, directory, metrics } = deps;
  const { stream: name, table, counters } = source;
  const streams = new Map<string, Stream>();
  const durableListeners = new Set<(host: string, boot: string, sequence: number) => void>();
  const arrivalListeners = new Set<(host: string, block: B) => void>();
  const lostListeners = new Set<(host: string, lost: number) => void>();

  const settled = ({ host, boot, sequence }: Pending) => {
    const stream = streams.get(host);
    if (stream?.boot === boot) stream.durable = Math.max(stream.durable, sequence);
    for (const listener of durableListeners) listener(host, boot, sequence);
  };
  const writer = new Writer({
    telemetry,
    log,
    table,
    columns: source.columns,
    durable(batch) {
      counters.stored.inc(batch.rows);
      settled(batch);
    },
    refused(batch, error) {
      log.error(
        { err: error, host: batch.host, table, sequence: batch.sequence },
        'the store refuses a batch',
      );
      counters.refused.inc(batch.rows);
      for (const listener of lostListeners) listener(batch.host, batch.rows);
      settled(batch);
    },
    inserted(_rows, took) {
      metrics.insertSeconds.observe(took / 1000);
    },
  });

  const save = async () => {
    for (const [host, stream] of streams) {
      if (stream.durable === stream.saved && stream.lostUnsaved === 0) continue;
      const { boot, durable, lostUnsaved } = stream;
      await db.query(
        `UPDATE streams SET sequence = $4, lost = lost + $5, at = now()
         WHERE host = $1 AND stream = $2 AND boot = $3`,
        [host, name, boot, durable, lostUnsaved],
      );
      stream.saved = durable;
      stream.lostUnsaved -= lostUnsaved;
    }
  };
  const timer = setInterval(() => {
    save().catch((error: unknown) => log.warn({ err: error }, 'progress of streams could not be saved'));
  }, SAVE_MS);
  timer.unref();

  return {
    stream: name,

    async open(host, boot) {
      const known = streams.get(host);
      if (known?.boot === boot) return known.durable;
      const row = await db.one<{ boot: string; sequence: number; at: Date }>(
        `INSERT INTO streams AS s (host, stream, boot, sequence, at) VALUES ($1, $2, $3, 0, now())
         ON CONFLICT (host, stream) DO UPDATE SET boot = $3, at = CASE WHEN s.boot = $3 THEN s.at ELSE now() END,
           sequence = CASE WHEN s.boot = $3 THEN s.sequence ELSE 0 END
         RETURNING boot, sequence, at`,
        [host, name, boot],
      );
      const durable = row?.sequence ?? 0;
      const stream: Stream = {
        boot,
        durable,
        received: undefined,
        present: await presentSince(telemetry, table, { host, boot }, durable, row?.at ?? new Date()),
        lost: 0,
        lostUnsaved: 0,
        saved: durable,
      };
      streams.set(host, stream);
      return durable;
    },

    take(host, boot, batch) {
      const stream = streams.get(host);
      if (stream?.boot !== boot) throw new Error('a batch before its stream was opened');
      const { sequence } = batch;
      if (sequence <= stream.durable) {
        metrics.batchesDuplicate.inc();
        return stream.durable;
      }
      if (stream.received !== undefined && sequence <= stream.received) {
        metrics.batchesDuplicate.inc();
        return undefined;
      }
      if (stream.received !== undefined && sequence > stream.received + 1) {
        metrics.batchGaps.inc(sequence - stream.received - 1);
        log.warn({ host, stream: name, sequence, expected: stream.received + 1 }, 'a host skipped batches');
      }
      stream.received = sequence;
      if (batch.lost > stream.lost) {
        const more = batch.lost - stream.lost;
        stream.lost = batch.lost;
        stream.lostUnsaved += more;
        metrics.recordsLost.inc(more);
        for (const listener of lostListeners) listener(host, more);
      }
      counters.received.inc(batch.count);
      const ends = identify(directory, host);
      const origin = { host, boot, now: Date.now() * 1000 };
      const block = source.block(batch, origin, ends);
      counters.foreign.inc(ends.refused());
      counters.clocked.inc(block.clocked);
      const present = stream.present.get(sequence) ?? NOTHING;
      stream.present.delete(sequence);
      for (const listener of arrivalListeners) listener(host, block);
      writer.add({
        host,
        boot,
        sequence,
        rows: batch.count,
        present,
        block: (except) => {
          if (batch.count === 0) return new Uint8Array();
          if (except.size === 0) return block.bytes;
          const rest = withoutDays(batch, except);
          return rest.count === 0 ? new Uint8Array() : source.block(rest, origin, ends).bytes;
        },
      });
      return undefined;
    },

    onDurable: (listener) => subscribe(durableListeners, listener),
    onArrival: (listener) => subscribe(arrivalListeners, listener),
    onLost: (listener) => subscribe(lostListeners, listener),
    async close() {
      clearInterval(timer);
      await writer.close();
      await save().catch(() => undefined);
    },
  };
}

function subscribe<T>(set: Set<T>, listener: T): () => void {
  set.add(listener);
  return () => void set.delete(listener);
}

function withoutDays(batch: Batch, days: ReadonlySet<string>): Batch {
  const times = columnOf(batch, 'time');
  const view = new DataView(times.buffer, times.byteOffset, times.byteLength);
  const keep = new Uint8Array(batch.count);
  for (let i = 0; i < batch.count; i++) keep[i] = days.has(dayOf(view.getFloat64(i * 8, true))) ? 0 : 1;
  return selectRows(batch, keep);
}

/** What the store has of batches after `durable`: they may have been stored without anyone having heard of it. */
async function presentSince(
  telemetry: Telemetry,
  table: string,
  { host, boot }: { host: string; boot: string },
  durable: number,
  at: Date,
): Promise<Map<number, Set<string>>> {
  const rows = await telemetry.rows<{ sequence: number; day: string }>(
    `SELECT sequence, toString(toDate(time)) AS day FROM ${table}
     WHERE ingested >= ${literal.seconds(at.getTime() - 60_000)} AND host = ${literal.text(host)}
       AND boot = ${literal.text(boot)} AND sequence > ${literal.integer(durable)}
     GROUP BY sequence, day`,
  );
  const present = new Map<number, Set<string>>();
  for (const { sequence, day } of rows) present.set(sequence, (present.get(sequence) ?? new Set()).add(day));
  return present;
}
