// Documents in force, followed: only those whose version changed are read again, and unchanged ones stay the same
// objects, which is what makes planning incremental.
import type { Gateway } from '@wocloud/protocol/resources/gateway.ts';
import type { Document, Kind } from '@wocloud/protocol/resources/kinds.ts';
import type { RuleSet } from '@wocloud/protocol/resources/rule-set.ts';
import type { Documents } from '@wocloud/policy/model.ts';
import type { Database } from '../database/database.ts';
import { policyDocuments } from '../documents/references.ts';
import { NetworkNames, VmDocuments } from '../vms/effective.ts';

interface Held {
  version: number;
  document: Document;
}

export class InForce {
  #held = new Map<string, Held>();
  policy: Documents = policyDocuments([]);
  ruleSets: RuleSet[] = [];
  gateways: Gateway[] = [];
  vms = new VmDocuments([]);
  networks = new NetworkNames([]);

  /** Catches up with the database. Returns the kinds that changed. */
  async refresh(db: Database): Promise<Set<Kind>> {
    const rows = await db.query<{ uid: string; version: number }>(
      `SELECT uid, published AS version FROM documents WHERE published IS NOT NULL ORDER BY kind, tenant, name`,
    );
    const missing = rows.filter((r) => this.#held.get(r.uid)?.version !== r.version);
    const changed = new Set<Kind>();
    const fetched = new Map<string, Held>();
    if (missing.length > 0) {
      const contents = await db.query<{ uid: string; version: number; document: Document | null }>(
        `SELECT v.uid, v.version, v.document FROM document_versions v
         JOIN unnest($1::uuid[], $2::integer[]) AS want(uid, version) ON v.uid = want.uid AND v.version = want.version`,
        [missing.map((m) => m.uid), missing.map((m) => m.version)],
      );
      for (const { uid, version, document } of contents)
        if (document) fetched.set(uid, { version, document });
    }
    const next = new Map<string, Held>();
    for (const { uid } of rows) {
      const held = fetched.get(uid) ?? this.#held.get(uid);
      if (held) next.set(uid, held);
    }
    for (const { document } of fetched.values()) changed.add(document.kind);
    for (const [uid, { document }] of this.#held) if (!next.has(uid)) changed.add(document.kind);
    if (changed.size === 0) return changed;
    this.#held = next;
    const documents = [...next.values()].map((h) => h.document);
    this.policy = policyDocuments(documents);
    this.ruleSets = documents.filter((d) => d.kind === 'RuleSet');
    this.gateways = documents.filter((d) => d.kind === 'Gateway');
    if (changed.has('VM'))
      this.vms = new VmDocuments(
        documents
          .filter((d) => d.kind === 'VM')
          .map(({ metadata, spec }) => ({
            name: metadata.name,
            tenant: metadata.tenant ?? null,
            labels: metadata.labels ?? {},
            spec,
          })),
      );
    if (changed.has('Network'))
      this.networks = new NetworkNames(
        documents
          .filter((d) => d.kind === 'Network')
          .map(({ metadata, spec }) => ({ name: metadata.name, spec })),
      );
    return changed;
  }
}
