// Rulesets → text for `nft -f -`: the whole in one transaction, or the difference of two.
import type { DesiredState } from '@wocloud/protocol/desired.ts';
import { guardTable } from './guard.ts';
import { groupTable } from './group.ts';
import { inetTable } from './inet.ts';
import { inspectionTables } from './inspection.ts';
import type { LocalFacts } from './local.ts';
import { TABLES, type TableId } from './names.ts';
import { remember } from './remember.ts';
import { emptyTable, type ElementSet, type RuleChain, type Ruleset, type Table } from './ruleset.ts';

/** Everything the kernel should hold for a state on this host. */
export function buildRuleset(state: DesiredState, local: LocalFacts): Ruleset {
  const inspected = inspectionTables(state, local);
  return new Map<TableId, Table>([
    ['inet wocloud', joined(inetTable(state, local), inspected?.inet)],
    ['netdev wocloud', joined(guardTable(state, local), inspected?.netdev)],
    ['bridge wocloud', joined(groupTable(state, local), inspected?.bridge)],
  ]);
}

/** Both in one table; the same object for the same two. */
const joined = (table: Table, part: Table | undefined): Table =>
  part === undefined
    ? table
    : joins(part, [table], () => ({
        counters: new Set([...table.counters, ...part.counters]),
        sets: new Map([...table.sets, ...part.sets]),
        chains: new Map([...table.chains, ...part.chains]),
      }));

const joins = remember<Table, Table>();

/** Names that are in the kernel's tables of ours now, as `nft -j list` shows them. */
export interface Existing {
  chains: readonly string[];
  sets: readonly string[];
  maps: readonly string[];
  counters: readonly string[];
}

/**
 * The whole, as one atomic script. Without `existing` our tables are made anew; with it they are taken over: what
 * is right keeps its counters, what is not ours to have goes, and no packet meets a half-made table.
 */
export function fullScript(ruleset: Ruleset, existing?: ReadonlyMap<TableId, Existing>): string {
  const lines: string[] = [];
  for (const id of TABLES) {
    const table = ruleset.get(id) ?? emptyTable();
    const old = existing?.get(id);
    lines.push(`add table ${id}`);
    if (old) lines.push(...takeOver(id, old, table));
    else lines.push(`delete table ${id}`, `add table ${id}`, ...declare(id, table), ...fill(id, table));
  }
  return `${lines.join('\n')}\n`;
}

/** For a moment, answers on these bridges pass whose questions nobody has seen. Before their frames are shown. */
export const settleScript = (bridges: Iterable<string>): string =>
  `add element inet wocloud settling { ${[...bridges].map((bridge) => `"${bridge}"`).join(', ')} }\n`;

// A packet that is being judged by the old rules when a transaction changes their sets is judged by the new sets, and
// may be refused by a guard that is just leaving. So rules that go do so first, in a transaction of their own.

/** Makes all that is ours do nothing, without taking it away. */
export function quietScript(): string {
  return TABLES.map((id) => `add table ${id}\nflush table ${id}\n`).join('');
}

