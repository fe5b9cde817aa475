// Publishing: what was drafted comes into force, numbered, with every host's proof; and going back is publishing too.
import type { Publication } from '@wocloud/protocol/views.ts';
import { tenantFor } from '../authorize/authorize.ts';
import type { Context } from '../context.ts';
import { DOCUMENTS_LOCK, invalid } from '../documents/apply.ts';
import { PlatformError, notFound } from '../errors.ts';
import type { Call, Caller, Handlers, Scope } from '../handler.ts';
import { cursorOf, pageOf } from '../http/paging.ts';
import {
  changeView,
  changesTo,
  diffOf,
  findProblems,
  pendingChanges,
  type VersionChange,
} from './changes.ts';
import { revertDrafts } from './revert.ts';
import { readPublications, type HostsOf } from './read.ts';

type PublicationHandlers = Pick<
  Handlers,
  'changes.list' | 'publications.create' | 'publications.list' | 'publications.get' | 'publications.rollback'
>;

/** How often a waiting request looks again, beside being woken. */
const LOOK_MS = 500;

export function publicationHandlers({ db, signals }: Context, hostsOf: HostsOf): PublicationHandlers {
  const read = async (id: number, scope: Scope): Promise<Publication> => {
    const [found] = await readPublications(db, scope, hostsOf, { id, limit: 1 });
    if (!found) throw notFound('publication', String(id));
    return found;
  };

  /** Puts versions in force as one publication. */
  const put = async (
    changes: readonly VersionChange[],
    {
      caller,
      tenant,
      message,
      rollbackOf,
    }: { caller: Caller; tenant: string | null; message: string; rollbackOf: number | null },
  ): Promise<Publication> => {
    const problems = await findProblems(db, changes);
    if (problems.length > 0) throw invalid(problems);
    const row = await db.one<{ id: number }>(
      'INSERT INTO publications (by, message, tenant, rollback_of) VALUES ($1, $2, $3, $4) RETURNING id',
      [caller.user.name, message, tenant, rollbackOf],
    );
    const id = row?.id ?? 0;
    const uids = changes.map((c) => c.uid);
    await db.query(
      `INSERT INTO publication_changes (publication, uid, before, after, by, at, diff)
       SELECT $1, * FROM unnest($2::uuid[], $3::integer[], $4::integer[], $5::text[], $6::timestamptz[], $7::text[])`,
      [
        id,
        uids,
        changes.map((c) => c.before),
        changes.map((c) => c.after),
        changes.map((c) => c.by),
        changes.map((c) => c.at),
        changes.map(diffOf),
      ],
    );
    await db.query(
      `UPDATE documents d SET published = c.after FROM unnest($1::uuid[], $2::integer[]) AS c(uid, after)
       WHERE d.uid = c.uid`,
      [uids, changes.map((c) => c.after)],
    );
    signals.emit('publication', { id });
    return read(id, caller.scope);
  };

  const idOf = (text: string): number => {
    if (!/^\d{1,15}$/.test(text)) throw notFound('publication', text);
    return Number(text);
  };
  const words = ({ audit }: Pick<Call<'publications.create'>, 'audit'>, result: Publication) => {
    audit.object = `publication/${result.id}`;
    audit.tenant = result.tenant;
    audit.detail['changes'] = result.changes
      .slice(0, 200)
      .map((c) => `${c.action} ${c.kind} ${c.tenant ?? '-'}/${c.name}`);
  };

  return {
    async 'changes.list'({ query, caller }) {
      const tenant = tenantFor(caller, query.tenant) ?? null;
      return { items: (await pendingChanges(db, tenant)).map(changeView), next: null };
    },

    async 'publications.create'(call) {
      const { body, caller } = call;
      const tenant = tenantFor(caller, body.tenant) ?? null;
      await db.query('SELECT pg_advisory_xact_lock($1)', [DOCUMENTS_LOCK]);
      const changes = await pendingChanges(db, tenant);
      if (changes.length === 0) {
        // Everything is in force already: the answer is where that was done.
        const [last] = await readPublications(db, caller.scope, hostsOf, {
          limit: 1,
          ...(tenant === null ? {} : { tenant }),
        });
        if (last) {
          call.audit.object = `publication/${last.id}`;
          call.audit.detail['changes'] = [];
          return last;
        }
      }
      const result = await put(changes, { caller, tenant, message: body.message ?? '', rollbackOf: null });
      words(call, result);
      return result;
    },

    async 'publications.list'({ query, caller }) {
      const { limit = 100 } = query;
      const cursor = cursorOf(query.cursor, ['number']);
      const rows = await readPublications(db, caller.scope, hostsOf, {
        limit: limit + 1,
        tenant: query.tenant,
        before: cursor?.[0] as number | undefined,
      });
      return pageOf(
        rows,
        limit,
        (row) => row,
        (row) => [row.id],
      );
    },

    async 'publications.get'({ params, query, caller, signal, audit }) {
      const id = idOf(params.id);
      audit.object = `publication/${id}`;
      let found = await read(id, caller.scope);
      const deadline = Date.now() + (query.wait ?? 0) * 1000;
      while (found.state === 'publishing' && Date.now() < deadline && !signal.aborted) {
        await wake(Math.min(LOOK_MS, deadline - Date.now()), signal);
        found = await read(id, caller.scope);
      }
      return found;
    },

    async 'publications.rollback'(call) {
      const { params, body, caller } = call;
      const id = idOf(params.id);
      call.audit.object = `publication/${id}`;
      await db.query('SELECT pg_advisory_xact_lock($1)', [DOCUMENTS_LOCK]);
      const target = await read(id, caller.scope);
      const tenant = caller.scope.all ? target.tenant : caller.scope.tenant;
      const changes = await changesTo(db, id, tenant);
      if (changes.length === 0)
        throw new PlatformError(
          'conflict',
          `What publication ${id} put in force is in force; there is nothing to go back.`,
        );
      const message = body.message ?? `Back to publication ${id}`;
      const reverted = await revertDrafts(db, changes, { by: caller.user.name, reason: message });
      const result = await put(reverted, { caller, tenant, message, rollbackOf: id });
      signals.emit('documents', { kinds: [...new Set(changes.map((c) => c.kind))] });
      words(call, result);
      call.audit.detail['rollbackOf'] = id;
      return result;
    },
  };

  /** Resolves when something about publications may have changed, or after `ms`. */
  function wake(ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        for (const stop of stops) stop();
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done);
      const stops = (['receipt', 'publication', 'host'] as const).map((topic) => signals.on(topic, done));
    });
  }
}
