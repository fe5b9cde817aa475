// The operation table: every operation of the platform with its path, permission and schemas. HTTP routes,
// OpenAPI, authorization, audit, the client and the CLI are all made from it; nothing is declared twice.
import { Type, type Static, type TSchema } from 'typebox';
import { POINTS, VERDICTS } from './flow.ts';
import { EVENT_ACTIONS, EVENT_TYPES } from './inspection.ts';
import { KINDS, type Kind } from './resources/kinds.ts';
import { Labels, Name, Uuid, oneOf, record } from './schema.ts';
import { PortSpec } from './resources/service.ts';
import {
  ALERT_STATES,
  Alert,
  ApplyResult,
  AuditEntry,
  Change,
  ENFORCEMENT,
  FlowView,
  GatewayView,
  GRANT_RIGHTS,
  Grant,
  HistogramBucket,
  HostView,
  InspectionView,
  Overview,
  Publication,
  Receipt,
  SearchHit,
  Session,
  Stored,
  StoredVersion,
  TOPICS,
  Token,
  Topology,
  Trace,
  User,
  VmView,
  page,
} from './views.ts';

const text = Type.String({ maxLength: 512 });
const optional = Type.Optional;
const Password = Type.String({ minLength: 12, maxLength: 256 });
const Empty = Type.Null();

export interface Operation {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  path: string;
  summary: string;
  /** The Cedar action; null only where there is nobody yet to authorise (signing in). */
  permission: string | null;
  params?: TSchema;
  query?: TSchema;
  body?: TSchema;
  response: TSchema;
  /** Success status; 200 unless said. */
  status?: number;
  /** Raw answer (text, event stream) instead of JSON. */
  raw?: boolean;
}

const operation = <const O extends Operation>(o: O) => o;
const byId = record({ id: text });
const paging = {
  limit: optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
  cursor: optional(text),
};
const sort = { q: optional(Type.String({ maxLength: 200, description: 'Text to find' })) };
const Tenanted = { tenant: optional(Name) };
/** Instants are RFC 3339, or an age: 90s, 15m, 24h, 7d. */
const Instant = Type.String({ maxLength: 40, pattern: '^([0-9]+(\\.[0-9]+)?(ms|s|m|h|d|w)|[0-9]{4}-.+)$' });
const many = <T extends TSchema>(items: T) => Type.Array(items, { maxItems: 50 });

/** The flow filter language: each field may be given many times (any of), a value starting with "!" excludes. */
export const FlowQuery = record({
  since: optional(Instant),
  until: optional(Instant),
  vm: optional(many(text)),
  from: optional(many(text)),
  to: optional(many(text)),
  ip: optional(many(text)),
  port: optional(many(text)),
  protocol: optional(many(text)),
  verdict: optional(many(Type.String({ pattern: `^!?(${VERDICTS.join('|')})$` }))),
  staged: optional(many(Type.String({ pattern: '^!?(none|allowed|dropped|rejected)$' }))),
  rule: optional(many(text)),
  tenant: optional(many(text)),
  network: optional(many(text)),
  host: optional(many(text)),
  ...paging,
});
export type FlowQuery = Static<typeof FlowQuery>;

/** As FlowQuery; `type`, `action`, `signature` and `application` may be given many times. */
export const InspectionQuery = record({
  since: optional(Instant),
  until: optional(Instant),
  type: optional(many(Type.String({ pattern: `^!?(${EVENT_TYPES.join('|')})$` }))),
  action: optional(many(Type.String({ pattern: `^!?(${EVENT_ACTIONS.join('|')})$` }))),
  signature: optional(many(Type.String({ pattern: '^!?[0-9]{1,10}$' }))),
  application: optional(many(text)),
  vm: optional(many(text)),
  ip: optional(many(text)),
  port: optional(many(text)),
  flow: optional(text),
  tenant: optional(many(text)),
  network: optional(many(text)),
  host: optional(many(text)),
  gateway: optional(many(text)),
  ...sort,
  ...paging,
});
export type InspectionQuery = Static<typeof InspectionQuery>;

