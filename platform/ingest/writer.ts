// Batches on their way into the store: what has gathered is one insert, in the order it came, and nobody hears "durable"
// before it is. When an insert's fate is unknown (the store died), the store is asked what it has.
import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import { setTimeout as delay } from 'node:timers/promises';
import { PlatformError } from '../errors.ts';
import type { Telemetry } from '../telemetry/store.ts';
import { literal } from '../telemetry/literal.ts';

export interface Pending {
  host: string;
  boot: string;
  sequence: number;
  rows: number;
  /** The Native block; `except`: without the rows of these days (they are there already). Empty: nothing to insert. */
  block(except: ReadonlySet<string>): Uint8Array;
  /** Days (YYYY-MM-DD, UTC) already in the store when the batch was sent again after a restart. */
  present: ReadonlySet<string>;
}

export interface WriterOptions {
  telemetry: Telemetry;
  log: Logger;
  /** Where the blocks go, and the columns they have. */
  table: string;
  columns: readonly string[];
  /** Called in order for each batch that is on disk. */
  durable(batch: Pending): void;
  /** Called when the store refuses a batch for good: its records are lost. */
  refused(batch: Pending, error: unknown): void;
  /** Called after each insert with its rows and ms. */
  inserted(rows: number, took: number): void;
}

/** Small inserts make small parts: at most this many ms apart, unless much has gathered. */
const PACE_MS = 150;
const HURRY_ROWS = 40_000;
const GROUP_ROWS = 400_000;
const GROUP_BATCHES = 512;
const RETRY_MS = 200;
const NOTHING: ReadonlySet<string> = new Set();

export class Writer {
  readonly #options: WriterOptions;
  #queue: Pending[] = [];
  #queuedRows = 0;
  #wake: (() => void) | undefined;
  #closed = false;
  readonly #done: Promise<void>;
  constructor(options: WriterOptions) {
    this.#options = options;
    this.#done = this.#run();
  }

  add(batch: Pending): void {
    this.#queue.push(batch);
    this.#queuedRows += batch.rows;
    if (this.#queue.length === 1 || this.#queuedRows >= HURRY_ROWS) this.#wake?.();
  }

  /** Stops after the insert under way; what is queued was acknowledged to nobody and will be sent again. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#wake?.();
    await this.#done;
  }

  async #run(): Promise<void> {
    let last = 0;
    while (!this.#closed) {
      if (!this.#queue.length) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      const wait = last + PACE_MS - Date.now();
      if (wait > 0 && this.#queuedRows < HURRY_ROWS) {
        const timer = new AbortController();
        await Promise.race([
          delay(wait, undefined, { signal: timer.signal }).catch(() => undefined),
          new Promise<void>((resolve) => (this.#wake = resolve)),
        ]);
        timer.abort();
        if (this.#closed) break;
        if (Date.now() < last + PACE_MS && this.#queuedRows < HURRY_ROWS) continue;
      }
      last = Date.now();
      await this.#insert(this.#take());
    }
  }

  #take(): Pending[] {
    let rows = 0;
    let n = 0;
    for (const batch of this.#queue) {
      if (n > 0 && (rows + batch.rows > GROUP_ROWS || n >= GROUP_BATCHES)) break;
      rows += batch.rows;
      n++;
    }
    this.#queuedRows -= rows;
    return this.#queue.splice(0, n);
  }

  /** Inserts a group and reports each batch; returns early only when closing. */
  async #insert(group: readonly Pending[]): Promise<void> {
    const { telemetry, log, table, columns, durable, refused, inserted } = this.#options;
    const started = Date.now();
    let present = new Map(group.map((b) => [b, b.present]));
    for (let attempt = 0; ; attempt++) {
      const blocks = group.map((b) => b.block(present.get(b) ?? NOTHING)).filter((block) => block.length > 0);
      try {
        if (blocks.length) await telemetry.insert(table, columns, blocks, token(table, group, attempt));
        inserted(
          group.reduce((sum, b) => sum + b.rows, 0),
          Date.now() - started,
        );
        for (const batch of group) durable(batch);
        return;
      } catch (error) {
        const away = error instanceof PlatformError && error.code === 'unavailable';
        log.warn(
          { err: error, table, batches: group.length, attempt },
          'records could not be stored; trying again',
        );
        if (!away && group.length > 1) {
          // One of them is what the store does not take: find it.
          const now = await this.#present(group, started);
          if (!now) return;
          for (const batch of group) await this.#insert([{ ...batch, present: now.get(batch) ?? NOTHING }]);
          return;
        }
        if (!away && attempt >= 3) return refused(group[0] as Pending, error);
        const now = await this.#present(group, started);
        if (!now) return;
        present = now;
      }
    }
  }

  /** What of these batches is in the store, asked until it answers; undefined when closing. */
  async #present(
    group: readonly Pending[],
    since: number,
  ): Promise<Map<Pending, ReadonlySet<string>> | undefined> {
    while (!this.#closed) {
      await delay(RETRY_MS);
      try {
        const found = await daysPresent(this.#options.telemetry, this.#options.table, group, since);
        return new Map(
          group.map((b) => [b, new Set([...b.present, ...(found.get(keyOf(b)) ?? [])])] as const),
        );
      } catch (error) {
        this.#options.log.warn({ err: error }, 'the telemetry store does not answer yet');
      }
    }
    return undefined;
  }
}

const keyOf = (b: Pick<Pending, 'host' | 'boot' | 'sequence'>) => `${b.host}/${b.boot}/${b.sequence}`;

/** A retry after an unknown fate must not be taken for the insert that may not have happened. */
function token(table: string, group: readonly Pending[], attempt: number): string {
  const all = group.map((b) => `${table}/${keyOf(b)}`).join(' ');
  const name = group.length === 1 ? all : createHash('sha256').update(all).digest('hex');
  return attempt === 0 ? name : `${name}/${attempt}/${Date.now()}`;
}

/** Days of each batch that the store has, by `host/boot/sequence`. A day of an insert is there whole or not at all. */
export async function daysPresent(
  telemetry: Telemetry,
  table: string,
  batches: readonly Pick<Pending, 'host' | 'boot' | 'sequence'>[],
  sinceMs: number,
): Promise<Map<string, Set<string>>> {
  const keys = batches.map(
    (b) => `(${literal.text(b.host)}, ${literal.text(b.boot)}, ${literal.integer(b.sequence)})`,
  );
  const rows = await telemetry.rows<{ host: string; boot: string; sequence: number; day: string }>(
    `SELECT host, boot, sequence, toString(toDate(time)) AS day FROM ${table}
     WHERE ingested >= ${literal.seconds(sinceMs - 60_000)} AND (host, boot, sequence) IN (${keys.join(', ')})
     GROUP BY host, boot, sequence, day`,
  );
  const found = new Map<string, Set<string>>();
  for (const { host, boot, sequence, day } of rows) {
    const key = `${host}/${boot}/${sequence}`;
    found.set(key, (found.get(key) ?? new Set()).add(day));
  }
  return found;
}
