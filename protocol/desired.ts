// What a host should be: numbered, immutable, made of keyed objects so that a change travels as a delta.
// Compiled by the platform (policy/plan), rendered and proven by the engine (policy/render, engine/filter).
import { Type, type Static } from 'typebox';
import { Mac, Name, Uuid, oneOf, record } from './schema.ts';
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
});
export type DesiredNic = Static<typeof DesiredNic>;

/** The whole state of one host at one generation. */
export const DesiredState = record({
  generation: Type.Integer({ minimum: 0 }),
  networks: Type.Array(DesiredNetwork),
  nics: Type.Array(DesiredNic),
  chains: Type.Array(DesiredChain),
  sets: Type.Array(DesiredSet),
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
  elements: Type.Array(
    record({ set: Type.String(), add: Type.Array(Type.String()), remove: Type.Array(Type.String()) }),
  ),
});
export type DesiredDelta = Static<typeof DesiredDelta>;

export const EMPTY_STATE: DesiredState = { generation: 0, networks: [], nics: [], chains: [], sets: [] };
