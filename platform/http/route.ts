// One operation of the table as one route: who calls, may they, is the input right, run it, write the audit
// entry, answer. A write and its entry are one transaction; a read is answered once its entry is durable.
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { Compile } from 'typebox/compile';
import { KINDS } from '@wocloud/protocol/resources/kinds.ts';
import { MAX_RULE_TEXT } from '@wocloud/protocol/resources/rule-set.ts';
import type { Operation, OperationId } from '@wocloud/protocol/api.ts';
import type { Session } from '@wocloud/protocol/views.ts';
import type { AuditLog } from '../audit/log.ts';
import { tenantFor, type Authorize } from '../authorize/authorize.ts';
import type { Context } from '../context.ts';
import { PlatformError } from '../errors.ts';
import type { Call, Caller, Handler, RawAnswer } from '../handler.ts';
import { SESSION_COOKIE, authenticate, type Identity } from '../users/authenticate.ts';
import { SECRET_ANSWERS, once, type Answer } from './idempotency.ts';
import { platformError, sendProblem } from './problems.ts';
import { validatorFor } from './validate.ts';
import { bodyOf } from './yaml.ts';

export interface RouteOptions {
  context: Context;
  authorize: Authorize;
  audit: AuditLog;
}

interface State {
  identity: Identity | undefined;
  /** Who just signed in. */
  signedIn?: string;
  audit: Call<'audit.verify'>['audit'];
}

const NOBODY: Caller = {
  user: {
    id: '',
    name: '',
    roles: [],
    tenant: null,
    tenantRole: null,
    disabled: false,
    createdAt: '',
    lastSignIn: null,
  },
  via: 'session',
  scope: { all: false, tenant: null, vms: [] },
};
const DOCUMENT_BYTES = 8 * 1024 * 1024;
/** A RuleSet has up to 8 MiB of rules, and JSON needs more than a byte for some of their characters. */
const RULE_DOCUMENT_BYTES = 2 * MAX_RULE_TEXT;
const BODY_BYTES = 256 * 1024;
/** Document bodies are checked by the documents themselves: their errors say more. */
const isDocumentPut = (id: string) => Object.values(KINDS).some((k) => `${k.plural}.put` === id);

const bodyLimitOf = (id: string): number => {
  if (id === 'documents.apply' || id === `${KINDS.RuleSet.plural}.put`) return RULE_DOCUMENT_BYTES;
  return isDocumentPut(id) ? DOCUMENT_BYTES : BODY_BYTES;
};

