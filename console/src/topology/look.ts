// How the map is drawn: shape and words carry the meaning, colour only helps. Light and dark.
import type { StylesheetJson } from 'cytoscape';
import type { ShownEdge } from './graph.ts';

export const EDGE_SIGNS: Record<ShownEdge['verdict'], string> = {
  allowed: '',
  observed: '◌',
  dropped: '✕',
  rejected: '↩',
  unprotected: '⚠',
  staged: '✎',
};

export interface Palette {
  text: string;
  ground: string;
  node: string;
  border: string;
  subtle: string;
  brand: string;
  verdicts: Record<ShownEdge['verdict'], string>;
}

export const LIGHT: Palette = {
  text: '#151515',
  ground: '#ffffff',
  node: '#e0f0ff',
  border: '#4394e5',
  subtle: '#4d4d4d',
  brand: '#0066cc',
  verdicts: {
    allowed: '#147878',
    observed: '#707070',
    dropped: '#b1380b',
    rejected: '#b1380b',
    unprotected: '#96640f',
    staged: '#5e40be',
  },
};
export const DARK: Palette = {
  text: '#ffffff',
  ground: '#292929',
  node: '#003366',
  border: '#92c5f9',
  subtle: '#c7c7c7',
  brand: '#92c5f9',
  verdicts: {
    allowed: '#63bdbd',
    observed: '#a3a3a3',
    dropped: '#f0876a',
    rejected: '#f0876a',
    unprotected: '#ffcc17',
    staged: '#b6a6e9',
  },
};

const LINES: Record<
  ShownEdge['verdict'],
  { line: 'solid' | 'dashed' | 'dotted'; arrow: 'triangle' | 'tee' | 'square' | 'diamond' | 'vee' }
> = {
  allowed: { line: 'solid', arrow: 'triangle' },
  observed: { line: 'dotted', arrow: 'vee' },
  dropped: { line: 'dashed', arrow: 'tee' },
  rejected: { line: 'dashed', arrow: 'square' },
  unprotected: { line: 'solid', arrow: 'diamond' },
  staged: { line: 'dotted', arrow: 'tee' },
};

export function sheet(p: Palette): StylesheetJson {
  const edges = Object.entries(LINES).map(([verdict, { line, arrow }]) => ({
    selector: `edge.${verdict}`,
    style: {
      'line-color': p.verdicts[verdict as ShownEdge['verdict']],
      'target-arrow-color': p.verdicts[verdict as ShownEdge['verdict']],
      color: p.verdicts[verdict as ShownEdge['verdict']],
      'line-style': line,
      'target-arrow-shape': arrow,
    },
  }));
  return [
    {
      selector: 'node',
      style: {
        label: 'data(label)',
        'text-wrap': 'wrap',
        'font-size': 15,
        'font-family': 'RedHatText, Noto Sans CJK SC, PingFang SC, Microsoft YaHei, sans-serif',
        color: p.text,
        'text-valign': 'bottom',
        'text-margin-y': 4,
        'text-background-color': p.ground,
        'text-background-opacity': 0.8,
        'text-background-padding': '1px',
        'background-color': p.node,
        'border-color': p.border,
        'border-width': 1.5,
        width: 'data(size)',
        height: 'data(size)',
      },
    },
    { selector: 'node.group, node.tenant', style: { shape: 'round-rectangle', 'text-valign': 'bottom' } },
    { selector: 'node.vm', style: { shape: 'ellipse' } },
    { selector: 'node.external', style: { shape: 'diamond', 'background-color': p.ground } },
    { selector: 'node.observed', style: { 'border-style': 'dotted', 'border-width': 2.5 } },
    {
      selector: 'node.unprotected',
      style: { 'border-style': 'dashed', 'border-width': 3, 'border-color': p.verdicts.unprotected },
    },
    {
      selector: ':parent',
      style: {
        'background-opacity': 0.15,
        'text-valign': 'top',
        'text-margin-y': -4,
        padding: '18px',
        shape: 'round-rectangle',
      },
    },
    {
      selector: 'edge',
      style: {
        label: 'data(label)',
        'curve-style': 'bezier',
        'control-point-step-size': 34,
        width: 'data(width)',
        'arrow-scale': 1.1,
        'font-size': 13,
        'text-rotation': 'autorotate',
        'text-background-color': p.ground,
        'text-background-opacity': 0.9,
        'text-background-padding': '2px',
      },
    },
    ...edges,
    {
      selector: '.chosen',
      style: { 'overlay-color': p.brand, 'overlay-opacity': 0.25, 'overlay-padding': 6 },
    },
    { selector: '.faint', style: { opacity: 0.25 } },
  ];
}
