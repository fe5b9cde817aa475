// Opening a group shows its VMs inside and moves its edges to them; nothing is counted twice; thousands become tenants.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Topology } from '@wocloud/protocol/views.ts';
import { MOST_NODES, matrix, nextNode, shownGraph, startPlaces } from './graph.ts';

const node = (
  id: string,
  type: 'vm' | 'group' | 'external',
  tenant: string | null,
  members: string[] = [],
) => ({
  id,
  type,
  name: id.split('/').at(-1)!,
  tenant,
  state: null,
  protection: null,
  members,
});
const edge = (from: string, to: string, verdict: Topology['edges'][number]['verdict'], flows = 1) => ({
  from,
  to,
  verdict,
  flows,
  bytes: flows * 100,
  services: ['tcp/443'],
  rules: [],
});
const groups: Topology = {
  nodes: [
    node('group/acme/web', 'group', 'acme', ['w1', 'w2']),
    node('group/acme/db', 'group', 'acme', ['d1']),
    node('ip/9.9.9.9', 'external', null),
  ],
  edges: [
    edge('group/acme/web', 'group/acme/db', 'allowed', 5),
    edge('group/acme/web', 'ip/9.9.9.9', 'dropped', 2),
  ],
};
const vms: Topology = {
  nodes: [
    node('vm/w1', 'vm', 'acme'),
    node('vm/w2', 'vm', 'acme'),
    node('vm/d1', 'vm', 'acme'),
    node('ip/9.9.9.9', 'external', null),
  ],
  edges: [
    edge('vm/w1', 'vm/d1', 'allowed', 3),
    edge('vm/w2', 'vm/d1', 'allowed', 2),
    edge('vm/w1', 'ip/9.9.9.9', 'dropped', 2),
  ],
};
const flows = (edges: readonly { flows: number }[]) => edges.reduce((n, e) => n + e.flows, 0);

await test('closed groups stand as they are', () => {
  const graph = shownGraph(groups, undefined, new Set(), undefined);
  assert.equal(graph.nodes.length, 3);
  assert.equal(flows(graph.edges), 7);
});

await test('an opened group holds its VMs, and its edges are theirs, no flow counted twice', () => {
  const graph = shownGraph(groups, vms, new Set(['group/acme/web']), undefined);
  assert.deepEqual(
    graph.nodes.filter((n) => n.parent).map((n) => n.id),
    ['vm/w1', 'vm/w2'],
  );
  assert.equal(flows(graph.edges), 7);
  assert.ok(graph.edges.some((e) => e.from === 'vm/w1' && e.to === 'group/acme/db' && e.flows === 3));
  assert.ok(!graph.edges.some((e) => e.from === 'group/acme/web'));
});

await test('what staged policies would refuse is an edge of its own', () => {
  const staged: Topology = {
    nodes: groups.nodes,
    edges: [edge('group/acme/web', 'group/acme/db', 'observed', 4)],
  };
  const graph = shownGraph(groups, undefined, new Set(), staged);
  assert.equal(graph.edges.find((e) => e.verdict === 'staged')?.flows, 4);
});

await test('too many nodes are shown by tenant with all their flows', () => {
  const nodes = Array.from({ length: MOST_NODES + 1 }, (_, i) =>
    node(`vm/${i}`, 'vm', i % 2 ? 'acme' : 'globex'),
  );
  const graph = shownGraph(
    { nodes, edges: [edge('vm/0', 'vm/1', 'allowed', 3), edge('vm/2', 'vm/3', 'allowed', 4)] },
    undefined,
    new Set(),
    undefined,
  );
  assert.ok(graph.clustered);
  assert.equal(graph.nodes.length, 2);
  assert.deepEqual(
    graph.edges.map((e) => [e.from, e.to, e.flows]),
    [['tenant/globex', 'tenant/acme', 7]],
  );
});

await test('the matrix has the worst first in each cell', () => {
  const m = matrix(
    shownGraph(
      { ...groups, edges: [...groups.edges, edge('group/acme/web', 'group/acme/db', 'dropped')] },
      undefined,
      new Set(),
      undefined,
    ),
  );
  assert.deepEqual(
    m.cell('group/acme/web', 'group/acme/db').map((e) => e.verdict),
    ['dropped', 'allowed'],
  );
  assert.deepEqual(
    m.from.map((n) => n.name),
    ['web'],
  );
  assert.deepEqual(
    m.to.map((n) => n.name),
    ['db', '9.9.9.9'],
  );
});

await test('first places are the same each time, and arrow keys go to the nearest ahead', () => {
  const graph = shownGraph(groups, undefined, new Set(), undefined);
  assert.deepEqual(startPlaces(graph.nodes), startPlaces(graph.nodes.toReversed()));
  const places = new Map([
    ['a', { x: 0, y: 0 }],
    ['b', { x: 100, y: 10 }],
    ['c', { x: 50, y: 80 }],
    ['d', { x: -100, y: 0 }],
  ]);
  assert.equal(nextNode(places, 'a', 1, 0), 'b');
  assert.equal(nextNode(places, 'a', 0, 1), 'c');
  assert.equal(nextNode(places, 'd', -1, 0), null);
});
