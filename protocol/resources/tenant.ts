// Tenant: who owns VMs and users, and what its VMs may do where no rule of theirs speaks.
import { Type, type Static } from 'typebox';
import { oneOf, record, resource } from '../schema.ts';

const Default = oneOf(['allow', 'drop']);

export const TenantSpec = record({
  title: Type.Optional(Type.String({ maxLength: 200, description: 'Name people read' })),
  defaults: Type.Optional(
    record(
      {
        within: Type.Optional(Default),
        ingress: Type.Optional(Default),
        egress: Type.Optional(Default),
      },
      {
        description:
          'Verdict where no rule matches: within the tenant (allow), from outside addresses (drop), to outside addresses (allow). Between tenants it is always drop.',
      },
    ),
  ),
});
export const Tenant = resource('Tenant', TenantSpec, 'Owns VMs, users and policies');
export type TenantSpec = Static<typeof TenantSpec>;
export type Tenant = Static<typeof Tenant>;

export const TENANT_DEFAULTS = { within: 'allow', ingress: 'drop', egress: 'allow' } as const;
