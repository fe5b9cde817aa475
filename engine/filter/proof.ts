// Whether the kernel holds what was asked for: every chain with all its rules, every set with all its elements, and
// nothing besides. Pure.
import type { Ruleset } from '@wocloud/policy/render/ruleset.ts';
import type { Blocks } from './readback.ts';

/** Names of objects that are not as the ruleset says; empty is the proof. `keys`: look at these alone. */
export function disproof(ruleset: Ruleset, blocks: Blocks, keys?: ReadonlySet<string>): string[] {
  const expected = expectedSizes(ruleset);
  const wrong: string[] = [];
  for (const key of keys ?? new Set([...expected.keys(), ...blocks.keys()])) {
    const want = expected.get(key);
    const have = blocks.get(key);
    if (want === undefined && have === undefined) continue;
    if (want === undefined) wrong.push(`${key} should not be there`);
    else if (have === undefined) wrong.push(`${key} is missing`);
    else if (want !== null && want !== have.size) wrong.push(`${key} holds ${have.size} of ${want}`);
  }
  return wrong;
}

/** Rules or elements by key; null where packets decide how many. */
function expectedSizes(ruleset: Ruleset): Map<string, number | null> {
  const sizes = new Map<string, number | null>();
  for (const [table, { chains, sets, counters }] of ruleset) {
    for (const [name, chain] of chains) sizes.set(`${table} chain ${name}`, chain.rules.length);
    for (const [name, set] of sets)
      sizes.set(`${table} ${set.kind} ${name}`, set.dynamic ? null : set.elements.size);
    for (const name of counters) sizes.set(`${table} counter ${name}`, 0);
  }
  return sizes;
}
