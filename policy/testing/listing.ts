// What stands in a namespace's kernel, as text that two rulesets can be compared by, and as names to be taken over.
import type { TableId } from '../render/names.ts';
import type { Existing } from '../render/script.ts';
import { run } from './kernel.ts';

/** The kernel's listing without what packets and handles put there, elements in one order. */
export async function listing(namespace: string): Promise<string> {
  const listed = JSON.parse(
    await run('ip', ['netns', 'exec', namespace, 'nft', '-j', '-s', 'list', 'ruleset']),
  ) as {
    nftables: Record<string, Record<string, unknown>>[];
  };
  const lines = listed.nftables.map((object) => {
    const [kind, value] = Object.entries(object)[0] as [string, Record<string, unknown>];
    for (const own of ['handle', 'packets', 'bytes']) delete value[own];
    // Packets write these; only sets that they write are given a size.
    if ('size' in value) delete value['elem'];
    if (Array.isArray(value['elem'])) value['elem'] = value['elem'].map((e) => JSON.stringify(e)).sort();
    return `${kind} ${JSON.stringify(value)}`;
  });
  const rules = lines.filter((line) => line.startsWith('rule '));
  const position = (line: string) => /"chain": ?"([^"]+)"/.exec(line)?.[1] ?? '';
  // Rules in their order within a chain; chains, sets and counters by name.
  rules.sort((a, b) => (position(a) < position(b) ? -1 : position(a) > position(b) ? 1 : 0));
  return [...lines.filter((line) => !line.startsWith('rule ')).sort(), ...rules].join('\n');
}

export async function existing(namespace: string): Promise<Map<TableId, Existing>> {
  const out = new Map<TableId, { chains: string[]; sets: string[]; maps: string[]; counters: string[] }>();
  const listed = JSON.parse(await run('ip', ['netns', 'exec', namespace, 'nft', '-j', 'list', 'ruleset']));
  for (const object of listed.nftables as Record<string, { family: string; table: string; name: string }>[]) {
    const [kind, value] = Object.entries(object)[0] as [
      string,
      { family: string; table: string; name: string },
    ];
    if (kind === 'table')
      out.set(`${value.family} ${value.name}` as TableId, { chains: [], sets: [], maps: [], counters: [] });
    const entry = out.get(`${value.family} ${value.table}` as TableId);
    if (kind === 'chain') entry?.chains.push(value.name);
    if (kind === 'set') entry?.sets.push(value.name);
    if (kind === 'map') entry?.maps.push(value.name);
    if (kind === 'counter') entry?.counters.push(value.name);
  }
  return out;
}
