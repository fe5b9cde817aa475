// Insertion: whose traffic goes through the host's security gateway, as the original or as a copy.
import { Type, type Static } from 'typebox';
import { oneOf, record, resource } from '../schema.ts';
import { AppliesTo } from './policy.ts';
import { PortSpec } from './service.ts';

export const INSERTION_MODES = ['inline', 'mirror'] as const;
export type InsertionMode = (typeof INSERTION_MODES)[number];
export const FAILURE_MODES = ['open', 'closed'] as const;
export type FailureMode = (typeof FAILURE_MODES)[number];

export const InsertionSpec = record({
  appliesTo: AppliesTo,
  mode: oneOf(INSERTION_MODES, {
    description:
      'inline: traffic passes through the gateway, which may drop it; mirror: the gateway gets a copy',
  }),
  failure: Type.Optional(
    oneOf(FAILURE_MODES, {
      default: 'open',
      description: 'Inline, while no gateway works: open lets traffic pass uninspected, closed drops it',
    }),
  ),
  services: Type.Optional(
    Type.Array(PortSpec, {
      minItems: 1,
      maxItems: 256,
      description: 'Only connections to these, in either direction; left out: everything the policies allow',
    }),
  ),
  description: Type.Optional(Type.String({ maxLength: 1000 })),
});
export const Insertion = resource(
  'Insertion',
  InsertionSpec,
  "Whose traffic goes through the host's gateway",
);
export type InsertionSpec = Static<typeof InsertionSpec>;
export type Insertion = Static<typeof Insertion>;
