// Gateway: the security gateways of a host, as VMs or as containers; several share its flows.
import { Type, type Static } from 'typebox';
import { oneOf, record, resource } from '../schema.ts';

export const GATEWAY_FORMS = ['vm', 'container'] as const;
export type GatewayForm = (typeof GATEWAY_FORMS)[number];
/** Instances a host can have at a time, those of an upgrade under way included: what a packet mark can name. */
export const MAX_INSTANCES = 15;

export const GatewaySpec = record({
  host: Type.String({ minLength: 1, maxLength: 253, description: 'Host name' }),
  form: Type.Optional(
    oneOf(GATEWAY_FORMS, {
      default: 'vm',
      description: 'vm: a VM of its own; container: a namespace of the host, for hosts without room for a VM',
    }),
  ),
  instances: Type.Optional(
    Type.Integer({ minimum: 1, maximum: 7, default: 1, description: 'How many share the flows of the host' }),
  ),
  vcpus: Type.Optional(Type.Integer({ minimum: 1, maximum: 64, default: 1 })),
  memoryMiB: Type.Optional(Type.Integer({ minimum: 256, maximum: 65_536, default: 768 })),
  image: Type.Optional(
    Type.String({
      pattern: '^[0-9a-f]{16}$',
      description: 'Version of the gateway image; left out: the newest that is on the host',
    }),
  ),
  description: Type.Optional(Type.String({ maxLength: 1000 })),
});
export const Gateway = resource('Gateway', GatewaySpec, 'Security gateways of a host');
export type GatewaySpec = Static<typeof GatewaySpec>;
export type Gateway = Static<typeof Gateway>;
