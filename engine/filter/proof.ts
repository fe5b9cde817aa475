// Whether the kernel holds what was asked for: every chain with all its rules, every set with all its elements, and
// nothing besides. Pure.
import type { TableId } from '@wocloud/policy/render/names.ts';
import type { Ruleset } from '@wocloud/policy/render/ruleset.ts';
import type { Blocks } from './readback.ts';

/** Names of objects that are not as the ruleset says; empty is the proof. `keys`: look at these alone. */
export function disproof(ruleset: Ruleset, blocks: Blocks, keys?: ReadonlySet<string>): string[] {
  const wrong: string[] = [];
  for (const key of keys ?? new Set([...allKeys(ruleset), ...blocks.keys()])) {
    const want = expectedSize(ruleset, key);
    const have = blocks.get(key);
    if (want === undefined && have === undefined) continue;
    if (want === undefined) wrong.push(`${key} should not be there`);
    else if (have === undefined) wrong.push(`${key} is missing`);
    else if (want !== null && want !== have.size) wrong.push(`${key} holds ${have.size} of ${want}`);
  }
  return wrong;
}

/** Rules or elements; null where packets decide how many, undefined where there is no such object. */
function expectedSize(ruleset: Ruleset, key: string): number | null | undefined {
  const [family, table, kind, name = ''] = key.split(' ');
  const parts = ruleset.get(`${family} ${table}` as TableId);
  if (kind === 'chain') return parts?.chains.get(name)?.rules.length;
  if (kind === 'counter') return parts?.counters.has(name) ? 0 : undefined;
  const set = parts?.sets.get(name);
  if (!set || set.kind !== kind) return undefined;
  return set.dynamic ? null : set.elements.size;
}

function* allKeys(ruleset: Ruleset): Generator<string> {
  for (const [table, { chains, sets, counters }] of ruleset) {
    for (const name of chains.keys()) yield `${table} chain ${name}`;
    for (const [name, set] of sets) yield `${table} ${set.kind} ${name}`;
    for (const name of counters) yield `${table} counter ${name}`;
  }
}