/** Registers operation `id`. */
export function addRoute(
  app: FastifyInstance,
  id: OperationId,
  operation: Operation,
  run: Handler<OperationId>,
  options: RouteOptions,
): void {
  const { context, authorize, audit } = options;
  const { db, config, log } = context;
  const checks = {
    params: operation.params && validatorFor('params', operation.params),
    query: operation.query && validatorFor('query', operation.query),
    body: operation.body && !isDocumentPut(id) ? validatorFor('body', operation.body) : undefined,
  };
  const answerIs = operation.raw ? undefined : Compile(operation.response);
  const writes = operation.method !== 'GET';
  const states = new WeakMap<FastifyRequest, State>();

  const stateOf = (request: FastifyRequest): State => {
    let state = states.get(request);
    if (!state) {
      const { name, id: key } = (request.params ?? {}) as { name?: string; id?: string };
      const object = [id.split('.')[0], name ?? key].filter((x) => x !== undefined).join('/');
      states.set(request, (state = { identity: undefined, audit: { object, tenant: null, detail: {} } }));
    }
    return state;
  };

  /** Writes the one entry of this request. */
  const enter = (
    request: FastifyRequest,
    status: number,
    inTransaction: boolean,
    code?: string,
  ): Promise<void> => {
    const { identity, signedIn, audit: words } = stateOf(request);
    return audit.append(
      {
        at: context.now(),
        who: identity?.user.name ?? signedIn ?? '',
        via: identity ? identity.via : 'anonymous',
        operation: id,
        object: words.object,
        tenant: words.tenant ?? identity?.user.tenant ?? null,
        outcome: code === undefined ? 'allowed' : [401, 403, 429].includes(status) ? 'denied' : 'failed',
        status,
        detail: { ...words.detail, ip: request.ip, ...(code === undefined ? {} : { code }) },
      },
      inTransaction,
    );
  };

  const admit = async (request: FastifyRequest): Promise<void> => {
    const state = stateOf(request);
    state.identity = await authenticate(context, {
      cookie: request.cookies[SESSION_COOKIE],
      authorization: request.headers.authorization,
      csrf: request.headers['x-csrf-token']?.toString(),
      writes: writes && operation.permission !== null,
    });
    if (operation.permission === null) return;
    if (!state.identity)
      throw new PlatformError('unauthenticated', 'Sign in first, or send an API token of yours.');
    const { user } = state.identity;
    authorize.require(user, operation.permission, { tenant: user.tenant });
    const asked = (request.query as { tenant?: unknown } | undefined)?.tenant;
    if (typeof asked === 'string') tenantFor(state.identity, asked);
  };

  const callOf = (request: FastifyRequest, reply: FastifyReply, signal: AbortSignal): Call<OperationId> => {
    const { identity, audit: words } = stateOf(request);
    const setCookie = (value: string | null) => {
      const attributes = {
        path: '/',
        httpOnly: true,
        sameSite: 'strict',
        secure: config.secureCookies,
      } as const;
      if (value === null) void reply.clearCookie(SESSION_COOKIE, attributes);
      else void reply.setCookie(SESSION_COOKIE, value, attributes);
    };
    return {
      params: request.params,
      query: request.query,
      body: request.body,
      ifMatch: matchOf(request),
      caller: identity ?? NOBODY,
      signal,
      ip: request.ip,
      session: { id: identity?.session ?? null, set: setCookie },
      audit: words,
    } as unknown as Call<OperationId>;
  };

  const perform = async (call: Call<OperationId>): Promise<Answer> => {
    const value: unknown = await run(call);
    if (answerIs && !answerIs.Check(value)) {
      const [first] = answerIs.Errors(value);
      throw new Error(`${id} answered against its schema: ${first?.instancePath} ${first?.message}`);
    }
    return { status: operation.status ?? 200, value };
  };

  app.route({
    method: operation.method,
    url: operation.path,
    bodyLimit: bodyLimitOf(id),
    onRequest: admit,
    ...(id === 'session.create' ? { config: { rateLimit: { max: 20, timeWindow: '1 minute' } } } : {}),
    async handler(request, reply) {
      if (operation.body) request.body = bodyOf(id, request.body);
      checks.params?.(request.params);
      checks.query?.(request.query);
      checks.body?.(request.body);
      const gone = new AbortController();
      reply.raw.on('close', () => gone.abort());
      const call = callOf(request, reply, gone.signal);
      const key = request.headers['idempotency-key']?.toString();
      if (!writes) {
        const answer = await perform(call);
        await enter(request, answer.status, false);
        return send(reply, answer, operation);
      }
      const answer = await db.transaction(async () => {
        const done =
          key !== undefined && operation.method === 'POST' && !SECRET_ANSWERS.has(id)
            ? await once(db, call.caller.user.id, key, [id, request.url, request.body], () => perform(call))
            : { ...(await perform(call)), replayed: false };
        const state = stateOf(request);
        if (done.replayed) state.audit.detail['replayed'] = true;
        if (operation.permission === null) state.signedIn = (done.value as Session).user.name;
        await enter(request, done.status, true);
        return done;
      });
      return send(reply, answer, operation);
    },
    // Fastify waits for an asynchronous handler; its types do not say so.
    // oxlint-disable-next-line typescript/no-misused-promises
    async errorHandler(error, request, reply) {
      // A read whose caller has left before its answer is no failure, and nobody is there to be told.
      if (!writes && reply.raw.destroyed) {
        await enter(request, CLIENT_CLOSED_REQUEST, false);
        return reply;
      }
      let problem = platformError(error, log);
      try {
        await enter(request, problem.status, false, problem.code);
      } catch (unwritten) {
        problem = platformError(unwritten, log);
      }
      return sendProblem(reply, problem);
    },
  });
}

/** nginx's number for it; HTTP has none. */
const CLIENT_CLOSED_REQUEST = 499;

function send(reply: FastifyReply, { status, value }: Answer, operation: Operation): FastifyReply {
  void reply.code(status).header('cache-control', 'no-store');
  if (operation.raw) {
    const answer = value instanceof Readable ? { body: value } : (value as RawAnswer);
    void reply.header('x-accel-buffering', 'no');
    return reply.type(answer.contentType ?? 'text/event-stream; charset=utf-8').send(answer.body);
  }
  const tag = versionOf(value);
  if (tag !== undefined) void reply.header('etag', `"${tag}"`);
  return status === 204
    ? reply.send()
    : reply.type('application/json; charset=utf-8').send(JSON.stringify(value));
}

/** The version that makes a document's ETag. */
function versionOf(value: unknown): number | undefined {
  const { metadata, version } = (value ?? {}) as { metadata?: { version?: unknown }; version?: unknown };
  const found = metadata?.version ?? version;
  return typeof found === 'number' ? found : undefined;
}

/** `If-Match: "3"` → 3; `If-None-Match: *` → 0 (it must not exist yet). */
function matchOf({ headers }: FastifyRequest): number | undefined {
  if (headers['if-none-match'] === '*') return 0;
  const tag = headers['if-match'];
  if (tag === undefined) return undefined;
  const version = /^(?:W\/)?"(\d{1,9})"$/.exec(tag)?.[1];
  if (version === undefined)
    throw new PlatformError('bad-request', 'If-Match is the ETag of what you have read, such as "3".');
  return Number(version);
}
