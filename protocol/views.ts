// What the API answers with: stored resources, inventory, flows, topology, publications, alerts, audit.
import { Type, type Static, type TSchema } from 'typebox';
import { FLOW_KINDS, POINTS, STAGED_VERDICTS, VERDICTS } from './flow.ts';
import { EVENT_ACTIONS, EVENT_TYPES } from './inspection.ts';
import {
  GatewayReport,
  HostFacts,
  ObservedNic,
  PROTECTION,
  Receipt,
  SEVERITIES,
  VM_STATES,
} from './reports.ts';
import { Labels, Timestamp, oneOf } from './schema.ts';

const text = Type.String();
const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const view = Type.Object;

/** A page: `next` is the cursor of the following page, null at the end. */
export const page = <T extends TSchema>(item: T) => view({ items: Type.Array(item), next: nullable(text) });

/** A stored document. `version` rises with each change and is the ETag; `published` is the version in force (null: none). */
export const Stored = view({
  apiVersion: text,
  kind: text,
  metadata: view({
    name: text,
    tenant: Type.Optional(text),
    labels: Type.Optional(Labels),
    uid: text,
    version: Type.Integer(),
    published: nullable(Type.Integer()),
    createdAt: Timestamp,
    updatedAt: Timestamp,
    updatedBy: text,
  }),
  spec: Type.Unknown(),
});
export type Stored = Static<typeof Stored>;

export const StoredVersion = view({
  version: Type.Integer(),
  at: Timestamp,
  by: text,
  reason: text,
  deleted: Type.Boolean(),
  /** null when deleted, and in a list that is long already: ask for that version alone. */
  document: Type.Unknown(),
});
export type StoredVersion = Static<typeof StoredVersion>;

export const APPLY_ACTIONS = ['created', 'changed', 'unchanged', 'deleted'] as const;
export const ApplyResult = view({
  kind: text,
  name: text,
  tenant: nullable(text),
  action: oneOf(APPLY_ACTIONS),
  version: nullable(Type.Integer()),
  /** Unified diff of the YAML, empty when unchanged; a long one ends by saying how much is left out. */
  diff: text,
  /** What is allowed and yet hardly meant, in a sentence each. */
  warnings: Type.Optional(Type.Array(text)),
});
export type ApplyResult = Static<typeof ApplyResult>;

export const User = view({
  id: text,
  name: text,
  roles: Type.Array(oneOf(['system-admin', 'security-admin', 'auditor'])),
  tenant: nullable(text),
  tenantRole: nullable(oneOf(['owner', 'member'])),
  disabled: Type.Boolean(),
  createdAt: Timestamp,
  lastSignIn: nullable(Timestamp),
});
export type User = Static<typeof User>;

export const Token = view({
  id: text,
  name: text,
  createdAt: Timestamp,
  expiresAt: nullable(Timestamp),
  lastUsed: nullable(Timestamp),
});
export type Token = Static<typeof Token>;

export const GRANT_RIGHTS = ['view', 'power', 'console', 'files', 'snapshot', 'devices', 'firewall'] as const;
export const Grant = view({
  user: text,
  vm: text,
  rights: Type.Array(oneOf(GRANT_RIGHTS)),
  by: text,
  at: Timestamp,
});
export type Grant = Static<typeof Grant>;

export const ENFORCEMENT = ['observe', 'enforce'] as const;

export const NicView = view({ ...ObservedNic.properties, network: nullable(text) });
/** `protection`: the worst of its NICs. `mode`: what was asked for; `modeFrom`: who said so. */
export const VmView = view({
  id: text,
  name: text,
  title: text,
  host: text,
  hostName: text,
  tenant: nullable(text),
  labels: Labels,
  state: oneOf(VM_STATES),
  vcpus: Type.Integer(),
  memoryKiB: Type.Integer(),
  nics: Type.Array(NicView),
  protection: oneOf(PROTECTION),
  reason: text,
  mode: oneOf(ENFORCEMENT),
  modeFrom: oneOf(['vm', 'tenant', 'host', 'default']),
  groups: Type.Array(text),
  firstSeen: Timestamp,
  lastSeen: Timestamp,
  gone: Type.Boolean(),
});
export type VmView = Static<typeof VmView>;

