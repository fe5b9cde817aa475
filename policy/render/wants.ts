// What the insertions of one NIC want inspected, by how strictly: as services, and as the rules of a chain that asks.
import type { DesiredService } from '@wocloud/protocol/desired.ts';
import { digest } from '../digest.ts';
import { normalizeServices } from '../services.ts';
import { addChain, type Table } from './ruleset.ts';

/** Strictest first: in line and closed, in line and open, a copy. */
export const LEVELS = ['closed', 'open', 'mirror'] as const;
export type Level = (typeof LEVELS)[number];

export class Wants {
  /** Services by level; empty: everything. */
  readonly #services = new Map<Level, DesiredService[]>();

  add(level: Level, services: readonly DesiredService[]): void {
    const had = this.#services.get(level);
    const everything = services.length === 0 || had?.length === 0;
    this.#services.set(level, everything ? [] : normalizeServices([...(had ?? []), ...services]));
  }

  /** What this and another want. */
  with(other: Wants): Wants {
    const both = new Wants();
    for (const wants of [this, other])
      for (const [level, services] of wants.#services) both.add(level, services);
    return both;
  }

  levels(): Level[] {
    return LEVELS.filter((level) => this.#services.has(level));
  }

  /** The first to match goes to `want-<level>`. */
  rules(): string[] {
    const out: string[] = [];
    for (const level of this.levels()) {
      const services = this.#services.get(level) as DesiredService[];
      if (services.length === 0) return [...out, `goto want-${level}`];
      out.push(...serviceRules(services).map((match) => `${match} goto want-${level}`));
    }
    return out;
  }
}

/** The chain of these wants, shared by all NICs that want the same. */
export function wantsChain(table: Table, wants: Wants): string {
  const rules = wants.rules();
  const name = `wants-${digest(rules.join('\n'))}`;
  addChain(table, name, rules);
  return name;
}

/** What answers a question of an ICMP type, for the types of which the kernel makes connections. */
const ANSWERS: Readonly<Record<number, Readonly<Record<number, number>>>> = {
  1: { 8: 0, 13: 14, 15: 16, 17: 18 },
  58: { 128: 129, 139: 140 },
};

/** Packets of connections to these services, both ways. */
function serviceRules(services: readonly DesiredService[]): string[] {
  const whole: number[] = [];
  const ports: string[] = [];
  const rules: string[] = [];
  for (const { protocol, ports: ranges, icmpTypes } of services) {
    if (protocol === null) continue;
    if (icmpTypes) {
      const field = protocol === 1 ? 'icmp type' : 'icmpv6 type';
      const answers = icmpTypes.flatMap((type) => ANSWERS[protocol]?.[type] ?? []);
      rules.push(`ct direction original ${field} { ${icmpTypes.join(', ')} }`);
      if (answers.length > 0) rules.push(`ct direction reply ${field} { ${answers.join(', ')} }`);
    } else if (ranges)
      for (const [first, last] of ranges)
        ports.push(`${protocol} . ${first === last ? first : `${first}-${last}`}`);
    else whole.push(protocol);
  }
  if (ports.length > 0)
    rules.push(
      `ct direction original meta l4proto . th dport { ${ports.join(', ')} }`,
      `ct direction reply meta l4proto . th sport { ${ports.join(', ')} }`,
    );
  if (whole.length > 0) rules.push(`meta l4proto { ${whole.join(', ')} }`);
  return rules;
}
