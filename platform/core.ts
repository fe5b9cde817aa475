// The half of the platform where intent goes down: who may do what, documents, publications, plans, audit. Made of
// its parts here; what it asks about VMs comes from the other half (facts.ts), once that is there.
import type { FastifyInstance } from 'fastify';
import { auditHandlers } from './audit/handlers.ts';
import { openAuditLog, type AuditLog } from './audit/log.ts';
import { loadAuthorize, type Authorize } from './authorize/authorize.ts';
import type { Context } from './context.ts';
import { createApply, type Apply } from './documents/apply.ts';
import { documentHandlers } from './documents/handlers.ts';
import { enforcementHandlers } from './enforcement/handlers.ts';
import { gatewayWarnings } from './gateways/warnings.ts';
import type { Handlers, Scope } from './handler.ts';
import { buildHttp } from './http/server.ts';
import { searchHandlers } from './overview/search.ts';
import { statusHandlers, type CountFlows } from './overview/status.ts';
import { createPlans, type Plans } from './plan/plans.ts';
import { publicationHandlers } from './publications/handlers.ts';
import { readPublications, type HostsOf } from './publications/read.ts';
import { traceHandlers } from './trace/handlers.ts';
import { grantHandlers } from './users/grants.ts';
import { userHandlers } from './users/handlers.ts';
import { sessionHandlers } from './users/session.ts';
import { tokenHandlers } from './users/tokens.ts';
import { findVm, visible, type Directory } from './vms/directory.ts';
import type { Publication } from '@wocloud/protocol/views.ts';

/** What the core asks of the other half; asked only once requests are served. */
export interface Facing {
  directory(): Directory;
  countFlows: CountFlows;
}

export interface Core {
  authorize: Authorize;
  audit: AuditLog;
  plans: Plans;
  /** Writes documents, all or none; for handlers that are about documents themselves. */
  apply: Apply;
  readPublication(id: number, scope: Scope): Promise<Publication | undefined>;
  handlers: Partial<Handlers>;
  /** Builds the HTTP server with the core's handlers and these. */
  http(others: Partial<Handlers>, version: string): Promise<FastifyInstance>;
  close(): Promise<void>;
}

export function openCore(context: Context, facing: Facing): Core {
  const { directory } = facing;
  const authorize = loadAuthorize();
  const audit = openAuditLog(context);
  const plans = createPlans(context);
  const hostsOf: HostsOf = (scope) =>
    scope.all
      ? null
      : new Set([...directory().all()].filter((vm) => !vm.gone && visible(scope, vm)).map((vm) => vm.host));
  const apply = createApply(context, authorize, {
    async ownVm({ scope }, { spec, metadata }) {
      const vm = findVm(directory(), spec.id ?? metadata.name, scope);
      return vm && !vm.gone ? vm.id : undefined;
    },
    warnings: (document) =>
      document.kind === 'Gateway' ? gatewayWarnings(context.db, document) : Promise.resolve([]),
  });
  const handlers: Partial<Handlers> = {
    ...sessionHandlers(context, authorize),
    ...tokenHandlers(context),
    ...userHandlers(context, authorize),
    ...grantHandlers(context, authorize, async (key, scope) => findVm(directory(), key, scope)),
    ...documentHandlers(context, apply),
    ...enforcementHandlers(context, directory),
    ...publicationHandlers(context, hostsOf),
    ...traceHandlers(plans, directory),
    ...statusHandlers(context, directory, facing.countFlows, hostsOf),
    ...searchHandlers(context, authorize, directory),
    ...auditHandlers(context, audit),
  };
  return {
    authorize,
    audit,
    plans,
    apply,
    readPublication: async (id, scope) =>
      (await readPublications(context.db, scope, hostsOf, { id, limit: 1 }))[0],
    handlers,
    http: (others, version) =>
      buildHttp({ context, authorize, audit, version, handlers: { ...handlers, ...others } }),
    async close() {
      await plans.stop();
      await audit.close();
    },
  };
}