export const HostView = view({
  id: text,
  name: text,
  state: oneOf(['connected', 'stale', 'never']),
  since: nullable(Timestamp),
  lastSeen: nullable(Timestamp),
  facts: nullable(HostFacts),
  vms: Type.Integer(),
  mode: oneOf(ENFORCEMENT),
  generation: view({
    desired: Type.Integer(),
    applied: Type.Integer(),
    appliedAt: nullable(Timestamp),
    error: text,
  }),
  counters: Type.Record(text, Type.Number()),
  residentBytes: nullable(Type.Number()),
  engine: text,
  /** Versions of the gateway image that are on the host, as it last said. */
  images: Type.Optional(Type.Array(text)),
});
export type HostView = Static<typeof HostView>;

/** One flow, its latest state. Times are ISO; bytes and packets as in flow.ts. */
export const FlowView = view({
  id: text,
  time: Timestamp,
  kind: oneOf(FLOW_KINDS),
  start: Timestamp,
  end: nullable(Timestamp),
  host: text,
  network: text,
  point: oneOf(POINTS),
  src: view({
    vm: nullable(text),
    name: nullable(text),
    tenant: nullable(text),
    ip: text,
    port: Type.Integer(),
  }),
  dst: view({
    vm: nullable(text),
    name: nullable(text),
    tenant: nullable(text),
    ip: text,
    port: Type.Integer(),
  }),
  protocol: text,
  verdict: oneOf(VERDICTS),
  rule: text,
  ruleOut: text,
  ruleIn: text,
  stagedVerdict: oneOf(STAGED_VERDICTS),
  stagedRule: text,
  packetsOut: Type.Number(),
  packetsIn: Type.Number(),
  bytesOut: Type.Number(),
  bytesIn: Type.Number(),
});
export type FlowView = Static<typeof FlowView>;

const End = FlowView.properties.src;

/** One inspection event (inspection.ts). `detail` is what EVE said of it. */
export const InspectionView = view({
  id: text,
  time: Timestamp,
  type: oneOf(EVENT_TYPES),
  host: text,
  gateway: text,
  network: text,
  src: End,
  dst: End,
  protocol: text,
  flow: text,
  application: text,
  action: oneOf(EVENT_ACTIONS),
  signature: Type.Integer(),
  title: text,
  category: text,
  priority: Type.Integer(),
  technique: text,
  subject: text,
  detail: Type.Record(text, Type.Unknown()),
});
export type InspectionView = Static<typeof InspectionView>;

/** A gateway instance as its host last reported it. `stale`: nothing is heard from the host, so nothing is known. */
export const GatewayView = view({
  ...GatewayReport.properties,
  host: text,
  hostName: text,
  at: Timestamp,
  stale: Type.Boolean(),
});
export type GatewayView = Static<typeof GatewayView>;

export const HistogramBucket = view({
  time: Timestamp,
  allowed: Type.Number(),
  dropped: Type.Number(),
  rejected: Type.Number(),
  observed: Type.Number(),
  bytes: Type.Number(),
});
export type HistogramBucket = Static<typeof HistogramBucket>;

/** Nodes are VMs or groups or outside addresses; edges are flows between them over the time range. */
export const Topology = view({
  nodes: Type.Array(
    view({
      id: text,
      type: oneOf(['vm', 'group', 'external']),
      name: text,
      tenant: nullable(text),
      state: nullable(oneOf(VM_STATES)),
      protection: nullable(oneOf(PROTECTION)),
      members: Type.Array(text),
    }),
  ),
  edges: Type.Array(
    view({
      from: text,
      to: text,
      verdict: oneOf([...VERDICTS, 'unprotected']),
      flows: Type.Number(),
      bytes: Type.Number(),
      services: Type.Array(text),
      rules: Type.Array(text),
    }),
  ),
});
export type Topology = Static<typeof Topology>;

export const TraceStep = view({
  where: text,
  direction: oneOf(['out', 'in']),
  vm: nullable(text),
  rule: text,
  policy: nullable(text),
  tier: nullable(text),
  action: text,
  staged: Type.Boolean(),
  why: text,
});
export const Trace = view({
  verdict: oneOf(['allowed', 'dropped', 'rejected', 'observed', 'unprotected']),
  rule: text,
  policy: nullable(text),
  why: text,
  steps: Type.Array(TraceStep),
  staged: nullable(view({ verdict: text, rule: text })),
});
export type Trace = Static<typeof Trace>;

