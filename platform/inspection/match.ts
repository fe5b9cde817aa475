// An event filter as a predicate over live events: says of an event what the SQL (sql.ts) will say once it is stored.
import { endSeen, endsMatch } from '../flows/match.ts';
import type { EventAtom, EventFilter } from './filter.ts';
import { TEXT_COLUMNS } from './sql.ts';
import type { EventRow } from './view.ts';

const PORTS = new Set([6, 17, 132]);
const within = (port: number, { low, high }: { low: number; high: number }) => port >= low && port <= high;
const plain = (text: string) => text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());

/** Whether a caller's filter, its scope included, lets this event through. */
export function eventMatcher(filter: EventFilter): (event: EventRow) => boolean {
  const { scope, conditions, since, until } = filter;
  const q = filter.q === undefined ? undefined : plain(filter.q);
  const is = (atom: EventAtom, event: EventRow): boolean => {
    switch (atom.is) {
      case 'port':
        return (
          (within(event.dport, atom) || within(event.sport, atom)) &&
          (atom.protocol === null ? PORTS.has(event.protocol) : event.protocol === atom.protocol)
        );
      case 'word':
        return event[atom.column] === atom.value;
      case 'signature':
        return event.signature === atom.number;
      case 'flow':
        return event.flow === String(atom.number);
      case 'gateway':
        return (
          (event.gateway === atom.value || event.gateway.startsWith(`${atom.value}/`)) &&
          (atom.hosts === null || atom.hosts.includes(event.host))
        );
      default:
        return endsMatch(scope, atom, event);
    }
  };
  return (event) =>
    (scope.all || endSeen(scope, event, 'src') || endSeen(scope, event, 'dst')) &&
    (since === undefined || event.time >= since) &&
    (until === undefined || event.time <= until) &&
    conditions.every(
      ({ any, none }) =>
        (any.length === 0 || any.some((atom) => is(atom, event))) && !none.some((atom) => is(atom, event)),
    ) &&
    (q === undefined || TEXT_COLUMNS.some((column) => plain(event[column]).includes(q)));
}
