// Policy: an ordered list of rules for some VMs. Tiers, then priority, then order; the first match wins.
import { Type, type Static } from 'typebox';
import { Cidr, Name, oneOf, record, resource } from '../schema.ts';
import { Selector } from './group.ts';
import { PortSpec } from './service.ts';

export const TIERS = ['emergency', 'platform', 'tenant', 'baseline'] as const;
export type Tier = (typeof TIERS)[number];
export const ACTIONS = ['allow', 'drop', 'reject', 'inspect'] as const;
export type Action = (typeof ACTIONS)[number];
export const DIRECTIONS = ['in', 'out', 'both'] as const;

const InTenant = { tenant: Type.Optional(Name) };
const VmName = Type.String({ minLength: 1, maxLength: 255, description: 'VM name' });

/** The other end of a flow. `any` is every address, `host` the KVM host the VM runs on. */
export const Peer = Type.Union(
  [
    oneOf(['any', 'host']),
    record({ selector: Selector, ...InTenant }),
    record({ group: Name, ...InTenant }),
    record({ vm: VmName, ...InTenant }),
    record({ cidr: Cidr }),
    record({ tenant: Name }),
  ],
  {
    description:
      'any, host, or one of {selector}, {group}, {vm}, {cidr}, {tenant}; tenant: names another tenant',
  },
);
export type Peer = Static<typeof Peer>;

export const Rule = record({
  name: Name,
  direction: oneOf(DIRECTIONS, { description: 'Seen from the VM the policy applies to' }),
  action: oneOf(ACTIONS),
  from: Type.Optional(
    Type.Array(Peer, { minItems: 1, maxItems: 1000, description: 'Sources, for direction in or both' }),
  ),
  to: Type.Optional(
    Type.Array(Peer, { minItems: 1, maxItems: 1000, description: 'Destinations, for direction out or both' }),
  ),
  services: Type.Optional(Type.Array(PortSpec, { minItems: 1, maxItems: 1000 })),
  failure: Type.Optional(
    oneOf(['open', 'closed'], {
      default: 'open',
      description:
        'With inspect, while no gateway works: open lets traffic pass uninspected, closed drops it',
    }),
  ),
  log: Type.Optional(Type.Boolean({ description: 'Alert-grade logging of each match' })),
  description: Type.Optional(Type.String({ maxLength: 1000 })),
});
export type Rule = Static<typeof Rule>;

export const AppliesTo = Type.Union(
  [
    Type.Literal('all'),
    record({ selector: Selector, ...InTenant }),
    record({ group: Name, ...InTenant }),
    record({ vm: VmName, ...InTenant }),
    record({ tenant: Name }),
  ],
  { description: "The VMs this policy is for; within the policy's own tenant unless tenant: says otherwise" },
);
export type AppliesTo = Static<typeof AppliesTo>;

export const PolicySpec = record({
  tier: oneOf(TIERS, { default: 'tenant' }),
  priority: Type.Integer({ minimum: 0, maximum: 65535, description: 'Lower comes first within the tier' }),
  mode: oneOf(['enforce', 'staged'], {
    default: 'enforce',
    description: 'staged changes nothing, and shows what it would do',
  }),
  appliesTo: AppliesTo,
  rules: Type.Array(Rule, { minItems: 1, maxItems: 1000 }),
  description: Type.Optional(Type.String({ maxLength: 1000 })),
});
export const Policy = resource('Policy', PolicySpec, 'What some VMs may talk to, and who may talk to them');
export type PolicySpec = Static<typeof PolicySpec>;
export type Policy = Static<typeof Policy>;