export const Change = view({
  kind: text,
  name: text,
  tenant: nullable(text),
  action: oneOf(APPLY_ACTIONS),
  by: text,
  at: Timestamp,
  diff: text,
});
export type Change = Static<typeof Change>;

export const HostProgress = view({
  host: text,
  name: text,
  generation: Type.Integer(),
  state: oneOf(['pending', 'applied', 'failed', 'offline']),
  took: nullable(Type.Number()),
  error: text,
  at: nullable(Timestamp),
});
/** `state`: publishing until every connected host's receipt is in. */
export const Publication = view({
  id: Type.Integer(),
  at: Timestamp,
  by: text,
  message: text,
  tenant: nullable(text),
  rollbackOf: nullable(Type.Integer()),
  state: oneOf(['publishing', 'published', 'partial', 'failed']),
  changes: Type.Array(Change),
  hosts: Type.Array(HostProgress),
});
export type Publication = Static<typeof Publication>;

export const ALERT_STATES = ['open', 'acknowledged', 'resolved'] as const;
export const Alert = view({
  id: text,
  kind: text,
  severity: oneOf(SEVERITIES),
  title: text,
  state: oneOf(ALERT_STATES),
  count: Type.Integer(),
  firstSeen: Timestamp,
  lastSeen: Timestamp,
  host: nullable(text),
  hostName: nullable(text),
  vm: nullable(text),
  vmName: nullable(text),
  tenant: nullable(text),
  evidence: Type.Record(text, Type.Unknown()),
  note: text,
  handledBy: nullable(text),
});
export type Alert = Static<typeof Alert>;

export const AuditEntry = view({
  index: Type.Integer(),
  at: Timestamp,
  who: text,
  via: text,
  operation: text,
  object: text,
  tenant: nullable(text),
  outcome: oneOf(['allowed', 'denied', 'failed']),
  status: Type.Integer(),
  detail: Type.Record(text, Type.Unknown()),
  hash: text,
});
export type AuditEntry = Static<typeof AuditEntry>;

export const Overview = view({
  sentence: view({ en: text, 'zh-CN': text }),
  healthy: Type.Boolean(),
  vms: view({
    total: Type.Integer(),
    running: Type.Integer(),
    enforced: Type.Integer(),
    observed: Type.Integer(),
    unprotected: Type.Integer(),
  }),
  hosts: view({ total: Type.Integer(), connected: Type.Integer(), behind: Type.Integer() }),
  /** Instances of hosts that are heard from, and those through which no traffic goes. Platform roles only. */
  gateways: Type.Optional(view({ total: Type.Integer(), failed: Type.Integer() })),
  alerts: view({ open: Type.Integer(), critical: Type.Integer() }),
  flows: view({ lastMinute: Type.Number(), dropped: Type.Number(), lost: Type.Number() }),
  policies: view({ total: Type.Integer(), unpublished: Type.Integer() }),
  lastPublication: nullable(view({ id: Type.Integer(), at: Timestamp, by: text, state: text })),
});
export type Overview = Static<typeof Overview>;

export const Session = view({ user: User, csrf: text, permissions: Type.Array(text) });
export type Session = Static<typeof Session>;

export const SearchHit = view({ kind: text, id: text, name: text, tenant: nullable(text), detail: text });
export type SearchHit = Static<typeof SearchHit>;

/** Server-sent events: `event:` is the topic. */
export type ServerEvent =
  | { topic: 'flow'; data: FlowView }
  | { topic: 'vm'; data: VmView }
  | { topic: 'vmGone'; data: { id: string } }
  | { topic: 'host'; data: HostView }
  | { topic: 'alert'; data: Alert }
  | { topic: 'publication'; data: Publication }
  | { topic: 'inspection'; data: InspectionView }
  | { topic: 'gateway'; data: GatewayView }
  | { topic: 'gatewayGone'; data: { host: string; id: string } }
  | { topic: 'lost'; data: { topic: string; count: number } };
export const TOPICS = ['flow', 'vm', 'host', 'alert', 'publication', 'inspection', 'gateway'] as const;

export { Receipt };
