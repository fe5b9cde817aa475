// What the map and the matrix show: groups first, the VMs of an opened group inside it, edges taken together; a
// cloud too large to draw is shown by tenant.
import type { Topology } from '@wocloud/protocol/views.ts';

export type Node = Topology['nodes'][number];
export type Verdict = Topology['edges'][number]['verdict'];

export interface ShownNode {
  id: string;
  type: Node['type'] | 'tenant';
  name: string;
  tenant: string | null;
  protection: Node['protection'];
  /** The opened group it stands in. */
  parent: string | null;
  /** VMs it stands for. */
  size: number;
  open: boolean;
}
/** `staged`: what staged policies would refuse. */
export interface ShownEdge {
  id: string;
  from: string;
  to: string;
  verdict: Verdict | 'staged';
  flows: number;
  bytes: number;
  services: string[];
  rules: string[];
}
export interface Graph {
  nodes: ShownNode[];
  edges: ShownEdge[];
  /** Shown by tenant, for there are too many. */
  clustered: boolean;
}

/** More than so many nodes are not drawn one by one. */
export const MOST_NODES = 500;

type Edge = Topology['edges'][number];
const keyOf = (from: string, to: string, verdict: string) => `${from} ${to} ${verdict}`;

/**
 * @param groups the topology by group.
 * @param vms the topology by VM, when a group is open.
 * @param open ids of opened groups.
 * @param staged the topology of flows that staged policies would refuse.
 */
export function shownGraph(
  groups: Topology,
  vms: Topology | undefined,
  open: ReadonlySet<string>,
  staged: Topology | undefined,
): Graph {
  const opened = vms ? groups.nodes.filter((n) => n.type === 'group' && open.has(n.id)) : [];
  const parentOf = new Map(opened.flatMap((g) => g.members.map((vm) => [vmId(vm), g.id] as const)));
  const groupOf = new Map(
    groups.nodes
      .filter((n) => n.type === 'group')
      .flatMap((g) => g.members.map((vm) => [vmId(vm), g.id] as const)),
  );
  const nodes = new Map<string, ShownNode>();
  for (const n of groups.nodes) nodes.set(n.id, shown(n, null, opened.includes(n)));
  for (const n of vms?.nodes ?? []) {
    const parent = parentOf.get(vmId(bare(n.id)));
    if (parent) nodes.set(n.id, shown(n, parent, false));
  }
  // An edge of the VM view belongs to the map when one of its ends stands in an opened group; its other end is
  // then its own node or the closed group it is in.
  const place = (id: string) => {
    const own = nodes.get(id);
    if (own) return own.id;
    const group = groupOf.get(vmId(bare(id)));
    return group && nodes.has(group) ? group : null;
  };
  const isOpen = (id: string) => opened.some((g) => g.id === id);
  const raw: Edge[] = [
    ...groups.edges.filter((e) => !isOpen(e.from) && !isOpen(e.to)),
    ...(vms?.edges ?? []).filter((e) => parentOf.has(vmId(bare(e.from))) || parentOf.has(vmId(bare(e.to)))),
  ];
  const edges = collect(raw, place, (e) => e.verdict);
  const refused = collect(staged?.edges ?? [], place, () => 'staged');
  const all = { nodes: [...nodes.values()], edges: [...edges, ...refused], clustered: false };
  return all.nodes.length > MOST_NODES ? byTenant(all) : all;
}

const bare = (id: string) => id.replace(/^vm[/:]/, '');
const vmId = (id: string) => bare(id);

function shown(n: Node, parent: string | null, open: boolean): ShownNode {
  return {
    id: n.id,
    type: n.type,
    name: n.name,
    tenant: n.tenant,
    protection: n.protection,
    parent,
    size: Math.max(1, n.members.length),
    open,
  };
}

/** Edges between places, those of the same ends and verdict as one. */
function collect(
  edges: readonly (Edge | ShownEdge)[],
  place: (id: string) => string | null,
  verdictOf: (edge: Edge | ShownEdge) => ShownEdge['verdict'],
): ShownEdge[] {
  const found = new Map<string, ShownEdge>();
  for (const e of edges) {
    const from = place(e.from);
    const to = place(e.to);
    if (!from || !to) continue;
    const verdict = verdictOf(e);
    const key = keyOf(from, to, verdict);
    const known = found.get(key);
    if (!known)
      found.set(key, {
        id: key,
        from,
        to,
        verdict,
        flows: e.flows,
        bytes: e.bytes,
        services: [...e.services],
        rules: [...e.rules],
      });
    else {
      known.flows += e.flows;
      known.bytes += e.bytes;
      known.services = [...new Set([...known.services, ...e.services])];
      known.rules = [...new Set([...known.rules, ...e.rules])];
    }
  }
  return [...found.values()];
}

