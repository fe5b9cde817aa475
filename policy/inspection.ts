// The reference semantics of inspection: whether a connection that is allowed goes through a gateway, on whose word,
// and what becomes of it where none can see it (decision 0007).
import { DHCP_PORTS, IGMP, MLD_TYPES, ND_TYPES } from './essential.ts';
import type { FailureMode, InsertionMode } from '@wocloud/protocol/resources/insertion.ts';
import { expandInsertion, insertsVm, strictness, type ExpandedInsertion } from './insertions.ts';
import type { InventoryNic, InventoryVm, World } from './model.ts';
import { matchesServices, type Headers, type Relation } from './packet.ts';
import { ServiceIndex } from './rules.ts';
import { GroupIndex } from './selection.ts';
import type { Match } from './verdict.ts';

/**
 * Why no gateway can see a connection: the host itself is an end, or it is routed and not between two NICs that are
 * enforced on that host, or a MAC address is that of two NICs there. Open passes then, closed is dropped.
 */
export type Obstacle = 'host' | 'routed' | 'mac';

export interface Inspection {
  mode: InsertionMode;
  failure: FailureMode;
  /** Insertion (`acme/web`) or rule (`acme/web/https-in`). */
  by: string;
  obstacle: Obstacle | null;
}

export interface InspectedEnd {
  vm: InventoryVm;
  nic: InventoryNic;
  /** The rule that let it pass here. */
  rule: Match;
}

export interface InspectedPacket {
  relation: Relation;
  headers: Headers;
  sourcePort: number;
  /** Sent to many. */
  group: boolean;
  from: InspectedEnd | null;
  to: InspectedEnd | null;
}

/** Of a packet that both ends allow; null when nobody wants it inspected. The strictest of all that do counts. */
export function inspectionOf(world: World, packet: InspectedPacket): Inspection | null {
  if (packet.group || isNeverInspected(packet)) return null;
  const ends = [packet.from, packet.to].filter((end) => end?.vm.mode === 'enforce') as InspectedEnd[];
  const found: Inspection[] = [];
  for (const host of new Set(ends.map((end) => end.vm.host))) {
    const here = ends.filter((end) => end.vm.host === host);
    const obstacle = obstacleOn(world, host, packet);
    for (const insertion of insertionsOf(world))
      if (
        here.some((end) => insertsVm(insertion, end.vm)) &&
        matchesServices(insertion.services, packet.headers)
      )
        found.push({ mode: insertion.mode, failure: insertion.failure, by: insertion.id, obstacle });
    for (const { rule } of here)
      if (rule.action === 'inspect')
        found.push({ mode: 'inline', failure: rule.failure ?? 'open', by: rule.rule, obstacle });
  }
  // Sorting keeps the order of equals: the platform's insertions, the tenants', rules.
  return found.sort((a, b) => rank(a) - rank(b))[0] ?? null;
}

const rank = (one: Inspection): number => strictness(one) - (one.obstacle === null ? 0 : 0.5);

function insertionsOf({ documents }: World): ExpandedInsertion[] {
  const groups = new GroupIndex(documents.groups);
  const services = new ServiceIndex(documents.services);
  return (documents.insertions ?? [])
    .flatMap((insertion) => expandInsertion(insertion, groups, services, []) ?? [])
    .sort((a, b) => a.order - b.order || (a.id < b.id ? -1 : 1));
}

/** Neighbour discovery, DHCP and group membership: without them a VM is not on the network at all. */
function isNeverInspected({ headers: { protocol, port, icmpType }, sourcePort }: InspectedPacket): boolean {
  if (protocol === IGMP) return true;
  if (protocol === 58) return [...ND_TYPES, ...MLD_TYPES].includes(icmpType);
  const pairs = [...DHCP_PORTS.out, ...DHCP_PORTS.in];
  return protocol === 17 && pairs.some(([from, to]) => from === sourcePort && to === port);
}

function obstacleOn(world: World, host: string, { relation, from, to }: InspectedPacket): Obstacle | null {
  if (relation === 'host') return 'host';
  const isHere = (end: InspectedEnd | null) => end?.vm.mode === 'enforce' && end.vm.host === host;
  if (relation === 'routed' && !(isHere(from) && isHere(to))) return 'routed';
  const having = (mac: string) =>
    world.vms
      .filter((vm) => vm.mode === 'enforce' && vm.host === host)
      .flatMap((vm) => vm.nics.filter((nic) => nic.mac === mac)).length;
  const isClear = (end: InspectedEnd | null) => end === null || having(end.nic.mac) === (isHere(end) ? 1 : 0);
  return isClear(from) && isClear(to) ? null : 'mac';
}
