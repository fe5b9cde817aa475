// Reading the audit log, and proving that nothing in it was changed.
import type { AuditEntry } from '@wocloud/protocol/views.ts';
import type { Context } from '../context.ts';
import { cursorOf, pageOf } from '../http/paging.ts';
import { instant } from '../http/instant.ts';
import type { Handlers } from '../handler.ts';
import { GENESIS, entryHash, type Entry } from './chain.ts';
import type { AuditLog } from './log.ts';

type Row = Entry & { index: number; hash: string };
const COLUMNS = 'index, at, who, via, operation, object, tenant, outcome, status, detail, hash';
const VERIFY_PAGE = 5_000;

const view = (row: Row): AuditEntry => ({ ...row, at: row.at.toISOString() });

export interface Verdict {
  entries: number;
  head: string;
  intact: boolean;
  /** Number of the first entry that is not what was written; null when intact. */
  brokenAt: number | null;
}

/** Recomputes every hash from the first entry on, and compares the end with the head row and the anchor file. */
export async function verifyChain(
  { db }: Pick<Context, 'db'>,
  audit: Pick<AuditLog, 'anchor'>,
): Promise<Verdict> {
  // The head first: entries that are appended while we read come after it and are not looked at.
  const head = await db.one<{ index: number; hash: string }>('SELECT index, hash FROM audit_head');
  const anchor = await audit.anchor();
  let [index, hash] = [0, GENESIS];
  const broken = (at: number): Verdict => ({ entries: index, head: hash, intact: false, brokenAt: at });
  const last = head?.index ?? 0;
  while (index < last) {
    const rows = await db.query<Row>(
      `SELECT ${COLUMNS} FROM audit WHERE index > $1 AND index <= $2 ORDER BY index LIMIT $3`,
      [index, last, VERIFY_PAGE],
    );
    if (rows.length === 0) return broken(index + 1);
    for (const row of rows) {
      const expected = entryHash(hash, index + 1, row);
      if (row.index !== index + 1 || row.hash !== expected) return broken(index + 1);
      [index, hash] = [row.index, row.hash];
      if (anchor?.index === index && anchor.hash !== hash) return broken(index);
    }
  }
  if (!head || head.hash !== hash || (anchor && anchor.index > index)) return broken(index + 1);
  return { entries: index, head: hash, intact: true, brokenAt: null };
}

export function auditHandlers(
  context: Context,
  audit: Pick<AuditLog, 'anchor'>,
): Pick<Handlers, 'audit.list' | 'audit.verify'> {
  const { db } = context;
  return {
    async 'audit.list'({ query, caller }) {
      const { limit = 100 } = query;
      const values: unknown[] = [];
      const where: string[] = [];
      const add = (sql: string, value: unknown) => where.push(sql.replaceAll('?', `$${values.push(value)}`));
      if (query.who) add('who = ?', query.who);
      if (query.operation) add('operation = ?', query.operation);
      if (query.object) add("object ILIKE '%' || ? || '%'", query.object);
      if (query.tenant) add('tenant = ?', query.tenant);
      if (!caller.scope.all) add('tenant = ?', caller.scope.tenant);
      if (query.since) add('at >= ?', instant(query.since, context.now()));
      if (query.until) add('at < ?', instant(query.until, context.now()));
      const cursor = cursorOf(query.cursor, ['number']);
      if (cursor) add('index < ?', cursor[0]);
      const rows = await db.query<Row>(
        `SELECT ${COLUMNS} FROM audit ${where.length ? `WHERE ${where.join(' AND ')}` : ''}
         ORDER BY index DESC LIMIT ${limit + 1}`,
        values,
      );
      return pageOf(rows, limit, view, (row) => [row.index]);
    },
    'audit.verify': () => verifyChain(context, audit),
  };
}
