// A rollback also takes back the drafts it undoes: otherwise the next publication would put them in force again.
import type { Database } from '../database/database.ts';
import { PENDING } from '../documents/rows.ts';
import type { VersionChange } from './changes.ts';

/**
 * Writes what is to be in force again as the newest version of each document, unless somebody has a draft there that
 * was never published: that stays theirs. Answers the changes with the versions that are now to be put in force.
 */
export async function revertDrafts(
  db: Database,
  changes: readonly VersionChange[],
  { by, reason }: { by: string; reason: string },
): Promise<VersionChange[]> {
  const reverted: VersionChange[] = [];
  for (const change of changes) {
    const text = change.new === null ? null : JSON.stringify(change.new);
    const row = await db.one<{ version: number }>(
      `UPDATE documents SET version = version + 1, deleted = $2::text IS NULL,
         document = coalesce($2::json, document), updated_by = $3, updated_at = now()
       WHERE uid = $1 AND NOT ${PENDING} RETURNING version`,
      [change.uid, text, by],
    );
    if (!row) {
      reverted.push(change);
      continue;
    }
    await db.query(
      'INSERT INTO document_versions (uid, version, by, reason, deleted, document) VALUES ($1, $2, $3, $4, $5, $6)',
      [change.uid, row.version, by, reason, text === null, text],
    );
    reverted.push({ ...change, by, after: text === null ? null : row.version });
  }
  return reverted;
}
