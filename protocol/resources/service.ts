// Service: a name for protocols and ports, usable in rules wherever a port is.
import { Type, type Static } from 'typebox';
import { record, resource } from '../schema.ts';

export const PortSpec = Type.String({
  minLength: 1,
  maxLength: 63,
  pattern: '^[a-z0-9][a-z0-9./_-]*$',
  description:
    'tcp/443, udp/5000-5100, icmp, icmp/8, icmpv6/128, sctp/38412, proto/47, any; or the name of a Service',
});

export const ServiceSpec = record({
  ports: Type.Array(PortSpec, { minItems: 1, maxItems: 256, uniqueItems: true }),
  description: Type.Optional(Type.String({ maxLength: 1000 })),
});
export const Service = resource('Service', ServiceSpec, 'Named protocols and ports');
export type ServiceSpec = Static<typeof ServiceSpec>;
export type Service = Static<typeof Service>;
