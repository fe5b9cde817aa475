// A ruleset as keyed objects, so that two of them can be compared and only the difference be sent to the kernel.
import type { TableId } from './names.ts';

export interface RuleChain {
  /** `type filter hook …` for base chains. */
  base: string | null;
  /** Bound to a device: gone from the kernel when the device goes. */
  device: string | null;
  rules: readonly string[];
}

export interface ElementSet {
  kind: 'set' | 'map';
  /** `type …; flags …;` */
  header: string;
  /** Key text to value text (empty in sets). */
  elements: ReadonlyMap<string, string>;
  /** Filled by packets: never compared, never flushed. */
  dynamic: boolean;
}

export interface Table {
  counters: Set<string>;
  sets: Map<string, ElementSet>;
  chains: Map<string, RuleChain>;
}

export type Ruleset = ReadonlyMap<TableId, Table>;

export const emptyTable = (): Table => ({ counters: new Set(), sets: new Map(), chains: new Map() });

export function addChain(
  table: Table,
  name: string,
  rules: readonly string[],
  base?: string,
  device?: string,
): void {
  table.chains.set(name, { base: base ?? null, device: device ?? null, rules });
}

export function addSet(
  table: Table,
  name: string,
  header: string,
  elements: Iterable<string> | ReadonlyMap<string, string> = [],
): void {
  const isMap = elements instanceof Map;
  table.sets.set(name, {
    kind: isMap ? 'map' : 'set',
    header,
    elements: isMap ? elements : new Map([...(elements as Iterable<string>)].map((e) => [e, ''])),
    dynamic: /flags [^;]*dynamic/.test(header),
  });
}
