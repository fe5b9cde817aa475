// Documents as rows: keys, the view the API shows, and which ones a caller may see.
import type { Document, Kind } from '@wocloud/protocol/resources/kinds.ts';
import type { Stored } from '@wocloud/protocol/views.ts';
import type { Scope } from '../handler.ts';

export interface Key {
  kind: Kind;
  /** null: belongs to no tenant. */
  tenant: string | null;
  name: string;
}

export interface DocumentRow {
  uid: string;
  kind: Kind;
  /** '' for no tenant. */
  tenant: string;
  name: string;
  version: number;
  published: number | null;
  deleted: boolean;
  document: Document;
  created_at: Date;
  updated_at: Date;
  updated_by: string;
}

export const keyOf = (document: Document): Key => ({
  kind: document.kind,
  tenant: document.metadata.tenant ?? null,
  name: document.metadata.name,
});
export const keyText = ({ kind, tenant, name }: Key): string => `${kind} ${tenant ?? ''}/${name}`;
/** For people: `Policy web` or `Policy acme/web`. */
export const label = ({ kind, tenant, name }: Key): string =>
  `${kind} ${tenant === null ? '' : `${tenant}/`}${name}`;

/** Drafts that differ from what is in force. */
export const PENDING =
  '((NOT deleted AND published IS DISTINCT FROM version) OR (deleted AND published IS NOT NULL))';

/** The document in its usual order of fields, without anything we add. */
export function tidy(document: Document): Document {
  const { apiVersion, kind, metadata, spec } = document;
  const { name, tenant, labels } = metadata;
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(tenant === undefined ? {} : { tenant }),
      ...(labels === undefined ? {} : { labels }),
    },
    spec,
  } as Document;
}

export function storedView(row: DocumentRow, document: Document = row.document): Stored {
  const { metadata, spec, apiVersion } = document;
  return {
    apiVersion,
    kind: row.kind,
    metadata: {
      ...metadata,
      uid: row.uid,
      version: row.version,
      published: row.published,
      createdAt: row.created_at.toISOString(),
      updatedAt: row.updated_at.toISOString(),
      updatedBy: row.updated_by,
    },
    spec,
  };
}

/**
 * SQL condition on `documents d` for what a caller may see of a kind, with its values from `$first` on.
 * Tenants see their own, and the services, groups and rule sets that are everyone's; members only the VMs they were
 * granted.
 */
export function visibleSql(kind: Kind, scope: Scope, first: number): { sql: string; values: unknown[] } {
  if (scope.all) return { sql: 'true', values: [] };
  if (kind === 'Tenant') return { sql: `d.name = $${first}`, values: [scope.tenant] };
  if (kind === 'RuleSet') return { sql: 'true', values: [] };
  if (kind === 'Group' || kind === 'Service')
    return { sql: `(d.tenant = $${first} OR d.tenant = '')`, values: [scope.tenant] };
  if (kind !== 'VM' || scope.vms === null) return { sql: `d.tenant = $${first}`, values: [scope.tenant] };
  return {
    sql: `d.tenant = $${first} AND (d.document #>> '{spec,id}' = ANY ($${first + 1})
      OR (d.document #>> '{spec,id}' IS NULL AND d.name IN (SELECT name FROM vms WHERE id::text = ANY ($${first + 1}))))`,
    values: [scope.tenant, scope.vms],
  };
}
