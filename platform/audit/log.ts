// Writes the audit log. Inside a transaction the entry commits with the effect or not at all; outside, entries
// that arrive together share one commit. The promise resolves when the entry is durable.
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { entryHash, storable, type Entry } from './chain.ts';

export interface AuditLog {
  /** Appends in the surrounding transaction when `inTransaction`, else in a shared batch. Rejects when not durable. */
  append(entry: Entry, inTransaction: boolean): Promise<void>;
  /** The newest entry that was noted outside the database, if any. */
  anchor(): Promise<{ index: number; hash: string } | undefined>;
  close(): Promise<void>;
}

interface Waiting {
  entry: Entry;
  resolve: () => void;
  reject: (error: unknown) => void;
}

const ANCHOR_EVERY = 10_000;
const MAX_BATCH = 500;

/** Opens the log. The anchor file in `config.home` makes a rewritten or truncated table visible to `verify`. */
export function openAuditLog({ db, log, config }: Context): AuditLog {
  let queue: Waiting[] = [];
  let flushing: Promise<void> | undefined;
  const anchorFile = join(config.home, 'audit.anchor');

  const write = async (entries: readonly Entry[]): Promise<void> => {
    const head = await db.one<{ index: number; hash: string }>(
      'SELECT index, hash FROM audit_head FOR UPDATE',
    );
    if (!head) throw new Error('the audit log has lost its head row');
    let { index, hash } = head;
    const rows = entries.map((raw) => {
      const e = storable(raw);
      index += 1;
      hash = entryHash(hash, index, e);
      return { ...e, index, at: e.at.toISOString(), hash };
    });
    await db.query(
      `INSERT INTO audit (index, at, who, via, operation, object, tenant, outcome, status, detail, hash)
       SELECT index, at, who, via, operation, object, tenant, outcome, status, detail, hash
       FROM jsonb_to_recordset($1::jsonb) AS r(index bigint, at timestamptz, who text, via text, operation text,
         object text, tenant text, outcome text, status integer, detail jsonb, hash text)`,
      [JSON.stringify(rows)],
    );
    await db.query('UPDATE audit_head SET index = $1, hash = $2', [index, hash]);
  };

  const flush = async (): Promise<void> => {
    while (queue.length > 0) {
      const batch = queue.slice(0, MAX_BATCH);
      queue = queue.slice(MAX_BATCH);
      try {
        await db.transaction(() => write(batch.map((w) => w.entry)));
        for (const w of batch) w.resolve();
      } catch (error) {
        for (const w of batch) w.reject(error);
      }
    }
  };

  const readAnchor = async () => {
    const text = await readFile(anchorFile, 'utf8').catch(() => '');
    const parts = /^(\d+) ([0-9a-f]{64})\n$/.exec(text);
    return parts ? { index: Number(parts[1]), hash: parts[2] ?? '' } : undefined;
  };
  const dropAnchor = async () => {
    const [head, old] = await Promise.all([
      db.one<{ index: number; hash: string }>('SELECT index, hash FROM audit_head'),
      readAnchor(),
    ]);
    // An anchor never moves back: a log that became shorter is what it is there to show.
    if (!head || (old && old.index >= head.index)) return;
    await mkdir(config.home, { recursive: true });
    await writeFile(`${anchorFile}.new`, `${head.index} ${head.hash}\n`, { mode: 0o600 });
    await rename(`${anchorFile}.new`, anchorFile);
  };
  const note = () =>
    dropAnchor().catch((error: unknown) => log.warn({ err: error }, 'the audit anchor was not written'));
  const timer = setInterval(() => void note(), ANCHOR_EVERY);
  timer.unref();

  return {
    append(entry, inTransaction) {
      if (inTransaction) return write([entry]);
      return new Promise((resolve, reject) => {
        queue.push({ entry, resolve, reject });
        flushing ??= db.outside(flush).finally(() => (flushing = undefined));
      });
    },
    anchor: readAnchor,
    async close() {
      clearInterval(timer);
      await flushing;
      await note();
    },
  };
}
