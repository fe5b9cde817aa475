// Group: VMs by label selector or name, or addresses by CIDR. A VM enters and leaves as its labels change.
import { Type, type Static } from 'typebox';
import { Cidr, record, resource } from '../schema.ts';

export const Selector = Type.String({
  minLength: 1,
  maxLength: 500,
  description: 'Label selector: app=web, env!=prod, tier in (web, app), !legacy; joined by commas',
});

export const GroupSpec = record(
  {
    selector: Type.Optional(Selector),
    cidrs: Type.Optional(Type.Array(Cidr, { maxItems: 10_000, uniqueItems: true })),
    members: Type.Optional(
      Type.Array(Type.String({ minLength: 1, maxLength: 255, description: 'VM name' }), {
        maxItems: 10_000,
        uniqueItems: true,
      }),
    ),
    description: Type.Optional(Type.String({ maxLength: 1000 })),
  },
  { minProperties: 1 },
);
export const Group = resource('Group', GroupSpec, 'VMs by selector or name, addresses by CIDR');
export type GroupSpec = Static<typeof GroupSpec>;
export type Group = Static<typeof Group>;
