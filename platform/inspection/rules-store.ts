// Composed rules by digest, compressed as they travel. Kept: what is in force, and the few before it that a host may
// still ask for.
import { promisify } from 'node:util';
import { zstdCompress, zstdCompressSync } from 'node:zlib';
import { MAX_CONTROL_BYTES } from '@wocloud/protocol/link.ts';
import type { Database } from '../database/database.ts';
import type { Composed } from './compose.ts';

const compress = promisify(zstdCompress);
const KEPT = 4;
/** What a `rules` message has beside the text. */
const ENVELOPE_BYTES = 1_024;

/** The most base64 that one message on a link carries. */
export const MAX_RULES_BASE64 = MAX_CONTROL_BYTES - ENVELOPE_BYTES;

const base64Length = (bytes: number): number => Math.ceil(bytes / 3) * 4;

/** Whether the text fits into a message; compressed only when it does not as it is. */
export function fitsLink(text: string): boolean {
  const bytes = Buffer.from(text);
  return (
    base64Length(bytes.length) <= MAX_RULES_BASE64 ||
    base64Length(zstdCompressSync(bytes).length) <= MAX_RULES_BASE64
  );
}

/** Keeps what is in force now. */
export async function storeRules(db: Database, { digest, text }: Composed): Promise<void> {
  const known = await db.query('UPDATE inspection_rules SET at = now() WHERE digest = $1 RETURNING digest', [
    digest,
  ]);
  if (known.length === 0)
    await db.query('INSERT INTO inspection_rules (digest, text) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
      digest,
      await compress(Buffer.from(text)),
    ]);
  await db.query(
    `DELETE FROM inspection_rules WHERE digest NOT IN (
       SELECT digest FROM inspection_rules ORDER BY at DESC, digest LIMIT ${KEPT})`,
  );
}

/** The text of these rules, zstd, base64; undefined when they are not kept (any more). */
export async function rulesText(db: Database, digest: string): Promise<string | undefined> {
  const row = await db.one<{ text: Buffer }>('SELECT text FROM inspection_rules WHERE digest = $1', [digest]);
  return row?.text.toString('base64');
}
