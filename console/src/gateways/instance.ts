// How gateway instances are named and ordered: what needs a person first.
import { INSTANCE_STATES } from '@wocloud/protocol/reports.ts';
import type { GatewayView } from '@wocloud/protocol/views.ts';
import type { State } from '../state/StateWord.tsx';

export type InstanceState = (typeof INSTANCE_STATES)[number];

/** The word and shape of its state; of a host that is not heard from nothing is known. */
export const stateOf = (instance: Pick<GatewayView, 'state' | 'stale'>): State =>
  instance.stale ? 'stale' : instance.state === 'failed' ? 'gateway-failed' : instance.state;

const URGENCY: readonly State[] = ['gateway-failed', 'degraded', 'stale', 'starting', 'draining', 'working'];

/** Lower needs a person sooner. */
export const urgency = (instance: Pick<GatewayView, 'state' | 'stale'>) => URGENCY.indexOf(stateOf(instance));

/** The worst first, then host by host. */
export const byUrgency = (a: GatewayView, b: GatewayView) =>
  urgency(a) - urgency(b) || a.hostName.localeCompare(b.hostName) || a.id.localeCompare(b.id);

/** An instance's id is its own on one host only. */
export const instanceKey = (instance: Pick<GatewayView, 'host' | 'id'>) => `${instance.host}/${instance.id}`;

/** What a counter is called where people know it by a name. */
export const COUNTERS = [
  'packets',
  'dropped',
  'lost',
  'cut',
  'restarts',
  'probes',
  'probesLost',
  'freeKiB',
] as const;

export const counter = (instance: GatewayView, name: (typeof COUNTERS)[number]) =>
  instance.counters[name] ?? null;
