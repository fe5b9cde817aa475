// Writing documents: any number at once, all or none. Checked as the set they would make together.
import { asWritten, checkDocument } from '@wocloud/protocol/documents.ts';
import { KINDS, type Document, type Kind } from '@wocloud/protocol/resources/kinds.ts';
import type { ProblemDetail } from '@wocloud/protocol/problem.ts';
import type { ApplyResult } from '@wocloud/protocol/views.ts';
import { canonical } from '../audit/chain.ts';
import type { Authorize } from '../authorize/authorize.ts';
import type { Context } from '../context.ts';
import { PlatformError, notFound } from '../errors.ts';
import type { Caller } from '../handler.ts';
import { unifiedDiff, yamlOf } from './diff.ts';
import { checkReferences, type Finding } from './references.ts';
import { keyOf, keyText, label, tidy, type DocumentRow, type Key } from './rows.ts';
import { allDrafts, documentAt, rowsOf } from './store.ts';

/** Any constant: writers of documents take turns on it, so that what was checked together is written together. */
export const DOCUMENTS_LOCK = 7_206_114;

export type Write = { document: Document } | { remove: Key };

export interface ApplyOptions {
  caller: Caller;
  dryRun?: boolean | undefined;
  reason?: string | undefined;
  /** For a single write: the version it is based on; 0: it must not exist. */
  ifMatch?: number | undefined;
  /** Skips the per-document permission check: for operations that have a permission of their own. */
  trusted?: boolean;
}

export interface DocumentChecks {
  /** The id of the VM a tenant's VM document is about, when it is theirs; undefined when it is not. */
  ownVm(caller: Caller, document: Extract<Document, { kind: 'VM' }>): Promise<string | undefined>;
  /** What is allowed and yet hardly meant. */
  warnings(document: Document): Promise<string[]>;
}

export type Apply = (writes: readonly Write[], options: ApplyOptions) => Promise<ApplyResult[]>;

/** Reads unknown values as documents. Throws invalid-document with every error of all of them. */
export function readDocuments(given: readonly unknown[]): Document[] {
  const values = given.map(asWritten);
  const errors: ProblemDetail[] = values.flatMap((value, document) =>
    checkDocument(value).map((e) => (values.length > 1 ? { ...e, document } : e)),
  );
  if (errors.length > 0) throw invalid(errors);
  return values as Document[];
}

export const invalid = (errors: readonly ProblemDetail[]): PlatformError =>
  new PlatformError(
    'invalid-document',
    `${errors.length === 1 ? 'One error' : `${errors.length} errors`}; nothing was changed. ${errors[0]?.path ? `${errors[0].path}: ` : ''}${errors[0]?.message ?? ''}`,
    { details: errors.slice(0, 100) },
  );

