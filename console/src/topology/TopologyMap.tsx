// The map: groups and VMs as nodes, traffic as arrows. Walked by arrow keys as well as by pointer.
import cytoscape, { type Core } from 'cytoscape';
import { Button } from '@patternfly/react-core';
import ExpandIcon from '@patternfly/react-icons/dist/esm/icons/expand-icon';
import SearchMinusIcon from '@patternfly/react-icons/dist/esm/icons/search-minus-icon';
import SearchPlusIcon from '@patternfly/react-icons/dist/esm/icons/search-plus-icon';
import { useEffect, useRef, useState, type KeyboardEvent } from 'react';
import { shortCount } from '../format/bytes.ts';
import { useWords } from '../i18n/language.ts';
import { useDark } from '../shell/appearance.ts';
import { nextNode, onCircle, startPlaces, type Graph, type ShownEdge, type ShownNode } from './graph.ts';
import { DARK, EDGE_SIGNS, LIGHT, sheet } from './look.ts';
import { useNodeName } from './names.ts';

interface Props {
  graph: Graph;
  onNode: (node: ShownNode) => void;
  onEdge: (edge: ShownEdge | null) => void;
  edge: ShownEdge | null;
}

const ARROWS: Record<string, [number, number]> = {
  ArrowRight: [1, 0],
  ArrowLeft: [-1, 0],
  ArrowDown: [0, 1],
  ArrowUp: [0, -1],
};

/** Cytoscape adds a style element unless one of this id is there; the page's policy forbids style elements. */
function forestallStyleElement(): void {
  const id = '__________cytoscape_stylesheet';
  if (document.getElementById(id)) return;
  const mark = document.createElement('meta');
  mark.id = id;
  document.head.append(mark);
}

