// The first packet of a connection, as policy sees it: two ends, a protocol, a port or an ICMP type.
import type { DesiredService } from '@wocloud/protocol/desired.ts';
import { isIcmp } from './services.ts';

/** How the peer is reached. Groups and VMs are known by their network alone, so only `network` can match them. */
export type Relation = 'network' | 'routed' | 'host';

export interface Headers {
  protocol: number;
  /** Destination port; 0 where the protocol has none. */
  port: number;
  /** For ICMP and ICMPv6. */
  icmpType: number;
}

/** `services` empty: all traffic. */
export function matchesServices(services: readonly DesiredService[], headers: Headers): boolean {
  return services.length === 0 || services.some((service) => matchesService(service, headers));
}

export function matchesService(service: DesiredService, { protocol, port, icmpType }: Headers): boolean {
  if (service.protocol !== null && service.protocol !== protocol) return false;
  if (service.icmpTypes && !(isIcmp(protocol) && service.icmpTypes.includes(icmpType))) return false;
  return service.ports === null || service.ports.some(([first, last]) => port >= first && port <= last);
}
