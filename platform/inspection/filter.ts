// What a caller asks of inspection events, resolved to ids and ranges within what they may see: a value that is
// compiled to SQL (sql.ts) and to a predicate (match.ts), so that lists and live streams agree.
import type { InspectionQuery } from '@wocloud/protocol/api.ts';
import { PlatformError } from '../errors.ts';
import {
  condition,
  endpoint,
  hasVisibleVm,
  host,
  micros,
  port,
  range,
  type AtomOf,
  type Condition,
} from '../flows/filter.ts';
import type { EndAtom } from '../flows/match.ts';
import type { Scope } from '../handler.ts';
import type { Directory } from '../vms/directory.ts';

/** One thing an event may be. `gateway`: an instance or all of a gateway's, on these hosts (null: any). */
export type EventAtom =
  | EndAtom
  | AtomOf<'port'>
  | { is: 'word'; column: 'type' | 'action' | 'application'; value: string }
  | { is: 'signature'; number: number }
  | { is: 'flow'; number: bigint }
  | { is: 'gateway'; value: string; hosts: readonly string[] | null };

export interface EventFilter {
  scope: Scope;
  /** µs since the epoch. */
  since: number | undefined;
  until: number | undefined;
  conditions: readonly Condition<EventAtom>[];
  /** Text that one of the event's words contains, without regard to ASCII case. */
  q: string | undefined;
}

const MAX_U64 = 2n ** 64n - 1n;

/** Reads a query. Throws bad-request for what cannot be read and not-found for a VM or host the caller cannot see. */
export function eventFilter(
  query: InspectionQuery,
  scope: Scope,
  directory: Directory,
  now: Date,
): EventFilter {
  const word = (column: 'type' | 'action' | 'application') => (value: string) =>
    ({ is: 'word', column, value }) as const;
  return {
    scope,
    since: micros(query.since, now),
    until: micros(query.until, now),
    conditions: [
      ...condition<EventAtom>(query.type, word('type')),
      ...condition<EventAtom>(query.action, word('action')),
      ...condition<EventAtom>(query.application, word('application')),
      ...condition<EventAtom>(query.signature, (value) => ({ is: 'signature', number: Number(value) })),
      ...condition<EventAtom>(query.vm, endpoint('either', scope, directory)),
      ...condition<EventAtom>(query.ip, (value) => range(value, 'either')),
      ...condition<EventAtom>(query.port, port),
      ...condition<EventAtom>(query.flow === undefined ? undefined : [query.flow], flow),
      ...condition<EventAtom>(query.tenant, (value) => ({ is: 'tenant', value })),
      ...condition<EventAtom>(query.network, (value) => ({ is: 'network', value })),
      ...condition<EventAtom>(query.host, host(scope, directory)),
      ...condition<EventAtom>(query.gateway, (value) => ({
        is: 'gateway',
        value,
        hosts: scope.all ? null : hostsOf(scope, directory),
      })),
    ],
    q: query.q === undefined || query.q === '' ? undefined : query.q,
  };
}

/** Hosts a tenant's caller may know something of. */
const hostsOf = (scope: Scope, directory: Directory): string[] =>
  [...directory.hosts()].flatMap(({ id }) => (hasVisibleVm(id, scope, directory) ? [id] : []));

function flow(value: string): EventAtom {
  const number = /^\d{1,20}$/.test(value) ? BigInt(value) : -1n;
  if (number < 0n || number > MAX_U64)
    throw new PlatformError('bad-request', `flow: "${value}" is no flow id; copy it from an event.`);
  return { is: 'flow', number };
}
