// A rule list → few lookups: rules of one shape share a verdict map, moved together only where no packet can tell.
import type { DesiredRule, DesiredService } from '@wocloud/protocol/desired.ts';
import { lastAddress, parseCidr, type Prefix } from '../cidr.ts';
import { BoxIndex, PortIndex } from './boxes.ts';

/** Peers of a stage: everyone, one named set, or addresses written in the map itself, by family. */
export type Shape = 'any' | 'inline4' | 'inline6' | { set: string };
export type Category = 'ports' | 'protocol' | 'icmp' | 'icmp6' | 'all';

/** One line to be rendered. `entries`: map keys (peer part first for inline shapes) to the verdict's name. */
export interface Stage {
  shape: Shape;
  category: Category;
  entries: { address: Prefix | null; protocol: number; first: number; last: number; verdict: string }[];
}

export interface StagedRule {
  peers: DesiredRule['peers'];
  services: readonly DesiredService[];
  verdict: string;
}

interface Atom {
  shape: Shape;
  category: Category;
  address: Prefix | null;
  protocol: number;
  /** Ports, or ICMP types. */
  first: number;
  last: number;
  verdict: string;
}

interface OpenStage extends Stage {
  index: PortIndex | BoxIndex;
  verdicts: Set<string>;
}

/** How far back a rule may look for a stage of its shape. */
const LOOK_BACK = 8;
/** Literal address lists up to this size are written into the maps; longer ones become named sets. */
export const INLINE_LIMIT = 16;

/** `literal`: the elements of a small literal set, or null for sets matched by name. */
export function buildStages(
  rules: readonly StagedRule[],
  literal: (set: string) => readonly string[] | null,
): Stage[] {
  const stages: OpenStage[] = [];
  for (const rule of rules) {
    const peers = rule.peers.flatMap((peer): { shape: Shape; address: Prefix | null }[] => {
      if (typeof peer === 'string') return [{ shape: 'any', address: null }];
      const elements = literal(peer.set);
      if (!elements) return [{ shape: { set: peer.set }, address: null }];
      return elements.map((text) => {
        const address = parseCidr(text);
        return { shape: address.family === 4 ? 'inline4' : 'inline6', address };
      });
    });
    const services = rule.services.length === 0 ? [null] : rule.services;
    for (const peer of peers)
      for (const service of services)
        for (const range of rangesOf(service)) place(stages, { ...peer, ...range, verdict: rule.verdict });
    if (isEverything(rule)) break;
  }
  return stages.filter((stage) => stage.entries.length > 0);
}

const isEverything = (rule: StagedRule): boolean =>
  rule.services.length === 0 && rule.peers.some((peer) => peer === 'any');

function rangesOf(service: DesiredService | null): Pick<Atom, 'category' | 'protocol' | 'first' | 'last'>[] {
  if (service === null || service.protocol === null)
    return [{ category: 'all', protocol: -1, first: 0, last: 0 }];
  const { protocol, ports, icmpTypes } = service;
  if (icmpTypes)
    return icmpTypes.map((type) => ({
      category: protocol === 1 ? 'icmp' : 'icmp6',
      protocol,
      first: type,
      last: type,
    }));
  if (ports) return ports.map(([first, last]) => ({ category: 'ports', protocol, first, last }));
  return [{ category: 'protocol', protocol, first: 0, last: 0 }];
}

function place(stages: OpenStage[], atom: Atom): void {
  const lowest = Math.max(0, stages.length - LOOK_BACK);
  for (let i = stages.length - 1; i >= lowest; i--) {
    const stage = stages[i] as OpenStage;
    if (sameShape(stage.shape, atom.shape) && stage.category === atom.category && insert(stage, atom)) return;
    if (!commutes(stage, atom)) break;
  }
  const box = typeof atom.shape === 'string' && atom.shape !== 'any';
  const stage: OpenStage = {
    shape: atom.shape,
    category: atom.category,
    entries: [],
    index: box ? new BoxIndex() : new PortIndex(),
    verdicts: new Set(),
  };
  stages.push(stage);
  insert(stage, atom);
}

const sameShape = (a: Shape, b: Shape): boolean =>
  typeof a === 'string' || typeof b === 'string' ? a === b : a.set === b.set;

/** False when the map cannot hold it beside what it has. What an earlier entry covers is dropped: it never decides. */
function insert(stage: OpenStage, atom: Atom): boolean {
  const { address, protocol, verdict } = atom;
  if (stage.index instanceof PortIndex) {
    for (const [first, last] of stage.index.claim(protocol, atom.first, atom.last))
      stage.entries.push({ address: null, protocol, first, last, verdict });
  } else {
    const { first, length } = address as Prefix;
    const span = { low: first, high: lastAddress(address as Prefix), key: `${first}/${length}` };
    const answer = stage.index.claim(protocol, atom.first, atom.last, span);
    if (answer === 'conflict') return false;
    if (answer === 'free')
      stage.entries.push({ address, protocol, first: atom.first, last: atom.last, verdict });
  }
  stage.verdicts.add(verdict);
  return true;
}

/** Whether asking for the atom before the stage instead of after it can change no packet's rule. */
function commutes(stage: OpenStage, atom: Atom): boolean {
  if (stage.verdicts.size === 1 && stage.verdicts.has(atom.verdict)) return true;
  if (isFamily(stage.shape, 6) && isFamily(atom.shape, 4)) return true;
  if (isFamily(stage.shape, 4) && isFamily(atom.shape, 6)) return true;
  if (stage.category === 'all' || atom.category === 'all') return false;
  if (!stage.index.hasProtocol(atom.protocol)) return true;
  if (stage.category === 'protocol' || atom.category === 'protocol') return false;
  return !stage.index.touchesPorts(atom.protocol, atom.first, atom.last);
}

const isFamily = (shape: Shape, family: 4 | 6): boolean => shape === `inline${family}`;
