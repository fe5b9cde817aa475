// An event filter as the WHERE of a statement for the telemetry store. Every value is a typed literal.
import { and, atomSql as endSql, or, visibleEnd } from '../flows/sql.ts';
import type { Scope } from '../handler.ts';
import { literal } from '../telemetry/literal.ts';
import type { EventAtom, EventFilter } from './filter.ts';

/** Columns that free text is looked for in. */
export const TEXT_COLUMNS = ['title', 'subject', 'category', 'application', 'technique'] as const;

/** The conditions of a filter, its scope included. */
export function whereOf({ scope, since, until, conditions, q }: EventFilter): string {
  return and([
    ...(scope.all ? [] : [or([visibleEnd(scope, 'src'), visibleEnd(scope, 'dst')])]),
    ...(since === undefined ? [] : [`time >= ${literal.micros(since)}`]),
    ...(until === undefined ? [] : [`time <= ${literal.micros(until)}`]),
    ...conditions.flatMap(({ any, none }) => [
      ...(any.length ? [or(any.map((atom) => atomSql(atom, scope)))] : []),
      ...none.map((atom) => `NOT ${atomSql(atom, scope)}`),
    ]),
    ...(q === undefined
      ? []
      : [or(TEXT_COLUMNS.map((column) => `positionCaseInsensitive(${column}, ${literal.text(q)}) > 0`))]),
  ]);
}

function atomSql(atom: EventAtom, scope: Scope): string {
  switch (atom.is) {
    // A signature may match in either direction: the service is the port of either end.
    case 'port': {
      const [low, high] = [literal.integer(atom.low), literal.integer(atom.high)];
      const protocol =
        atom.protocol === null ? 'protocol IN (6, 17, 132)' : `protocol = ${literal.integer(atom.protocol)}`;
      return `((dport BETWEEN ${low} AND ${high} OR sport BETWEEN ${low} AND ${high}) AND ${protocol})`;
    }
    case 'word':
      return `(${atom.column} = ${literal.text(atom.value)})`;
    case 'signature':
      return `(signature = ${literal.integer(atom.number)})`;
    case 'flow':
      return `(flow = ${literal.integer(atom.number)})`;
    case 'gateway': {
      const { value, hosts } = atom;
      const named = `(gateway = ${literal.text(value)} OR startsWith(gateway, ${literal.text(`${value}/`)}))`;
      if (hosts === null) return named;
      return hosts.length ? `(${named} AND host IN (${literal.texts(hosts)}))` : '0';
    }
    default:
      return endSql(atom, scope);
  }
}
