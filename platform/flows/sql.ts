// A flow filter as the WHERE of a statement for the telemetry store. Every value is a typed literal.
import type { Scope } from '../handler.ts';
import { literal } from '../telemetry/literal.ts';
import type { Atom, FlowFilter, Side } from './filter.ts';
import { SIGNATURE_RULE } from './visible.ts';

/** Bounds on what one question may cost. */
export const LIMITS =
  "max_execution_time = 20, max_memory_usage = 2000000000, max_threads = 2, timeout_overflow_mode = 'throw'";

export const or = (parts: readonly string[]) => (parts.length ? `(${parts.join(' OR ')})` : '0');
export const and = (parts: readonly string[]) => (parts.length ? parts.join(' AND ') : '1');
const ends = (side: Side): readonly ('src' | 'dst')[] => (side === 'either' ? ['src', 'dst'] : [side]);

/** SQL: this end is the caller's (visible.ts, endIsVisible). */
export function visibleEnd(scope: Scope, end: 'src' | 'dst'): string {
  if (scope.all) return '1';
  if (scope.tenant === null) return '0';
  const own = `${end}Tenant = ${literal.text(scope.tenant)} AND ${end}Vm != ''`;
  if (scope.vms === null) return `(${own})`;
  return scope.vms.length ? `(${own} AND ${end}Vm IN (${literal.texts(scope.vms)}))` : '0';
}

/** SQL: the rule column is the caller's to know (visible.ts, ruleIsVisible). */
export function visibleRule(scope: Scope, column: string): string {
  if (scope.all) return '1';
  const prefixes = ['-/', 'default/', ...(scope.tenant === null ? [] : [`${scope.tenant}/`])];
  return or([
    ...prefixes.map((p) => `startsWith(${column}, ${literal.text(p)})`),
    `match(${column}, ${literal.text(SIGNATURE_RULE)})`,
  ]);
}

/** The conditions of a filter, its scope included. */
export function whereOf(filter: FlowFilter): string {
  const { scope, since, until } = filter;
  return and([
    ...(filter.byHost ? [] : ['duplicate = 0']),
    ...(scope.all ? [] : [or([visibleEnd(scope, 'src'), visibleEnd(scope, 'dst')])]),
    // A flow belongs to the time it lived through: some record of it since, and a start before.
    ...(since === undefined ? [] : [`time >= ${literal.micros(since)}`]),
    ...(until === undefined ? [] : [`start <= ${literal.micros(until)}`]),
    ...filter.conditions.flatMap(({ any, none }) => [
      ...(any.length ? [or(any.map((atom) => atomSql(atom, scope)))] : []),
      ...none.map((atom) => `NOT ${atomSql(atom, scope)}`),
    ]),
  ]);
}

/** SQL of one atom. */
export function atomSql(atom: Atom, scope: Scope): string {
  switch (atom.is) {
    case 'vm':
      if (!atom.ids.length) return '0';
      return or(
        ends(atom.side).map(
          (end) => `(${end}Vm IN (${literal.texts(atom.ids)}) AND ${visibleEnd(scope, end)})`,
        ),
      );
    case 'ip':
      return or(
        ends(atom.side).map(
          (end) => `(${end} BETWEEN ${literal.ipHex(atom.low)} AND ${literal.ipHex(atom.high)})`,
        ),
      );
    case 'port': {
      const ports = `dport BETWEEN ${literal.integer(atom.low)} AND ${literal.integer(atom.high)}`;
      const protocol =
        atom.protocol === null ? 'protocol IN (6, 17, 132)' : `protocol = ${literal.integer(atom.protocol)}`;
      return `(${ports} AND ${protocol})`;
    }
    case 'protocol':
      return `(protocol = ${literal.integer(atom.number)})`;
    case 'verdict':
      return `(verdict = ${literal.text(atom.value)})`;
    case 'staged':
      return `(stagedVerdict = ${literal.text(atom.value)})`;
    case 'rule':
      return or(
        ['ruleOut', 'ruleIn', 'stagedRule'].map((column) => {
          const same = atom.prefix
            ? `(${column} = ${literal.text(atom.value)} OR startsWith(${column}, ${literal.text(`${atom.value}/`)}))`
            : `${column} = ${literal.text(atom.value)}`;
          return `(${same} AND ${visibleRule(scope, column)})`;
        }),
      );
    case 'tenant':
      return or(
        ends('either').map(
          (end) => `(${end}Tenant = ${literal.text(atom.value)} AND ${visibleEnd(scope, end)})`,
        ),
      );
    case 'network':
      return `(network = ${literal.text(atom.value)})`;
    case 'host':
      return `(host = ${literal.text(atom.id)})`;
  }
}
