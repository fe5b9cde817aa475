// Reading documents: one, many, their versions, and whole sets as drafts or as in force.
import type { Document, Kind } from '@wocloud/protocol/resources/kinds.ts';
import type { Stored, StoredVersion } from '@wocloud/protocol/views.ts';
import { matchesSelector, parseSelector } from '@wocloud/policy/selector.ts';
import type { Database } from '../database/database.ts';
import { PlatformError } from '../errors.ts';
import type { Scope } from '../handler.ts';
import { cursorFor, cursorOf } from '../http/paging.ts';
import { storedView, visibleSql, type DocumentRow, type Key } from './rows.ts';

const COLUMNS = `d.uid, d.kind, d.tenant, d.name, d.version, d.published, d.deleted, d.document, d.created_at,
  d.updated_at, d.updated_by`;

/** A page ends when its documents have grown to this, however few they are: a rule set is long. */
const PAGE_BYTES = 16 * 1024 * 1024;

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
  let bytes = 0;
  let more = true;
  // A selector is decided here, not in SQL: pages are read until enough rows match.
  while (more && found.length <= limit && bytes < PAGE_BYTES) {
    const rows = await db.query<DocumentRow & { size: number; more: boolean }>(
      `SELECT * FROM (
         SELECT ${COLUMNS}, octet_length(d.document::text) AS size, lead(true, 1, false) OVER page AS more,
           sum(octet_length(d.document::text)) OVER page AS total
         FROM documents d
         WHERE d.kind = $1 AND NOT d.deleted AND ($2::text IS NULL OR d.tenant = $2)
           AND ($3::text IS NULL OR strpos(d.name, $3) > 0)
           AND ($4::text IS NULL OR (d.tenant, d.name) > ($4, $5)) AND ${visible.sql}
         WINDOW page AS (ORDER BY d.tenant, d.name ROWS UNBOUNDED PRECEDING)
         ORDER BY d.tenant, d.name LIMIT ${matches ? 1_000 : limit + 1}) AS d
       WHERE d.total - d.size < ${PAGE_BYTES} ORDER BY d.tenant, d.name`,
      [kind, options.tenant, options.q?.toLowerCase(), after?.[0], after?.[1], ...visible.values],
    );
    const kept = matches ? rows.filter((r) => matches(r.document.metadata.labels ?? {})) : rows;
    found.push(...kept);
    bytes += kept.reduce((sum, row) => sum + row.size, 0);
    const last = rows.at(-1);
    more = last?.more ?? false;
    if (last) after = [last.tenant, last.name];
  }
  const shown = found.slice(0, limit);
  const last = found.length > limit ? shown.at(-1) : undefined;
  const end = last ? [last.tenant, last.name] : more ? after : undefined;
  return { items: shown.map((row) => storedView(row)), next: end ? cursorFor(end) : null };
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

/** Every version (or one), newest first; of deleted documents as well. */
export async function documentVersions(
  db: Database,
  scope: Scope,
  {
    kind,
    name,
    tenant,
    version,
  }: { kind: Kind; name: string; tenant: string | undefined; version: number | undefined },
): Promise<StoredVersion[] | undefined> {
  const visible = visibleSql(kind, scope, 4);
  const row = await db.one<{ uid: string }>(
    `SELECT d.uid FROM documents d WHERE d.kind = $1 AND d.name = $2 AND d.tenant = ANY ($3) AND ${visible.sql}
     ORDER BY d.tenant = '' LIMIT 1`,
    [kind, name, tenants(scope, tenant), ...visible.values],
  );
  if (!row) return undefined;
  const rows = await db.query<Omit<StoredVersion, 'at'> & { at: Date }>(
    `SELECT version, at, by, reason, deleted, CASE WHEN
         sum(octet_length(document::text)) OVER (ORDER BY version DESC) - octet_length(document::text) < ${PAGE_BYTES}
       THEN document END AS document
     FROM document_versions WHERE uid = $1 AND ($2::integer IS NULL OR version = $2)
     ORDER BY version DESC LIMIT 1000`,
    [row.uid, version],
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

/**
 * Everything that is not deleted, as last written. Rule sets are large and concern nothing but each other: they are
 * read only when asked for.
 */
export async function allDrafts(db: Database, { ruleSets }: { ruleSets: boolean }): Promise<Document[]> {
  const rows = await db.query<{ document: Document }>(
    "SELECT document FROM documents WHERE NOT deleted AND ($1 OR kind <> 'RuleSet')",
    [ruleSets],
  );
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
