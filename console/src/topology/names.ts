// How nodes are called, and how the flows of an edge are asked for.
import { printFilter, type FlowFilter } from '@wocloud/protocol/filter.ts';
import type { VmView } from '@wocloud/protocol/views.ts';
import { useCallback } from 'react';
import { useWords } from '../i18n/language.ts';
import type { Node, ShownEdge, ShownNode } from './graph.ts';

const OUTSIDE = ['external', 'outside'];

/** A node's name; what stands for all outside is called so in the language chosen. */
export function useNodeName(): (node: ShownNode) => string {
  const { t } = useWords();
  return useCallback(
    (node) => (node.type === 'external' && OUTSIDE.includes(node.name) ? t('topology.external') : node.name),
    [t],
  );
}

/** The most names a filter may carry per field. */
const MOST = 50;

/** The filter that shows an edge's flows; ends that are groups become their VMs. */
export function edgeFilter(edge: ShownEdge, nodes: readonly Node[], vms: readonly VmView[]): string {
  const nameOf = new Map(vms.map((v) => [v.id, v.name]));
  const ends = (id: string): string[] => {
    const node = nodes.find((n) => n.id === id);
    if (!node || (node.type === 'external' && OUTSIDE.includes(node.name))) return [];
    const names = node.type === 'group' ? node.members.map((m) => nameOf.get(m) ?? m) : [node.name];
    return names.slice(0, MOST);
  };
  const verdict: FlowFilter =
    edge.verdict === 'staged'
      ? { staged: ['dropped', 'rejected'] }
      : { verdict: [edge.verdict === 'unprotected' ? 'observed' : edge.verdict] };
  const from = ends(edge.from);
  const to = ends(edge.to);
  return printFilter({ ...(from.length ? { from } : {}), ...(to.length ? { to } : {}), ...verdict });
}
