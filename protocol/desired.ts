// What a host should be: numbered, immutable, made of keyed objects so that a change travels as a delta.
// Compiled by the platform (policy/plan), rendered and proven by the engine (policy/render, engine/filter).
import { Type, type Static } from 'typebox';
import { Mac, Name, Uuid, oneOf, record } from './schema.ts';
import { GATEWAY_FORMS } from './resources/gateway.ts';
import { FAILURE_MODES, INSERTION_MODES } from './resources/insertion.ts';
import { ACTIONS } from './resources/policy.ts';

/** An L2 segment on this host. `zone` is its conntrack zone, 1..65535, unique on the host. */
export const DesiredNetwork = record({
  id: Type.String({ maxLength: 128 }),
  name: Type.String({ maxLength: 255 }),
  bridge: Type.String({ maxLength: 15 }),
  vlan: Type.Union([Type.Integer({ minimum: 1, maximum: 4094 }), Type.Null()]),
  zone: Type.Integer({ minimum: 1, maximum: 65535 }),
});
export type DesiredNetwork = Static<typeof DesiredNetwork>;

/** IP protocol number (null: any), destination ports as inclusive ranges (null: all), ICMP types (null: all). */
export const DesiredService = record({
  protocol: Type.Union([Type.Integer({ minimum: 0, maximum: 255 }), Type.Null()]),
  ports: Type.Union([Type.Array(Type.Tuple([Type.Integer(), Type.Integer()])), Type.Null()]),
  icmpTypes: Type.Union([Type.Array(Type.Integer({ minimum: 0, maximum: 255 })), Type.Null()]),
});
export type DesiredService = Static<typeof DesiredService>;

/**
 * One rule, first match wins. `id` is global and readable: `<tenant or "-">/<policy>/<rule>`, or
 * `default/<within|between|ingress|egress>`. `peers`: "any", "host", or ids of address sets. Empty
 * `services` means all traffic. A staged rule decides nothing and is evaluated beside the others.
 */
export const DesiredRule = record({
  id: Type.String({ maxLength: 255 }),
  action: oneOf(ACTIONS),
  staged: Type.Boolean(),
  peers: Type.Array(Type.Union([oneOf(['any', 'host']), record({ set: Type.String({ maxLength: 255 }) })])),
  services: Type.Array(DesiredService),
  log: Type.Boolean(),
  /** Of `inspect`: what becomes of the traffic while no gateway works. */
  failure: Type.Optional(oneOf(FAILURE_MODES)),
});
export type DesiredRule = Static<typeof DesiredRule>;

/** An ordered rule list for one direction of one or more NICs of one network. Its last enforced rule matches everything. */
export const DesiredChain = record({ id: Type.String({ maxLength: 128 }), rules: Type.Array(DesiredRule) });
export type DesiredChain = Static<typeof DesiredChain>;

/** Addresses of a group on one network: canonical CIDRs, both families, disjoint and sorted. */
export const DesiredSet = record({
  id: Type.String({ maxLength: 255 }),
  network: Type.String({ maxLength: 128 }),
  elements: Type.Array(Type.String({ maxLength: 49 })),
});
export type DesiredSet = Static<typeof DesiredSet>;

/** What a NIC may take; null: as much as there is. Rates in packets or connections a second, and kbit/s. */
export const DesiredLimits = record({
  connections: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]),
  connectionsPerSecond: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]),
  synsPerSecond: Type.Integer({ minimum: 1 }),
  sendKbps: Type.Union([Type.Integer({ minimum: 64 }), Type.Null()]),
  receiveKbps: Type.Union([Type.Integer({ minimum: 64 }), Type.Null()]),
});
export type DesiredLimits = Static<typeof DesiredLimits>;

/**
 * A NIC by VM and MAC. `mode: observe` changes no packet; `enforce` guards the tap and applies the chains.
 * `addresses`: IPs and prefixes it may use as a source (link-local of its MAC is always allowed).
 */
