// What no policy can stop, because a VM without it is not on the network at all: DHCP as a client, neighbour discovery.
// The guard at the tap has already refused what is forged or belongs to servers and routers.
import type { Direction } from './rules.ts';
import type { Headers } from './packet.ts';

/** Router and neighbour solicitation and advertisement; redirects are not among them. */
export const ND_TYPES: readonly number[] = [133, 134, 135, 136];
/** Multicast listener queries and reports: essential towards group addresses only. */
export const MLD_TYPES: readonly number[] = [130, 131, 132, 143];
export const IGMP = 2;

/** UDP source and destination port pairs, as the VM sends (out) and receives (in). */
export const DHCP_PORTS: Readonly<Record<Direction, readonly (readonly [number, number])[]>> = {
  out: [
    [68, 67],
    [546, 547],
  ],
  in: [
    [67, 68],
    [547, 546],
  ],
};

/** `sourcePort` 0: unknown, so not DHCP. `group`: the destination is a multicast or broadcast address. */
export function essential(
  direction: Direction,
  headers: Headers,
  sourcePort: number,
  group: boolean,
): 'nd' | 'dhcp' | 'membership' | null {
  const { protocol, port, icmpType } = headers;
  if (protocol === 58 && ND_TYPES.includes(icmpType)) return 'nd';
  if (group && (protocol === IGMP || (protocol === 58 && MLD_TYPES.includes(icmpType)))) return 'membership';
  if (protocol === 17 && DHCP_PORTS[direction].some(([from, to]) => from === sourcePort && to === port))
    return 'dhcp';
  return null;
}
