// The operations on documents: five for each kind, and applying many at once.
import type { OperationId } from '@wocloud/protocol/api.ts';
import { KINDS, type Document, type Kind } from '@wocloud/protocol/resources/kinds.ts';
import { nearest } from '@wocloud/protocol/documents.ts';
import { tenantFor } from '../authorize/authorize.ts';
import type { Context } from '../context.ts';
import { PlatformError, notFound } from '../errors.ts';
import type { Call, Caller, Handler, Handlers } from '../handler.ts';
import { invalid, readDocuments, type Apply } from './apply.ts';
import { storedView } from './rows.ts';
import { documentAt, documentVersions, findDocument, listDocuments } from './store.ts';

// One kind stands for all: their operations have the same types.
type Of<V extends string> = Call<Extract<OperationId, `groups.${V}`>>;

/** A tenant's caller who names no tenant means their own, where a kind can have one. */
function inTenant(document: Document, caller: Caller, asked?: string): Document {
  const tenant = document.metadata.tenant ?? asked;
  if (KINDS[document.kind].scope === 'platform') return document;
  const own = tenant ?? caller.scope.tenant ?? undefined;
  return own === undefined ? document : { ...document, metadata: { ...document.metadata, tenant: own } };
}

export function documentHandlers({ db }: Context, apply: Apply): Partial<Handlers> {
  const ofKind = (kind: Kind) => {
    const noun = kind;
    const scoped = KINDS[kind].scope !== 'platform';
    const words = (call: Of<'get'>) => {
      call.audit.object = `${noun}/${call.params.name}`;
      if (scoped) call.audit.tenant = call.query.tenant ?? call.caller.scope.tenant;
    };
    return {
      list: ({ query, caller }: Of<'list'>) => {
        const { limit = 100, q, selector, cursor } = query;
        // Asked by name: only that tenant's. Otherwise whatever the caller may see.
        const tenant = query.tenant === undefined ? undefined : tenantFor(caller, query.tenant);
        return listDocuments(db, kind, caller.scope, {
          tenant: scoped ? tenant : undefined,
          q,
          selector,
          limit,
          cursor,
        });
      },
      get: async (call: Of<'get'>) => {
        words(call);
        const { params, query, caller } = call;
        const row = await findDocument(db, caller.scope, { kind, name: params.name, tenant: query.tenant });
        if (!row) throw notFound(noun, params.name);
        if (!query.published) return storedView(row);
        const document = row.published === null ? undefined : await documentAt(db, row.uid, row.published);
        if (!document) throw new PlatformError('not-found', `${noun} ${params.name} is not published.`);
        return storedView(row, document);
      },
      put: async (call: Of<'put'>) => {
        words(call as unknown as Of<'get'>);
        const { params, query, body, caller, ifMatch } = call;
        const given = body as unknown;
        const found = (given as { kind?: unknown } | null)?.kind;
        if (found !== kind)
          throw invalid([
            {
              path: '/kind',
              message: `kind must be ${kind} here, not ${JSON.stringify(found) ?? 'missing'}`,
              ...(typeof found === 'string' && nearest(found, [kind])
                ? { hint: `did you mean ${kind}?` }
                : {}),
            },
          ]);
        const [document] = readDocuments([given]) as [Document];
        if (document.metadata.name !== params.name)
          throw invalid([{ path: '/metadata/name', message: `must be ${params.name}, as in the address` }]);
        if (
          query.tenant !== undefined &&
          document.metadata.tenant !== undefined &&
          query.tenant !== document.metadata.tenant
        )
          throw invalid([
            { path: '/metadata/tenant', message: `must be ${query.tenant}, as in the address` },
          ]);
        const write = { document: inTenant(document, caller, query.tenant) };
        const [result] = await apply([write], {
          caller,
          dryRun: query.dryRun,
          reason: query.reason,
          ifMatch,
        });
        note(call, result, query);
        return result;
      },
      delete: async (call: Of<'delete'>) => {
        words(call as unknown as Of<'get'>);
        const { params, query, caller, ifMatch } = call;
        const tenant = scoped ? (query.tenant ?? caller.scope.tenant) : null;
        const [result] = await apply([{ remove: { kind, tenant, name: params.name } }], {
          caller,
          dryRun: query.dryRun,
          reason: query.reason,
          ifMatch,
        });
        note(call, result, query);
        return result;
      },
      versions: async (call: Of<'versions'>) => {
        words(call as unknown as Of<'get'>);
        const { params, query, caller } = call;
        const items = await documentVersions(db, caller.scope, {
          kind,
          name: params.name,
          tenant: query.tenant,
          version: query.version,
        });
        if (!items) throw notFound(noun, params.name);
        return { items, next: null };
      },
    };
  };

  const handlers: Record<string, unknown> = {};
  for (const kind of Object.keys(KINDS) as Kind[])
    for (const [verb, handler] of Object.entries(ofKind(kind)))
      handlers[`${KINDS[kind].plural}.${verb}`] = handler;

  const applyAll: Handler<'documents.apply'> = async ({ body, query, caller, audit }) => {
    const documents = readDocuments(body.documents);
    audit.object = `documents/${documents.length}`;
    const writes = documents.map((document) => ({ document: inTenant(document, caller) }));
    const results = await apply(writes, { caller, dryRun: query.dryRun, reason: query.reason });
    audit.detail['dryRun'] = query.dryRun ?? false;
    audit.detail['documents'] = results
      .filter((r) => r.action !== 'unchanged')
      .slice(0, 200)
      .map((r) => `${r.action} ${r.kind} ${r.tenant ?? '-'}/${r.name}`);
    return { results };
  };
  return { ...(handlers as Partial<Handlers>), 'documents.apply': applyAll };
}

function note(
  { audit }: Pick<Of<'put'>, 'audit'>,
  result: { action: string; version: number | null; tenant: string | null } | undefined,
  query: { dryRun?: boolean; reason?: string },
): void {
  audit.tenant = result?.tenant ?? audit.tenant;
  Object.assign(audit.detail, {
    action: result?.action,
    version: result?.version,
    dryRun: query.dryRun ?? false,
    ...(query.reason === undefined ? {} : { reason: query.reason }),
  });
}
