// The core of the platform on one database: who may do what, documents, publications, plans, audit, and the HTTP
// server around all handlers. The other half (hosts, VMs, telemetry, alerts) comes in as its handlers.
import type { FastifyInstance } from 'fastify';
import { auditHandlers } from './audit/handlers.ts';
import { openAuditLog, type AuditLog } from './audit/log.ts';
import { loadAuthorize, type Authorize } from './authorize/authorize.ts';
import type { Context } from './context.ts';
import { createApply, type Apply, type DocumentChecks } from './documents/apply.ts';
import { documentHandlers } from './documents/handlers.ts';
import type { Handlers } from './handler.ts';
import { buildHttp } from './http/server.ts';
import { grantHandlers, type FindVm } from './users/grants.ts';
import { userHandlers } from './users/handlers.ts';
import { sessionHandlers } from './users/session.ts';
import { tokenHandlers } from './users/tokens.ts';

export interface CoreOptions {
  /** How the core asks about VMs. */
  findVm: FindVm;
  ownVm: DocumentChecks['ownVm'];
}

export interface Core {
  authorize: Authorize;
  audit: AuditLog;
  /** Writes documents, all or none; for handlers that are about documents themselves. */
  apply: Apply;
  handlers: Partial<Handlers>;
  /** Builds the HTTP server with the core's handlers and these. */
  http(others: Partial<Handlers>, version: string): Promise<FastifyInstance>;
  close(): Promise<void>;
}

export function openCore(context: Context, options: CoreOptions): Core {
  const authorize = loadAuthorize();
  const audit = openAuditLog(context);
  const apply = createApply(context, authorize, { ownVm: options.ownVm });
  const handlers: Partial<Handlers> = {
    ...sessionHandlers(context, authorize),
    ...tokenHandlers(context),
    ...userHandlers(context, authorize),
    ...grantHandlers(context, authorize, options.findVm),
    ...documentHandlers(context, apply),
    ...auditHandlers(context, audit),
  };
  return {
    authorize,
    audit,
    apply,
    handlers,
    http: (others, version) =>
      buildHttp({ context, authorize, audit, version, handlers: { ...handlers, ...others } }),
    close: () => audit.close(),
  };
}
