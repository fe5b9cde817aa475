// The difference of two desired states, and its application: applyDelta(a, diffStates(a, b)) is b.
import type { DesiredDelta, DesiredSet, DesiredState } from '@wocloud/protocol/desired.ts';
import { comparePrefixes, parseCidr } from './cidr.ts';
import { PolicyError } from './errors.ts';

interface Keyed {
  id: string;
}

const compareId = (a: Keyed, b: Keyed): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
const same = (a: unknown, b: unknown): boolean => a === b || JSON.stringify(a) === JSON.stringify(b);

/** What to do to get from `a` to `b`. States keep their lists sorted by id, as the planner makes them. */
export function diffStates(a: DesiredState, b: DesiredState): DesiredDelta {
  const delta: DesiredDelta = {
    from: a.generation,
    generation: b.generation,
    networks: diffPart(a.networks, b.networks),
    nics: diffPart(a.nics, b.nics),
    chains: diffPart(a.chains, b.chains),
    sets: { upsert: [], remove: [] },
    insertions: diffPart(a.insertions, b.insertions),
    gateways: diffPart(a.gateways, b.gateways),
    rules: diffPart(a.rules, b.rules),
    elements: [],
  };
  const before = new Map(a.sets.map((set) => [set.id, set]));
  for (const set of b.sets) {
    const old = before.get(set.id);
    before.delete(set.id);
    if (!old || old.network !== set.network) delta.sets.upsert.push(set);
    else if (old.elements !== set.elements) {
      const change = diffElements(old, set);
      if (change.add.length > 0 || change.remove.length > 0) delta.elements.push(change);
    }
  }
  delta.sets.remove = [...before.keys()].sort();
  return delta;
}

function diffPart<T extends Keyed>(a: readonly T[], b: readonly T[]): { upsert: T[]; remove: string[] } {
  if (a === b) return { upsert: [], remove: [] };
  const before = new Map(a.map((item) => [item.id, item]));
  const upsert: T[] = [];
  for (const item of b) {
    const old = before.get(item.id);
    before.delete(item.id);
    if (old === undefined || !same(old, item)) upsert.push(item);
  }
  return { upsert, remove: [...before.keys()].sort() };
}

function diffElements(a: DesiredSet, b: DesiredSet): DesiredDelta['elements'][number] {
  const [old, now] = [new Set(a.elements), new Set(b.elements)];
  return {
    set: b.id,
    add: b.elements.filter((element) => !old.has(element)),
    remove: a.elements.filter((element) => !now.has(element)),
  };
}

/** True when nothing would change but the number. */
export const isEmptyDelta = (delta: DesiredDelta): boolean =>
  delta.elements.length === 0 &&
  [delta.networks, delta.nics, delta.chains, delta.sets, delta.insertions, delta.gateways, delta.rules].every(
    (part) => part.upsert.length === 0 && part.remove.length === 0,
  );

/** The next state. Throws PolicyError `delta.mismatch` when the delta is not for this state. */
export function applyDelta(state: DesiredState, delta: DesiredDelta): DesiredState {
  if (delta.from !== state.generation)
    throw new PolicyError(
      'delta.mismatch',
      `the delta starts at generation ${delta.from}, the state is at ${state.generation}`,
      { hint: 'ask for the whole state' },
    );
  return {
    generation: delta.generation,
    networks: applyPart('network', state.networks, delta.networks),
    nics: applyPart('nic', state.nics, delta.nics),
    chains: applyPart('chain', state.chains, delta.chains),
    sets: applySets(state.sets, delta),
    insertions: applyPart('insertion', state.insertions, delta.insertions),
    gateways: applyPart('gateway', state.gateways, delta.gateways),
    rules: applyPart('rules', state.rules, delta.rules),
  };
}

function applyPart<T extends Keyed>(
  what: string,
  items: readonly T[],
  part: { upsert: readonly T[]; remove: readonly string[] },
): T[] {
  if (part.upsert.length === 0 && part.remove.length === 0) return items as T[];
  const map = new Map(items.map((item) => [item.id, item]));
  for (const id of part.remove) if (!map.delete(id)) throw mismatch(`removes the unknown ${what} ${id}`);
  for (const item of part.upsert) map.set(item.id, item);
  return [...map.values()].sort(compareId);
}

function applySets(sets: readonly DesiredSet[], delta: DesiredDelta): DesiredSet[] {
  const parts = applyPart('set', sets, delta.sets);
  if (delta.elements.length === 0) return parts;
  const map = new Map(parts.map((set) => [set.id, set]));
  for (const { set: id, add, remove } of delta.elements) {
    const set = map.get(id);
    if (!set) throw mismatch(`changes the unknown set ${id}`);
    const elements = new Set(set.elements);
    for (const element of remove) if (!elements.delete(element)) throw mismatch(`${id} has no ${element}`);
    for (const element of add) elements.add(element);
    const sorted = [...elements].map(parseCidr).sort(comparePrefixes);
    map.set(id, { ...set, elements: sorted.map((p) => p.text) });
  }
  return [...map.values()].sort(compareId);
}

const mismatch = (message: string): PolicyError =>
  new PolicyError('delta.mismatch', `the delta ${message}`, { hint: 'ask for the whole state' });