const kindOperations = (kind: Kind) => {
  const { plural } = KINDS[kind];
  const noun = kind.toLowerCase();
  const path = `/v1/${plural}`;
  const name = record({ name: Name });
  return {
    list: operation({
      method: 'GET',
      path,
      summary: `List ${plural}`,
      permission: `${noun}.read`,
      query: record({ ...Tenanted, ...paging, ...sort, selector: optional(text) }),
      response: page(Stored),
    }),
    get: operation({
      method: 'GET',
      path: `${path}/:name`,
      summary: `Get one of ${plural}`,
      permission: `${noun}.read`,
      params: name,
      query: record({ ...Tenanted, published: optional(Type.Boolean()) }),
      response: Stored,
    }),
    put: operation({
      method: 'PUT',
      path: `${path}/:name`,
      summary: `Create or replace one of ${plural}`,
      permission: `${noun}.write`,
      params: name,
      query: record({ ...Tenanted, dryRun: optional(Type.Boolean()), reason: optional(text) }),
      body: KINDS[kind].schema,
      response: ApplyResult,
    }),
    delete: operation({
      method: 'DELETE',
      path: `${path}/:name`,
      summary: `Delete one of ${plural}`,
      permission: `${noun}.write`,
      params: name,
      query: record({ ...Tenanted, dryRun: optional(Type.Boolean()), reason: optional(text) }),
      response: ApplyResult,
    }),
    versions: operation({
      method: 'GET',
      path: `${path}/:name/versions`,
      summary: `History of one of ${plural}`,
      permission: `${noun}.read`,
      params: name,
      query: record({
        ...Tenanted,
        version: optional(Type.Integer({ minimum: 1, description: 'Only this one' })),
      }),
      response: page(StoredVersion),
    }),
  };
};
type KindOperations = ReturnType<typeof kindOperations>;

