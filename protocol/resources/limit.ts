// Limit: how much of the network some VMs may take, so that none starves another.
import { Type, type Static } from 'typebox';
import { record, resource } from '../schema.ts';
import { AppliesTo } from './policy.ts';

const count = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 1, maximum: 10_000_000, description }));
const rate = (description: string) =>
  Type.Optional(Type.Integer({ minimum: 64, maximum: 400_000_000, description }));

export const LimitSpec = record({
  appliesTo: AppliesTo,
  connections: count('Connections at a time, opened by the VM'),
  connectionsPerSecond: count('New connections a second, opened by the VM'),
  synsPerSecond: count(
    'TCP connection attempts a second to one destination and port (2,000 where no limit speaks)',
  ),
  sendKbps: rate('What the VM may send, in kbit/s'),
  receiveKbps: rate('What the VM may receive, in kbit/s'),
  description: Type.Optional(Type.String({ maxLength: 1000 })),
});
export const Limit = resource('Limit', LimitSpec, 'How much of the network some VMs may take');
export type LimitSpec = Static<typeof LimitSpec>;
export type Limit = Static<typeof Limit>;

/** Where no Limit speaks: more than any client opens to one port, less than what hurts a host. */
export const DEFAULT_SYNS_PER_SECOND = 2_000;