export function createApply({ db, signals }: Context, authorize: Authorize, checks: DocumentChecks): Apply {
  const permit = async (write: Write, { caller, trusted }: ApplyOptions): Promise<Write> => {
    const key = 'document' in write ? keyOf(write.document) : write.remove;
    const { scope } = caller;
    if (trusted) return write;
    if (!scope.all && key.tenant !== null && key.tenant !== scope.tenant)
      throw notFound('tenant', key.tenant);
    const tier =
      'document' in write && write.document.kind === 'Policy' ? write.document.spec.tier : undefined;
    authorize.require(caller.user, `${key.kind.toLowerCase()}.write`, {
      tenant: key.kind === 'Tenant' ? key.name : key.tenant,
      ...(tier === undefined ? {} : { tier }),
    });
    if (scope.all || !('document' in write) || write.document.kind !== 'VM') return write;
    // A tenant speaks about VMs that are theirs, by id: a name could come to mean another's.
    const id = await checks.ownVm(caller, write.document);
    if (id === undefined) throw notFound('VM', write.document.spec.id ?? write.document.metadata.name);
    return { document: { ...write.document, spec: { ...write.document.spec, id } } };
  };

  const refuse = (findings: readonly Finding[], writes: readonly Write[]) => {
    if (findings.length === 0) return;
    const index = new Map(
      writes.map((w, i) => ['document' in w ? keyText(keyOf(w.document)) : keyText(w.remove), i] as const),
    );
    throw invalid(
      findings.map(({ key, ...detail }) => {
        const document = index.get(key);
        if (document === undefined) return { ...detail, message: `${key}: ${detail.message}` };
        return writes.length > 1 ? { ...detail, document } : detail;
      }),
    );
  };

  /** What is wrong after the writes and was not before: nobody is kept from working by somebody else's mistake. */
  const newFindings = async (writes: readonly Write[]): Promise<Finding[]> => {
    const ruleSets = writes.some((w) => ('document' in w ? w.document : w.remove).kind === 'RuleSet');
    const before = await allDrafts(db, { ruleSets });
    const after = new Map(before.map((d) => [keyText(keyOf(d)), d]));
    const written = new Set<string>();
    for (const w of writes) {
      const key = 'document' in w ? keyText(keyOf(w.document)) : keyText(w.remove);
      written.add(key);
      if ('document' in w) after.set(key, w.document);
      else after.delete(key);
    }
    const findings = checkReferences([...after.values()]);
    if (findings.every((f) => written.has(f.key))) return findings;
    const old = new Set(checkReferences(before).map((f) => JSON.stringify([f.key, f.path, f.message])));
    return findings.filter((f) => written.has(f.key) || !old.has(JSON.stringify([f.key, f.path, f.message])));
  };

  const write = async (
    one: Write,
    row: DocumentRow | undefined,
    options: ApplyOptions,
  ): Promise<ApplyResult> => {
    const key = 'document' in one ? keyOf(one.document) : one.remove;
    const before = row && !row.deleted ? row.document : undefined;
    const after = 'document' in one ? tidy(one.document) : undefined;
    const warnings = 'document' in one ? await checks.warnings(one.document) : [];
    const result = (action: ApplyResult['action'], version: number | null): ApplyResult => ({
      kind: key.kind,
      name: key.name,
      tenant: key.tenant,
      action,
      version,
      diff:
        action === 'unchanged'
          ? ''
          : unifiedDiff(
              yamlOf(before),
              yamlOf(after),
              `${key.kind.toLowerCase()}/${key.tenant ?? '-'}/${key.name}`,
            ),
      ...(warnings.length > 0 ? { warnings } : {}),
    });
    if (before && after && canonical(before) === canonical(after))
      return result('unchanged', row?.version ?? null);
    const action = after === undefined ? 'deleted' : before ? 'changed' : 'created';
    const version = (row?.version ?? 0) + 1;
    if (options.dryRun) return result(action, row && !row.deleted ? row.version : null);
    const by = options.caller.user.name;
    // What says the same as what is in force is in force: there is nothing to publish.
    const inForce = row && row.published !== null ? await documentAt(db, row.uid, row.published) : undefined;
    const atOnce =
      !KINDS[key.kind].published ||
      (after !== undefined && inForce !== undefined && canonical(after) === canonical(inForce));
    const stored = await db.one<{ uid: string }>(
      `INSERT INTO documents AS d (kind, tenant, name, version, published, deleted, document, updated_by)
       VALUES ($1, $2, $3, $4, CASE WHEN $5 AND NOT $6 THEN $4::integer END, $6, $7, $8)
       ON CONFLICT (kind, tenant, name) DO UPDATE SET version = $4, deleted = $6, document = $7, updated_by = $8,
         updated_at = now(), created_at = CASE WHEN d.deleted THEN now() ELSE d.created_at END,
         published = CASE WHEN NOT $5 THEN d.published WHEN $6 THEN NULL ELSE $4::integer END
       RETURNING uid`,
      [
        key.kind,
        key.tenant ?? '',
        key.name,
        version,
        atOnce,
        after === undefined,
        JSON.stringify(after ?? row?.document),
        by,
      ],
    );
    await db.query(
      'INSERT INTO document_versions (uid, version, by, reason, deleted, document) VALUES ($1, $2, $3, $4, $5, $6)',
      [
        stored?.uid,
        version,
        by,
        options.reason ?? '',
        after === undefined,
        after === undefined ? null : JSON.stringify(after),
      ],
    );
    return result(action, version);
  };

  return (asked, options) =>
    db.transaction(async () => {
      const writes: Write[] = [];
      for (const one of asked) writes.push(await permit(one, options));
      const keys = writes.map((w) => ('document' in w ? keyOf(w.document) : w.remove));
      refuse(duplicates(keys), []);
      await db.query('SELECT pg_advisory_xact_lock($1)', [DOCUMENTS_LOCK]);
      const rows = new Map(
        (await rowsOf(db, keys)).map((row) => [keyText({ ...row, tenant: row.tenant || null }), row]),
      );
      for (const [i, one] of writes.entries()) {
        const row = rows.get(keyText(keys[i] as Key));
        const current = row && !row.deleted ? row.version : 0;
        if ('remove' in one && current === 0) throw notFound(one.remove.kind, one.remove.name);
        if (options.ifMatch !== undefined && options.ifMatch !== current)
          throw new PlatformError(
            'stale-version',
            current === 0
              ? `${label(keys[i] as Key)} does not exist (any more).`
              : `${label(keys[i] as Key)} is at version ${current}, not ${options.ifMatch}; read it again.`,
          );
      }
      refuse(await newFindings(writes), writes);
      await refuseUsedTenants(db, writes);
      const results: ApplyResult[] = [];
      for (const [i, one] of writes.entries())
        results.push(await write(one, rows.get(keyText(keys[i] as Key)), options));
      const kinds = [...new Set(results.filter((r) => r.action !== 'unchanged').map((r) => r.kind))];
      if (!options.dryRun && kinds.length > 0) signals.emit('documents', { kinds });
      return results;
    });
}

function duplicates(keys: readonly Key[]): Finding[] {
  const first = new Map<string, number>();
  return keys.flatMap((key, document) => {
    const text = keyText(key);
    const earlier = first.get(text);
    if (earlier === undefined) first.set(text, document);
    return earlier === undefined
      ? []
      : [
          {
            key: text,
            document,
            path: '/metadata/name',
            message: `${label(key)} is also document ${earlier + 1} of this file`,
          },
        ];
  });
}

/** A tenant goes when nothing is left that is its: users and VMs would belong to nobody. */
async function refuseUsedTenants(db: Context['db'], writes: readonly Write[]): Promise<void> {
  for (const one of writes) {
    if (!('remove' in one) || one.remove.kind !== 'Tenant') continue;
    const { name } = one.remove;
    const [user] = await db.query('SELECT 1 FROM users WHERE tenant = $1 LIMIT 1', [name]);
    if (user) throw new PlatformError('conflict', `Tenant ${name} still has users; delete them first.`);
  }
}

export type { Kind };
