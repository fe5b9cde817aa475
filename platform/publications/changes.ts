// What a publication changes: which version of each document is in force before and after it.
import type { Document, Kind } from '@wocloud/protocol/resources/kinds.ts';
import type { ProblemDetail } from '@wocloud/protocol/problem.ts';
import type { Change } from '@wocloud/protocol/views.ts';
import type { Database } from '../database/database.ts';
import { unifiedDiff, yamlOf } from '../documents/diff.ts';
import { checkReferences } from '../documents/references.ts';
import { PENDING, keyText, label } from '../documents/rows.ts';

export interface VersionChange {
  uid: string;
  kind: Kind;
  /** '' for none. */
  tenant: string;
  name: string;
  /** Versions in force; null: none. */
  before: number | null;
  after: number | null;
  old: Document | null;
  new: Document | null;
  by: string;
  at: Date;
}

const WITH_DOCUMENTS = `SELECT c.uid, d.kind, d.tenant, d.name, c.before, c.after, b.document AS old, a.document AS new,
    coalesce(l.by, d.updated_by) AS by, coalesce(l.at, d.updated_at) AS at
  FROM c JOIN documents d ON d.uid = c.uid
    LEFT JOIN document_versions b ON b.uid = c.uid AND b.version = c.before
    LEFT JOIN document_versions a ON a.uid = c.uid AND a.version = c.after
    LEFT JOIN document_versions l ON l.uid = c.uid AND l.version = coalesce(c.after, d.version)
  WHERE $1::text IS NULL OR d.tenant = $1
  ORDER BY d.kind, d.tenant, d.name`;

/** Drafts that differ from what is in force; of one tenant, or of everyone (null). */
export const pendingChanges = (db: Database, tenant: string | null): Promise<VersionChange[]> =>
  db.query<VersionChange>(
    `WITH c AS (SELECT uid, published AS before, CASE WHEN deleted THEN NULL ELSE version END AS after
       FROM documents WHERE ${PENDING}) ${WITH_DOCUMENTS}`,
    [tenant],
  );

/** What would bring back the state after publication `id`. */
export const changesTo = (db: Database, id: number, tenant: string | null): Promise<VersionChange[]> =>
  db.query<VersionChange>(
    `WITH earlier AS (
       SELECT DISTINCT ON (uid) uid, after FROM publication_changes WHERE publication <= $2
       ORDER BY uid, publication DESC),
     ever AS (SELECT DISTINCT uid FROM publication_changes),
     c AS (SELECT d.uid, d.published AS before, earlier.after FROM documents d JOIN ever ON ever.uid = d.uid
       LEFT JOIN earlier ON earlier.uid = d.uid
       LEFT JOIN document_versions now ON now.uid = d.uid AND now.version = d.published
       LEFT JOIN document_versions past ON past.uid = d.uid AND past.version = earlier.after
       WHERE now.document::text IS DISTINCT FROM past.document::text)
     ${WITH_DOCUMENTS}`,
    [tenant, id],
  );

export const actionOf = ({ before, after }: Pick<VersionChange, 'before' | 'after'>): Change['action'] =>
  after === null ? 'deleted' : before === null ? 'created' : 'changed';

export const diffOf = (change: VersionChange): string =>
  unifiedDiff(
    yamlOf(change.old),
    yamlOf(change.new),
    `${change.kind.toLowerCase()}/${change.tenant || '-'}/${change.name}`,
  );

export const changeView = (change: VersionChange): Change => ({
  kind: change.kind,
  name: change.name,
  tenant: change.tenant || null,
  action: actionOf(change),
  by: change.by,
  at: change.at.toISOString(),
  diff: diffOf(change),
});

/** What would be wrong with everything in force after these changes, and is not already. */
export async function findProblems(
  db: Database,
  changes: readonly VersionChange[],
): Promise<ProblemDetail[]> {
  const inForce = await db.query<{ uid: string; document: Document }>(
    `SELECT d.uid, v.document FROM documents d JOIN document_versions v ON v.uid = d.uid AND v.version = d.published
     WHERE v.document IS NOT NULL AND ($1 OR d.kind <> 'RuleSet')`,
    [changes.some((c) => c.kind === 'RuleSet')],
  );
  const after = new Map(inForce.map((d) => [d.uid, d.document]));
  const changed = new Set<string>();
  for (const change of changes) {
    changed.add(keyText({ kind: change.kind, tenant: change.tenant || null, name: change.name }));
    if (change.new) after.set(change.uid, change.new);
    else after.delete(change.uid);
  }
  const findings = checkReferences([...after.values()]);
  if (findings.length === 0) return [];
  const text = (f: { key: string; path: string; message: string }) =>
    JSON.stringify([f.key, f.path, f.message]);
  const known = new Set(checkReferences(inForce.map((d) => d.document)).map(text));
  const names = new Map(
    [...after.values()].map((d) => {
      const key = { kind: d.kind, tenant: d.metadata.tenant ?? null, name: d.metadata.name };
      return [keyText(key), label(key)];
    }),
  );
  return findings
    .filter((f) => changed.has(f.key) || !known.has(text(f)))
    .map(({ key, message, ...detail }) => ({ ...detail, message: `${names.get(key) ?? key}: ${message}` }));
}