/** Empties what stands at the taps that are to be guarded no longer, or now; '' when there are none. */
export function quietDelta(from: Ruleset, to: Ruleset): string {
  const lines = TABLES.flatMap((id) =>
    [...(from.get(id)?.chains ?? [])].flatMap(([name, { device, base, rules }]) =>
      // What stands where frames leave lets nothing pass uninspected for a moment.
      device === null ||
      base?.includes('hook egress') ||
      sameRules(rules, to.get(id)?.chains.get(name)?.rules ?? [])
        ? []
        : // A device that is gone has taken its chain along.
          [`add chain ${id} ${name}`, `flush chain ${id} ${name}`],
    ),
  );
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

/** Removes all that is ours; after quietScript. */
export function removalScript(): string {
  return TABLES.map((id) => `add table ${id}\ndelete table ${id}\n`).join('');
}

function declare(id: TableId, table: Table): string[] {
  return [
    ...[...table.counters].map((name) => `add counter ${id} ${name}`),
    ...[...table.sets].map(([name, set]) => declareSet(id, name, set)),
    ...[...table.chains].map(([name, chain]) => declareChain(id, name, chain)),
  ];
}

const declareSet = (id: TableId, name: string, set: ElementSet): string =>
  `add ${set.kind} ${id} ${name} { ${set.header} }`;
const declareChain = (id: TableId, name: string, chain: RuleChain): string =>
  `add chain ${id} ${name}${chain.base === null ? '' : ` { ${chain.base} }`}`;

function fill(id: TableId, table: Table): string[] {
  return [
    ...[...table.chains].flatMap(([name, chain]) => addRules(id, name, chain)),
    ...[...table.sets].flatMap(([name, set]) => changeElements('add', id, name, set.elements)),
  ];
}

const addRules = (id: TableId, name: string, chain: RuleChain): string[] =>
  chain.rules.map((rule) => `add rule ${id} ${name} ${rule}`);

const CHUNK = 500;

function changeElements(
  verb: 'add' | 'delete',
  id: TableId,
  name: string,
  elements: ReadonlyMap<string, string>,
): string[] {
  const texts = [...elements].map(([key, value]) =>
    verb === 'delete' || value === '' ? key : `${key} : ${value}`,
  );
  const lines: string[] = [];
  for (let i = 0; i < texts.length; i += CHUNK)
    lines.push(`${verb} element ${id} ${name} { ${texts.slice(i, i + CHUNK).join(', ')} }`);
  return lines;
}

/** Elements that are gone or whose value changed must be deleted first; then all that are new are added. */
function takeOver(id: TableId, old: Existing, table: Table): string[] {
  const stale = {
    chains: old.chains.filter((name) => !table.chains.has(name)),
    counters: old.counters.filter((name) => !table.counters.has(name)),
  };
  const sets = [
    ...old.sets.map((name) => ({ kind: 'set', name })),
    ...old.maps.map((name) => ({ kind: 'map', name })),
  ];
  const flushed = sets.filter(({ name }) => table.sets.get(name)?.dynamic !== true);
  return [
    ...declare(id, table),
    ...old.chains.map((name) => `flush chain ${id} ${name}`),
    ...flushed.map(({ kind, name }) => `flush ${kind} ${id} ${name}`),
    ...stale.chains.map((name) => `delete chain ${id} ${name}`),
    ...sets
      .filter(({ name }) => !table.sets.has(name))
      .map(({ kind, name }) => `delete ${kind} ${id} ${name}`),
    ...stale.counters.map((name) => `delete counter ${id} ${name}`),
    ...fill(id, table),
  ];
}

/** What turns one ruleset into the other, touching nothing else; empty when they are the same. */
export function deltaScript(from: Ruleset, to: Ruleset): string {
  const lines = TABLES.flatMap((id) => {
    const delta = tableDelta(id, from.get(id) ?? emptyTable(), to.get(id) ?? emptyTable());
    return delta.length > 0 && !from.has(id) ? [`add table ${id}`, ...delta] : delta;
  });
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function tableDelta(id: TableId, from: Table, to: Table): string[] {
  if (from === to) return [];
  const fresh: Table = {
    counters: new Set([...to.counters].filter((name) => !from.counters.has(name))),
    sets: new Map([...to.sets].filter(([name, set]) => from.sets.get(name)?.header !== set.header)),
    chains: new Map([...to.chains].filter(([name, chain]) => from.chains.get(name)?.base !== chain.base)),
  };
  const changed = [...to.chains].filter(([name, chain]) => {
    const old = from.chains.get(name);
    return old && !fresh.chains.has(name) && !sameRules(old.rules, chain.rules);
  });
  // A set with another type (or a base chain on another hook) is another object under the same name.
  const goneSets = [...from.sets].filter(([name]) => !to.sets.has(name) || fresh.sets.has(name));
  const goneChains = [...from.chains].filter(([name]) => !to.chains.has(name) || fresh.chains.has(name));
  const lines: string[] = [];
  // A device takes its chain with it, so the chain may be gone already: make sure there is one to delete.
  for (const [name, chain] of goneChains) if (chain.device !== null) lines.push(`add chain ${id} ${name}`);
  for (const [name] of [...changed, ...goneChains]) lines.push(`flush chain ${id} ${name}`);
  const kept = [...to.sets].filter(([name, set]) => !fresh.sets.has(name) && !set.dynamic);
  const same = new Set<string>();
  for (const [name, set] of kept) {
    const old = from.sets.get(name) as ElementSet;
    if (old.elements === set.elements) same.add(name);
    else lines.push(...changeElements('delete', id, name, missing(old.elements, set.elements)));
  }
  for (const [name, set] of goneSets)
    if (set.elements.size > 0) lines.push(`flush ${set.kind} ${id} ${name}`);
  for (const [name] of goneChains) lines.push(`delete chain ${id} ${name}`);
  for (const [name, set] of goneSets) lines.push(`delete ${set.kind} ${id} ${name}`);
  lines.push(...declare(id, fresh));
  for (const [name, chain] of [...changed, ...fresh.chains]) lines.push(...addRules(id, name, chain));
  for (const [name, set] of kept)
    if (!same.has(name))
      lines.push(
        ...changeElements(
          'add',
          id,
          name,
          missing(set.elements, (from.sets.get(name) as ElementSet).elements),
        ),
      );
  for (const [name, set] of fresh.sets) lines.push(...changeElements('add', id, name, set.elements));
  for (const name of from.counters) if (!to.counters.has(name)) lines.push(`delete counter ${id} ${name}`);
  return lines;
}

/** Entries of `a` that `b` does not have with the same value. */
const missing = (
  a: ReadonlyMap<string, string>,
  b: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> => new Map([...a].filter(([key, value]) => b.get(key) !== value));

const sameRules = (a: readonly string[], b: readonly string[]): boolean =>
  a === b || (a.length === b.length && a.every((rule, i) => rule === b[i]));

/** Desired state → the whole script. */
export const renderFull = (
  state: DesiredState,
  local: LocalFacts,
  existing?: ReadonlyMap<TableId, Existing>,
): string => fullScript(buildRuleset(state, local), existing);

/** Two desired states with the facts they were, and are to be, rendered with → the difference. */
export const renderDelta = (
  previous: { state: DesiredState; local: LocalFacts },
  next: { state: DesiredState; local: LocalFacts },
): string => deltaScript(buildRuleset(previous.state, previous.local), buildRuleset(next.state, next.local));