export default function TopologyMap({ graph, onNode, onEdge, edge }: Props) {
  const { t, language } = useWords();
  const dark = useDark();
  const nameOf = useNodeName();
  const place = useRef<HTMLDivElement>(null);
  const core = useRef<Core | null>(null);
  const latest = useRef({ graph, onNode, onEdge });
  latest.current = { graph, onNode, onEdge };
  const [focused, setFocused] = useState<string | null>(null);

  useEffect(() => {
    forestallStyleElement();
    const cy = cytoscape({ container: place.current!, minZoom: 0.2, maxZoom: 3 });
    core.current = cy;
    cy.on('tap', 'node', (event) => {
      const node = latest.current.graph.nodes.find((n) => n.id === event.target.id());
      if (node) latest.current.onNode(node);
    });
    cy.on('tap', 'edge', (event) => {
      latest.current.onEdge(latest.current.graph.edges.find((e) => e.id === event.target.id()) ?? null);
    });
    cy.on('tap', (event) => {
      if (event.target === cy) latest.current.onEdge(null);
    });
    const resized = new ResizeObserver(() => {
      cy.resize();
      cy.fit(undefined, 40);
    });
    resized.observe(place.current!);
    return () => {
      resized.disconnect();
      cy.destroy();
    };
  }, []);

  const shape =
    graph.nodes.map((n) => `${n.id}${n.parent ?? ''}`).join() + graph.edges.map((e) => e.id).join();
  useEffect(() => {
    const cy = core.current;
    if (!cy) return;
    const starts = startPlaces(graph.nodes);
    const before = new Map(cy.nodes().map((n) => [n.id(), { ...n.position() }]));
    cy.batch(() => {
      cy.elements().remove();
      for (const n of graph.nodes.toSorted((a, b) => Number(a.parent !== null) - Number(b.parent !== null)))
        cy.add({
          group: 'nodes',
          data: {
            id: n.id,
            ...(n.parent ? { parent: n.parent } : {}),
            label: labelOf(n, nameOf(n), n.protection === 'unprotected' ? t('state.unprotected') : ''),
            size: 34 + Math.min(30, Math.sqrt(n.size) * 6),
          },
          classes: [n.type, n.protection ?? ''].filter(Boolean),
          position: { ...(before.get(n.id) ?? starts.get(n.id) ?? { x: 0, y: 0 }) },
        });
      for (const e of graph.edges)
        cy.add({
          group: 'edges',
          data: {
            id: e.id,
            source: e.from,
            target: e.to,
            width: 1.5 + Math.min(5, Math.log10(e.flows + 1) * 1.6),
            label: e.verdict === 'allowed' ? '' : `${EDGE_SIGNS[e.verdict]} ${shortCount(e.flows, language)}`,
          },
          classes: e.verdict,
        });
    });
    if (onCircle(graph.nodes)) {
      for (const [id, at] of starts) cy.getElementById(id).position({ ...at });
      cy.fit(undefined, 40);
      return;
    }
    cy.layout({
      name: 'cose',
      animate: false,
      randomize: false,
      fit: true,
      padding: 40,
      nodeDimensionsIncludeLabels: true,
      nodeOverlap: 30,
      idealEdgeLength: () => 130,
      nodeRepulsion: () => 1_600_000,
      componentSpacing: 60,
    }).run();
    // Only another shape moves the map: counts that changed do not.
  }, [shape, language]);

  useEffect(() => {
    core.current?.style(sheet(dark ? DARK : LIGHT));
  }, [dark, shape]);

  useEffect(() => {
    const cy = core.current;
    if (!cy) return;
    cy.elements().removeClass('chosen faint');
    if (focused) cy.getElementById(focused).addClass('chosen');
    if (edge) cy.getElementById(edge.id).addClass('chosen');
  }, [focused, edge, shape]);

  const onKeyDown = (event: KeyboardEvent) => {
    const cy = core.current;
    if (!cy) return;
    const arrow = ARROWS[event.key];
    const node = graph.nodes.find((n) => n.id === focused);
    if (arrow) {
      const places = new Map(cy.nodes().map((n) => [n.id(), n.position()]));
      const next = focused ? nextNode(places, focused, ...arrow) : (graph.nodes[0]?.id ?? null);
      if (next) setFocused(next);
    } else if (event.key === 'Enter' && node) onNode(node);
    else if (event.key === '+' || event.key === '=') zoom(cy, 1.25);
    else if (event.key === '-') zoom(cy, 0.8);
    else if (event.key === '0') cy.fit(undefined, 40);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const said = graph.nodes.find((n) => n.id === focused);
  return (
    <>
      <div
        ref={place}
        className="map-canvas __________cytoscape_container"
        role="application"
        tabIndex={0}
        aria-label={t('topology.graph')}
        aria-describedby="map-keys"
        onKeyDown={onKeyDown}
        onFocus={() => setFocused((f) => f ?? graph.nodes[0]?.id ?? null)}
        onBlur={() => setFocused(null)}
        data-testid="map"
        data-nodes={graph.nodes.length}
      />
      <p id="map-keys" className="visually-hidden">
        {t('topology.graphKeys')}
      </p>
      <p className="visually-hidden" aria-live="polite" data-testid="map-focus">
        {said
          ? t('topology.nodeSays', {
              name: nameOf(said),
              type: t(`topology.type_${said.type}`),
              out: graph.edges.filter((e) => e.from === said.id).length,
              in: graph.edges.filter((e) => e.to === said.id).length,
            })
          : ''}
      </p>
      <div className="map-tools">
        <Button
          variant="plain"
          icon={<SearchPlusIcon />}
          aria-label={t('topology.zoomIn')}
          onClick={() => core.current && zoom(core.current, 1.25)}
        />
        <Button
          variant="plain"
          icon={<SearchMinusIcon />}
          aria-label={t('topology.zoomOut')}
          onClick={() => core.current && zoom(core.current, 0.8)}
        />
        <Button
          variant="plain"
          icon={<ExpandIcon />}
          aria-label={t('topology.fit')}
          onClick={() => core.current?.fit(undefined, 40)}
        />
      </div>
    </>
  );
}

function zoom(cy: Core, by: number): void {
  cy.zoom({ level: cy.zoom() * by, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });
}

function labelOf(n: ShownNode, name: string, warning: string): string {
  const second = [
    n.type === 'group' || n.type === 'vm' ? n.tenant : null,
    n.type === 'group' && n.size > 1 ? `×${n.size}` : null,
  ]
    .filter(Boolean)
    .join(' ');
  return [name, second, warning ? `⚠ ${warning}` : ''].filter(Boolean).join('\n');
}