export const DesiredNic = record({
  id: Type.String({ maxLength: 64, description: '<vm uuid>/<mac>' }),
  vm: Uuid,
  name: Type.String({ maxLength: 255 }),
  tenant: Type.Union([Name, Type.Null()]),
  mac: Mac,
  network: Type.String({ maxLength: 128 }),
  mode: oneOf(['observe', 'enforce']),
  addresses: Type.Array(Type.String({ maxLength: 49 })),
  out: Type.String({ maxLength: 128, description: 'Chain for what the VM sends' }),
  in: Type.String({ maxLength: 128, description: 'Chain for what the VM receives' }),
  /** Left out: no more than the host's safe defaults. */
  limits: Type.Optional(DesiredLimits),
});
export type DesiredNic = Static<typeof DesiredNic>;

/**
 * Whose allowed traffic goes through a gateway: that of these NICs, in both directions, to these services (none: all).
 * Of several that match a connection the strictest counts: inline before mirror, closed before open; `order` and then
 * `id` say which of equals is named.
 */
export const DesiredInsertion = record({
  id: Type.String({ maxLength: 128, description: '<tenant or "-">/<name>' }),
  order: Type.Integer({ minimum: 0 }),
  nics: Type.Array(Type.String({ maxLength: 64 })),
  mode: oneOf(INSERTION_MODES),
  failure: oneOf(FAILURE_MODES),
  services: Type.Array(DesiredService),
});
export type DesiredInsertion = Static<typeof DesiredInsertion>;

/** Gateways to run here. `image`: its version, null for the newest on the host. */
export const DesiredGateway = record({
  id: Type.String({ maxLength: 63, description: 'Name of the Gateway document' }),
  form: oneOf(GATEWAY_FORMS),
  instances: Type.Integer({ minimum: 1, maximum: 7 }),
  vcpus: Type.Integer({ minimum: 1 }),
  memoryMiB: Type.Integer({ minimum: 1 }),
  image: Type.Union([Type.String({ maxLength: 64 }), Type.Null()]),
});
export type DesiredGateway = Static<typeof DesiredGateway>;

/** The rules all gateways are to have: sha256, hex, of their text, which the engine asks for when it has it not. */
export const DesiredRules = record({ id: Type.Literal('rules'), digest: Type.String({ maxLength: 64 }) });
export type DesiredRules = Static<typeof DesiredRules>;

/** The whole state of one host at one generation. */
export const DesiredState = record({
  generation: Type.Integer({ minimum: 0 }),
  networks: Type.Array(DesiredNetwork),
  nics: Type.Array(DesiredNic),
  chains: Type.Array(DesiredChain),
  sets: Type.Array(DesiredSet),
  insertions: Type.Array(DesiredInsertion),
  gateways: Type.Array(DesiredGateway),
  /** At most one. */
  rules: Type.Array(DesiredRules, { maxItems: 1 }),
});
export type DesiredState = Static<typeof DesiredState>;

const part = <T extends import('typebox').TSchema>(schema: T) =>
  record({ upsert: Type.Array(schema), remove: Type.Array(Type.String()) });

/** From generation `from` to `generation`. Sets travel as element changes when they already exist. */
export const DesiredDelta = record({
  from: Type.Integer({ minimum: 0 }),
  generation: Type.Integer({ minimum: 1 }),
  networks: part(DesiredNetwork),
  nics: part(DesiredNic),
  chains: part(DesiredChain),
  sets: part(DesiredSet),
  insertions: part(DesiredInsertion),
  gateways: part(DesiredGateway),
  rules: part(DesiredRules),
  elements: Type.Array(
    record({ set: Type.String(), add: Type.Array(Type.String()), remove: Type.Array(Type.String()) }),
  ),
});
export type DesiredDelta = Static<typeof DesiredDelta>;

export const EMPTY_STATE: DesiredState = {
  generation: 0,
  networks: [],
  nics: [],
  chains: [],
  sets: [],
  insertions: [],
  gateways: [],
  rules: [],
};
