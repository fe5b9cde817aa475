// Reading documents: one, many, their versions, and whole sets as drafts or as in force.
import type { Document, Kind } from '@wocloud/protocol/resources/kinds.ts';
import type { Stored, StoredVersion } from '@wocloud/protocol/views.ts';
import { matchesSelector, parseSelector } from '@wocloud/policy/selector.ts';
import type { Database } from '../database/database.ts';
import { PlatformError } from '../errors.ts';
import type { Scope } from '../handler.ts';
import { cursorOf, pageOf } from '../http/paging.ts';
import { storedView, visibleSql, type DocumentRow, type Key } from './rows.ts';

const COLUMNS = `d.uid, d.kind, d.tenant, d.name, d.version, d.published, d.deleted, d.document, d.created_at,
  d.updated_at, d.updated_by`;

export interface ListOptions {
  tenant: string | undefined;
  q: string | undefined;
  selector: string | undefined;
  limit: number;
  cursor: string | undefined;
}

/** A label selector as a predicate; bad-request when it cannot be read. */
export function selectorOf(
  text: string | undefined,
): ((labels: Record<string, string>) => boolean) | undefined {
  if (text === undefined || text === '') return undefined;
  try {
    const selector = parseSelector(text);
    return (labels) => matchesSelector(selector, labels);
  } catch (cause) {
    throw new PlatformError('bad-request', `selector: ${(cause as Error).message}`, { cause });
  }
}

/** A page of a kind, by tenant and name. */
export async function listDocuments(
  db: Database,
  kind: Kind,
  scope: Scope,
  options: ListOptions,
): Promise<{ items: Stored[]; next: string | null }> {
  const { limit } = options;
  const matches = selectorOf(options.selector);
  const visible = visibleSql(kind, scope, 6);
  let after = cursorOf(options.cursor, ['string', 'string']);
  const found: DocumentRow[] = [];
  // A selector is decided here, not in SQL: pages are read until enough rows match.
  for (;;) {
    const size = matches ? 1_000 : limit + 1;
    const rows = await db.query<DocumentRow>(
      `SELECT ${COLUMNS} FROM documents d
       WHERE d.kind = $1 AND NOT d.deleted AND ($2::text IS NULL OR d.tenant = $2)
         AND ($3::text IS NULL OR strpos(d.name, $3) > 0)
         AND ($4::text IS NULL OR (d.tenant, d.name) > ($4, $5)) AND ${visible.sql}
       ORDER BY d.tenant, d.name LIMIT ${size}`,
      [kind, options.tenant, options.q?.toLowerCase(), after?.[0], after?.[1], ...visible.values],
    );
    found.push(...(matches ? rows.filter((r) => matches(r.document.metadata.labels ?? {})) : rows));
    const last = rows.at(-1);
    if (rows.length < size || found.length > limit || !last) break;
    after = [last.tenant, last.name];
  }
  return pageOf(
    found,
    limit,
    (row) => storedView(row),
    (row) => [row.tenant, row.name],
  );
}

/** The row of a document a caller may see; with `tenant` undefined a tenant's caller means their own, then everyone's. */
export async function findDocument(
  db: Database,
  scope: Scope,
  { kind, name, tenant }: { kind: Kind; name: string; tenant: string | undefined },
): Promise<DocumentRow | undefined> {
  const visible = visibleSql(kind, scope, 4);
  return db.one<DocumentRow>(
    `SELECT ${COLUMNS} FROM documents d
     WHERE d.kind = $1 AND d.name = $2 AND NOT d.deleted AND d.tenant = ANY ($3) AND ${visible.sql}
     ORDER BY d.tenant = '' LIMIT 1`,
    [kind, name, tenants(scope, tenant), ...visible.values],
  );
}

const tenants = (scope: Scope, asked: string | undefined): string[] => {
  if (asked !== undefined) return [asked];
  return scope.all || scope.tenant === null ? [''] : [scope.tenant, ''];
};

/** The document as it was at a version; undefined when that version deleted it. */
export async function documentAt(db: Database, uid: string, version: number): Promise<Document | undefined> {
  const row = await db.one<{ document: Document | null }>(
    'SELECT document FROM document_versions WHERE uid = $1 AND version = $2',
    [uid, version],
  );
  return row?.document ?? undefined;
}

/** Every version, newest first; of deleted documents as well. */
export async function documentVersions(
  db: Database,
  scope: Scope,
  { kind, name, tenant }: { kind: Kind; name: string; tenant: string | undefined },
): Promise<StoredVersion[] | undefined> {
  const visible = visibleSql(kind, scope, 4);
  const row = await db.one<{ uid: string }>(
    `SELECT d.uid FROM documents d WHERE d.kind = $1 AND d.name = $2 AND d.tenant = ANY ($3) AND ${visible.sql}
     ORDER BY d.tenant = '' LIMIT 1`,
    [kind, name, tenants(scope, tenant), ...visible.values],
  );
  if (!row) return undefined;
  const rows = await db.query<Omit<StoredVersion, 'at'> & { at: Date }>(
    `SELECT version, at, by, reason, deleted, document FROM document_versions
     WHERE uid = $1 ORDER BY version DESC LIMIT 1000`,
    [row.uid],
  );
  return rows.map((v) => ({ ...v, at: v.at.toISOString() }));
}

/** Rows of exactly these keys, deleted ones included. */
export async function rowsOf(db: Database, keys: readonly Key[]): Promise<DocumentRow[]> {
  return db.query<DocumentRow>(
    `SELECT ${COLUMNS} FROM documents d JOIN unnest($1::text[], $2::text[], $3::text[]) AS k(kind, tenant, name)
       ON d.kind = k.kind AND d.tenant = k.tenant AND d.name = k.name`,
    [keys.map((k) => k.kind), keys.map((k) => k.tenant ?? ''), keys.map((k) => k.name)],
  );
}

/** Everything that is not deleted, as last written. */
export async function allDrafts(db: Database): Promise<Document[]> {
  const rows = await db.query<{ document: Document }>('SELECT document FROM documents WHERE NOT deleted');
  return rows.map((r) => r.document);
}

/** Everything in force, at its published version. */
export async function allInForce(
  db: Database,
): Promise<{ uid: string; version: number; document: Document }[]> {
  return db.query(
    `SELECT d.uid, v.version, v.document FROM documents d
     JOIN document_versions v ON v.uid = d.uid AND v.version = d.published WHERE v.document IS NOT NULL`,
  );
}
