// Publications as a caller may see them: a tenant's users see what concerns their documents and their VMs' hosts.
import type { Publication } from '@wocloud/protocol/views.ts';
import type { Kind } from '@wocloud/protocol/resources/kinds.ts';
import type { Database } from '../database/database.ts';
import type { Scope } from '../handler.ts';
import { live } from '../hosts/store.ts';
import { actionOf } from './changes.ts';
import { progressOf, stateOf, type HostFact } from './progress.ts';

interface Row {
  id: number;
  at: Date;
  by: string;
  message: string;
  tenant: string | null;
  rollback_of: number | null;
  planned: boolean;
}
interface ChangeRow {
  publication: number;
  kind: Kind;
  name: string;
  tenant: string;
  before: number | null;
  after: number | null;
  by: string;
  at: Date;
  diff: string;
}

export interface Wanted {
  id?: number;
  tenant?: string | undefined;
  /** Only older ones than this. */
  before?: number | undefined;
  limit: number;
}

/** Ids of hosts where a caller has VMs; null: every host may be shown. */
export type HostsOf = (scope: Scope) => ReadonlySet<string> | null;

/** Newest first. */
export async function readPublications(
  db: Database,
  scope: Scope,
  hostsOf: HostsOf,
  wanted: Wanted,
): Promise<Publication[]> {
  const rows = await db.query<Row>(
    `SELECT p.id, p.at, p.by, p.message, p.tenant, p.rollback_of, p.planned FROM publications p
     WHERE ($1::bigint IS NULL OR p.id = $1) AND ($2::bigint IS NULL OR p.id < $2)
       AND ($3::text IS NULL OR p.tenant = $3 OR (p.tenant IS NULL AND EXISTS (SELECT 1 FROM publication_changes c
         JOIN documents d ON d.uid = c.uid WHERE c.publication = p.id AND d.tenant = $3)))
     ORDER BY p.id DESC LIMIT ${wanted.limit}`,
    [wanted.id ?? null, wanted.before ?? null, scope.all ? (wanted.tenant ?? null) : (scope.tenant ?? '')],
  );
  if (rows.length === 0) return [];
  const ids = rows.map((r) => r.id);
  const changes = await db.query<ChangeRow>(
    `SELECT c.publication, d.kind, d.name, d.tenant, c.before, c.after, c.by, c.at, c.diff
     FROM publication_changes c JOIN documents d ON d.uid = c.uid
     WHERE c.publication = ANY ($1::bigint[]) AND ($2 OR d.tenant = $3) ORDER BY d.kind, d.tenant, d.name`,
    [ids, scope.all, scope.tenant],
  );
  const facts = await readFacts(db, ids);
  const shown = hostsOf(scope);
  return rows.map((row) => {
    const hosts = facts
      .filter((f) => f.publication === row.id && (shown === null || shown.has(f.host)))
      .map(progressOf);
    return {
      id: row.id,
      at: row.at.toISOString(),
      by: row.by,
      message: row.message,
      tenant: row.tenant,
      rollbackOf: row.rollback_of,
      state: stateOf(row.planned, hosts),
      changes: changes
        .filter((c) => c.publication === row.id)
        .map((c) => ({
          kind: c.kind,
          name: c.name,
          tenant: c.tenant || null,
          action: actionOf(c),
          by: c.by,
          at: c.at.toISOString(),
          diff: c.diff,
        })),
      hosts,
    };
  });
}

const readFacts = (db: Database, ids: readonly number[]) =>
  db.query<HostFact & { publication: number }>(
    `SELECT p.publication, p.host, h.name, p.generation, h.applied_generation AS applied, ${live('h')} AS live,
       (SELECT jsonb_build_object('result', r.result, 'took', r.took, 'error', r.error, 'at', r.at) FROM receipts r
        WHERE r.host = p.host AND r.generation >= p.generation
        -- The first proof; while there is none, the last failure.
        ORDER BY (r.result = 'applied') DESC, CASE WHEN r.result = 'applied' THEN r.id ELSE -r.id END LIMIT 1) AS receipt
     FROM publication_hosts p JOIN hosts h ON h.id = p.host AND NOT h.forgotten
     WHERE p.publication = ANY ($1::bigint[]) ORDER BY h.name`,
    [ids],
  );