const OUTSIDE = 'outside';

/** One node per tenant, one for everything outside. */
function byTenant(graph: Graph): Graph {
  const idOf = (n: ShownNode) => (n.type === 'external' ? OUTSIDE : `tenant/${n.tenant ?? '-'}`);
  const tenants = new Map<string, ShownNode>();
  const placeOf = new Map<string, string>();
  for (const n of graph.nodes) {
    const id = idOf(n);
    placeOf.set(n.id, id);
    const known = tenants.get(id);
    if (known) known.size += n.parent ? 0 : n.size;
    else
      tenants.set(id, {
        id,
        type: n.type === 'external' ? 'external' : 'tenant',
        name: n.type === 'external' ? OUTSIDE : (n.tenant ?? '-'),
        tenant: n.tenant,
        protection: null,
        parent: null,
        size: n.size,
        open: false,
      });
  }
  return {
    nodes: [...tenants.values()],
    edges: collect(
      graph.edges,
      (id) => placeOf.get(id) ?? null,
      (e) => e.verdict,
    ),
    clustered: true,
  };
}

/** Worst first: what an operator must see. */
const ORDER: readonly ShownEdge['verdict'][] = [
  'unprotected',
  'dropped',
  'rejected',
  'staged',
  'observed',
  'allowed',
];

/** Rows and columns of the matrix with what stands in each cell, worst first. */
export function matrix(graph: Graph): {
  from: ShownNode[];
  to: ShownNode[];
  cell: (from: string, to: string) => ShownEdge[];
} {
  const cells = new Map<string, ShownEdge[]>();
  for (const e of graph.edges) {
    const key = `${e.from} ${e.to}`;
    cells.set(key, [...(cells.get(key) ?? []), e]);
  }
  for (const list of cells.values()) list.sort((a, b) => ORDER.indexOf(a.verdict) - ORDER.indexOf(b.verdict));
  const ends = (side: 'from' | 'to') => {
    const ids = new Set(graph.edges.map((e) => e[side]));
    return graph.nodes.filter((n) => ids.has(n.id)).sort(inOrder);
  };
  return { from: ends('from'), to: ends('to'), cell: (from, to) => cells.get(`${from} ${to}`) ?? [] };
}

/** By tenant, then name; what is outside last. */
export function inOrder(a: ShownNode, b: ShownNode): number {
  const outside = Number(a.type === 'external') - Number(b.type === 'external');
  return (
    outside ||
    (a.tenant ?? '~').localeCompare(b.tenant ?? '~') ||
    a.name.localeCompare(b.name, 'en', { numeric: true })
  );
}

export interface Point {
  x: number;
  y: number;
}

/** Screens are wider than high. */
const WIDER = 1.25;
/** First places, and of small graphs the last: tenants around a circle, always the same for the same graph. */
export function startPlaces(nodes: readonly ShownNode[]): Map<string, Point> {
  const ordered = nodes.filter((n) => !n.open).toSorted(inOrder);
  const radius = 60 + ordered.length * 17;
  return new Map(
    ordered.map((n, i) => {
      const angle = (i / Math.max(1, ordered.length)) * 2 * Math.PI;
      return [n.id, { x: Math.cos(angle) * radius * WIDER, y: Math.sin(angle) * radius }];
    }),
  );
}

/** So few stand on a circle; more, or opened groups, are laid out by their traffic. */
const CIRCLE_MOST = 14;
export const onCircle = (nodes: readonly ShownNode[]): boolean =>
  nodes.length <= CIRCLE_MOST && nodes.every((n) => n.parent === null);

/** The node one comes to by an arrow key: the nearest in that direction, straight ahead preferred. */
export function nextNode(
  places: ReadonlyMap<string, Point>,
  from: string,
  dx: number,
  dy: number,
): string | null {
  const here = places.get(from);
  if (!here) return places.keys().next().value ?? null;
  let best: string | null = null;
  let least = Infinity;
  for (const [id, p] of places) {
    const along = (p.x - here.x) * dx + (p.y - here.y) * dy;
    const aside = Math.abs((p.x - here.x) * dy) + Math.abs((p.y - here.y) * dx);
    if (id === from || along <= 1 || aside > along * 2) continue;
    const cost = along + aside * 2;
    if (cost < least) {
      least = cost;
      best = id;
    }
  }
  return best;
}