const fixed = {
  // Signing in
  'session.create': operation({
    method: 'POST',
    path: '/v1/session',
    summary: 'Sign in',
    permission: null,
    body: record({ name: text, password: Type.String({ maxLength: 256 }) }),
    response: Session,
    status: 201,
  }),
  'session.get': operation({
    method: 'GET',
    path: '/v1/session',
    summary: 'Who am I, and what may I do',
    permission: 'self.read',
    response: Session,
  }),
  'session.delete': operation({
    method: 'DELETE',
    path: '/v1/session',
    summary: 'Sign out',
    permission: 'self.write',
    response: Empty,
    status: 204,
  }),
  'session.password': operation({
    method: 'PUT',
    path: '/v1/session/password',
    summary: 'Change my password',
    permission: 'self.write',
    body: record({ current: Type.String({ maxLength: 256 }), next: Password }),
    response: Empty,
    status: 204,
  }),
  'tokens.list': operation({
    method: 'GET',
    path: '/v1/tokens',
    summary: 'My API tokens',
    permission: 'self.read',
    response: page(Token),
  }),
  'tokens.create': operation({
    method: 'POST',
    path: '/v1/tokens',
    summary: 'Make an API token; its secret is shown once',
    permission: 'self.write',
    body: record({ name: text, expiresInDays: optional(Type.Integer({ minimum: 1, maximum: 3650 })) }),
    response: Type.Object({ token: Token, secret: Type.String() }),
    status: 201,
  }),
  'tokens.delete': operation({
    method: 'DELETE',
    path: '/v1/tokens/:id',
    summary: 'Revoke an API token',
    permission: 'self.write',
    params: byId,
    response: Empty,
    status: 204,
  }),
  // Users and grants
  'users.list': operation({
    method: 'GET',
    path: '/v1/users',
    summary: 'List users',
    permission: 'user.read',
    query: record({ ...Tenanted, ...paging, ...sort }),
    response: page(User),
  }),
  'users.get': operation({
    method: 'GET',
    path: '/v1/users/:id',
    summary: 'Get a user',
    permission: 'user.read',
    params: byId,
    response: User,
  }),
  'users.create': operation({
    method: 'POST',
    path: '/v1/users',
    summary: 'Create a user',
    permission: 'user.write',
    body: record({
      name: Name,
      password: Password,
      roles: optional(User.properties.roles),
      tenant: optional(Name),
      tenantRole: optional(oneOf(['owner', 'member'])),
    }),
    response: User,
    status: 201,
  }),
  'users.update': operation({
    method: 'PATCH',
    path: '/v1/users/:id',
    summary: 'Change a user',
    permission: 'user.write',
    params: byId,
    body: record({
      password: optional(Password),
      roles: optional(User.properties.roles),
      tenantRole: optional(oneOf(['owner', 'member'])),
      disabled: optional(Type.Boolean()),
    }),
    response: User,
  }),
  'users.delete': operation({
    method: 'DELETE',
    path: '/v1/users/:id',
    summary: 'Delete a user',
    permission: 'user.write',
    params: byId,
    response: Empty,
    status: 204,
  }),
  'grants.list': operation({
    method: 'GET',
    path: '/v1/grants',
    summary: 'Rights of members on VMs',
    permission: 'grant.read',
    query: record({ vm: optional(text), user: optional(text), ...paging }),
    response: page(Grant),
  }),
  'grants.put': operation({
    method: 'PUT',
    path: '/v1/grants',
    summary: 'Give a member rights on a VM (an empty list takes them away)',
    permission: 'grant.write',
    body: record({ user: text, vm: text, rights: Type.Array(oneOf(GRANT_RIGHTS), { uniqueItems: true }) }),
    response: Grant,
  }),
  // Inventory
  'status.get': operation({
    method: 'GET',
    path: '/v1/status',
    summary: 'Is everything well',
    permission: 'status.read',
    response: Overview,
  }),
  'search.get': operation({
    method: 'GET',
    path: '/v1/search',
    summary: 'Find anything by name, address or id',
    permission: 'status.read',
    query: record({ q: Type.String({ minLength: 1, maxLength: 200 }) }),
    response: page(SearchHit),
  }),
  'vms.list': operation({
    method: 'GET',
    path: '/v1/vms',
    summary: 'List VMs',
    permission: 'vm.read',
    query: record({
      ...Tenanted,
      host: optional(text),
      state: optional(text),
      protection: optional(text),
      selector: optional(text),
      gone: optional(Type.Boolean()),
      ...sort,
      ...paging,
    }),
    response: page(VmView),
  }),
  'vms.get': operation({
    method: 'GET',
    path: '/v1/vms/:id',
    summary: 'Get a VM by id or name',
    permission: 'vm.read',
    params: byId,
    response: VmView,
  }),
  'vms.update': operation({
    method: 'PATCH',
    path: '/v1/vms/:id',
    summary: "Set a VM's labels or tenant",
    permission: 'vm.write',
    params: byId,
    body: record({ labels: optional(Labels), tenant: optional(Type.Union([Name, Type.Null()])) }),
    response: VmView,
  }),
  'hosts.list': operation({
    method: 'GET',
    path: '/v1/hosts',
    summary: 'List hosts',
    permission: 'host.read',
    query: record({ ...paging, ...sort }),
    response: page(HostView),
  }),
  'hosts.get': operation({
    method: 'GET',
    path: '/v1/hosts/:id',
    summary: 'Get a host by id or name',
    permission: 'host.read',
    params: byId,
    response: HostView,
  }),
  'hosts.delete': operation({
    method: 'DELETE',
    path: '/v1/hosts/:id',
    summary: 'Forget a host; its certificate is refused from now on',
    permission: 'host.write',
    params: byId,
    response: Empty,
    status: 204,
  }),
  'hosts.receipts': operation({
    method: 'GET',
    path: '/v1/hosts/:id/receipts',
    summary: 'Receipts of a host, newest first',
    permission: 'host.read',
    params: byId,
    query: record(paging),
    response: page(Receipt),
  }),
  'joinTokens.create': operation({
    method: 'POST',
    path: '/v1/join-tokens',
    summary: 'One-time token for a host to join',
    permission: 'host.write',
    body: record({ expiresInMinutes: optional(Type.Integer({ minimum: 1, maximum: 10_080, default: 60 })) }),
    response: Type.Object({ token: Type.String(), expiresAt: Type.String() }),
    status: 201,
  }),
  // Enforcement: a separate, reversible act
  'enforcement.list': operation({
    method: 'GET',
    path: '/v1/enforcement',
    summary: 'Where enforcement is switched on or off',
    permission: 'enforcement.read',
    response: page(
      Type.Object({
        scope: oneOf(['vm', 'tenant', 'host']),
        name: Type.String(),
        mode: oneOf(ENFORCEMENT),
        by: Type.String(),
        at: Type.String(),
      }),
    ),
  }),
  'enforcement.put': operation({
    method: 'PUT',
    path: '/v1/enforcement',
    summary: 'Switch a VM, tenant or host between observe and enforce',
    permission: 'enforcement.write',
    body: record({
      scope: oneOf(['vm', 'tenant', 'host']),
      name: text,
      mode: Type.Union([oneOf(ENFORCEMENT), Type.Null()]),
    }),
    response: Type.Object({ vms: Type.Integer() }),
  }),
  // Documents
  'documents.apply': operation({
    method: 'POST',
    path: '/v1/apply',
    summary: 'Apply documents, all or none',
    permission: 'document.apply',
    query: record({ dryRun: optional(Type.Boolean()), reason: optional(text) }),
    body: record({ documents: Type.Array(Type.Unknown(), { maxItems: 10_000 }) }),
    response: Type.Object({ results: Type.Array(ApplyResult) }),
  }),
  'changes.list': operation({
    method: 'GET',
    path: '/v1/changes',
    summary: 'What a publication would put in force',
    permission: 'publication.read',
    query: record(Tenanted),
    response: page(Change),
  }),
  'publications.create': operation({
    method: 'POST',
    path: '/v1/publications',
    summary: 'Put drafts in force',
    permission: 'publication.write',
    body: record({ message: optional(text), ...Tenanted }),
    response: Publication,
    status: 202,
  }),
  'publications.list': operation({
    method: 'GET',
    path: '/v1/publications',
    summary: 'History, newest first',
    permission: 'publication.read',
    query: record({ ...Tenanted, ...paging }),
    response: page(Publication),
  }),
  'publications.get': operation({
    method: 'GET',
    path: '/v1/publications/:id',
    summary: "A publication with each host's receipt",
    permission: 'publication.read',
    params: byId,
    query: record({
      wait: optional(
        Type.Integer({
          minimum: 0,
          maximum: 60,
          description: 'Seconds to wait until it is no longer publishing',
        }),
      ),
    }),
    response: Publication,
  }),
  'publications.rollback': operation({
    method: 'POST',
    path: '/v1/publications/:id/rollback',
    summary: 'Return to the state of this publication',
    permission: 'publication.write',
    params: byId,
    body: record({ message: optional(text) }),
    response: Publication,
    status: 202,
  }),
  // Traffic
  'flows.list': operation({
    method: 'GET',
    path: '/v1/flows',
    summary: 'Flows, newest first',
    permission: 'flow.read',
    query: FlowQuery,
    response: page(FlowView),
  }),
  'flows.histogram': operation({
    method: 'GET',
    path: '/v1/flows/histogram',
    summary: 'Flows over time',
    permission: 'flow.read',
    query: record({
      ...FlowQuery.properties,
      buckets: optional(Type.Integer({ minimum: 1, maximum: 500, default: 60 })),
    }),
    response: Type.Object({ buckets: Type.Array(HistogramBucket) }),
  }),
  'topology.get': operation({
    method: 'GET',
    path: '/v1/topology',
    summary: 'Who talks to whom',
    permission: 'flow.read',
    query: record({ ...FlowQuery.properties, by: optional(oneOf(['vm', 'group'])) }),
    response: Topology,
  }),
  'trace.create': operation({
    method: 'POST',
    path: '/v1/trace',
    summary: 'What would happen to a packet, and why',
    permission: 'flow.trace',
    body: record({ src: text, dst: text, service: PortSpec, network: optional(text) }),
    response: Trace,
  }),
  // Inspection
  'inspection.list': operation({
    method: 'GET',
    path: '/v1/inspection',
    summary: 'What gateways saw in the traffic, newest first',
    permission: 'inspection.read',
    query: InspectionQuery,
    response: page(InspectionView),
  }),
  'instances.list': operation({
    method: 'GET',
    path: '/v1/gateway-instances',
    summary: 'Gateway instances of all hosts',
    permission: 'gateway.read',
    query: record({ host: optional(text), gateway: optional(text) }),
    response: page(GatewayView),
  }),
  // Alerts and audit
  'alerts.list': operation({
    method: 'GET',
    path: '/v1/alerts',
    summary: 'Alerts, worst and newest first',
    permission: 'alert.read',
    query: record({
      ...Tenanted,
      state: optional(oneOf(ALERT_STATES)),
      kind: optional(text),
      vm: optional(text),
      ...paging,
      ...sort,
    }),
    response: page(Alert),
  }),
  'alerts.get': operation({
    method: 'GET',
    path: '/v1/alerts/:id',
    summary: 'An alert with its evidence',
    permission: 'alert.read',
    params: byId,
    response: Alert,
  }),
  'alerts.update': operation({
    method: 'PATCH',
    path: '/v1/alerts/:id',
    summary: 'Acknowledge, resolve or reopen',
    permission: 'alert.write',
    params: byId,
    body: record({ state: oneOf(ALERT_STATES), note: optional(Type.String({ maxLength: 2000 })) }),
    response: Alert,
  }),
  'audit.list': operation({
    method: 'GET',
    path: '/v1/audit',
    summary: 'Who did what, newest first',
    permission: 'audit.read',
    query: record({
      who: optional(text),
      operation: optional(text),
      object: optional(text),
      since: optional(Instant),
      until: optional(Instant),
      ...Tenanted,
      ...paging,
    }),
    response: page(AuditEntry),
  }),
  'audit.verify': operation({
    method: 'GET',
    path: '/v1/audit/verify',
    summary: 'Check the hash chain of the audit log',
    permission: 'audit.read',
    response: Type.Object({
      entries: Type.Integer(),
      head: Type.String(),
      intact: Type.Boolean(),
      brokenAt: Type.Union([Type.Integer(), Type.Null()]),
    }),
  }),
  // Live data and documents about the API itself
  'events.stream': operation({
    method: 'GET',
    path: '/v1/events',
    summary: 'Live data as server-sent events',
    permission: 'event.read',
    raw: true,
    // What only InspectionQuery has filters the topic inspection; what both have filters both.
    query: record({
      ...InspectionQuery.properties,
      ...FlowQuery.properties,
      topics: optional(Type.Array(oneOf(TOPICS), { maxItems: 10 })),
    }),
    response: Type.Unknown(),
  }),
} as const satisfies Record<string, Operation>;

