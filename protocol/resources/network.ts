// Network: one L2 segment. Each host's bridge (and VLAN) is a network of its own until a document joins them.
import { Type, type Static } from 'typebox';
import { Name, record, resource } from '../schema.ts';

export const NetworkSpec = record({
  members: Type.Array(
    record({
      host: Type.String({ minLength: 1, maxLength: 253, description: 'Host name' }),
      bridge: Type.String({ pattern: '^[^\\s/]{1,15}$', description: 'Bridge interface' }),
      vlan: Type.Optional(Type.Integer({ minimum: 1, maximum: 4094 })),
    }),
    { minItems: 1, maxItems: 10_000 },
  ),
  tenant: Type.Optional(Name),
  description: Type.Optional(Type.String({ maxLength: 1000 })),
});
export const Network = resource('Network', NetworkSpec, 'Bridges of several hosts that are one L2 segment');
export type NetworkSpec = Static<typeof NetworkSpec>;
export type Network = Static<typeof Network>;