type Generated = { [K in Kind as `${(typeof KINDS)[K]['plural']}.${keyof KindOperations}`]: Operation };
type GeneratedExact = {
  [P in (typeof KINDS)[Kind]['plural'] as `${P}.list`]: KindOperations['list'];
} & { [P in (typeof KINDS)[Kind]['plural'] as `${P}.get`]: KindOperations['get'] } & {
  [P in (typeof KINDS)[Kind]['plural'] as `${P}.put`]: KindOperations['put'];
} & { [P in (typeof KINDS)[Kind]['plural'] as `${P}.delete`]: KindOperations['delete'] } & {
  [P in (typeof KINDS)[Kind]['plural'] as `${P}.versions`]: KindOperations['versions'];
};

const generated = Object.fromEntries(
  (Object.keys(KINDS) as Kind[]).flatMap((kind) =>
    Object.entries(kindOperations(kind)).map(([verb, o]) => [`${KINDS[kind].plural}.${verb}`, o]),
  ),
) as unknown as GeneratedExact;

/** Every operation by id. The audit log and the permission test walk this. */
export const OPERATIONS = { ...fixed, ...generated };
export type OperationId = keyof typeof fixed | keyof Generated;

type SchemaOf<O, F extends string> = O extends { [K in F]: infer S extends TSchema } ? Static<S> : undefined;
type OperationOf<I extends OperationId> = (typeof OPERATIONS)[I];
export type ParamsOf<I extends OperationId> = SchemaOf<OperationOf<I>, 'params'>;
export type QueryOf<I extends OperationId> = SchemaOf<OperationOf<I>, 'query'>;
export type BodyOf<I extends OperationId> = SchemaOf<OperationOf<I>, 'body'>;
export type ResponseOf<I extends OperationId> = SchemaOf<OperationOf<I>, 'response'>;
export { POINTS, Uuid };
