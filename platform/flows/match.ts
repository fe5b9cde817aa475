// A flow filter as a predicate over live records: says of a record what the SQL (sql.ts) will say once it is stored.
import type { Scope } from '../handler.ts';
import { addressHex, type Atom, type AtomOf, type FlowFilter, type Side } from './filter.ts';
import { endIsVisible, ruleIsVisible } from './visible.ts';
import type { FlowRow } from './view.ts';

/** A record as it arrives. */
export interface LiveFlow extends FlowRow {
  duplicate: boolean;
}

const PORTS = new Set([6, 17, 132]);
const ends = (side: Side): readonly ('src' | 'dst')[] => (side === 'either' ? ['src', 'dst'] : [side]);

/** What any record says of its ends and of where it was seen. */
export type Ends = Record<
  'src' | 'dst' | 'srcVm' | 'dstVm' | 'srcTenant' | 'dstTenant' | 'network' | 'host',
  string
>;
export type EndAtom = AtomOf<'vm' | 'ip' | 'tenant' | 'network' | 'host'>;

/** Whether an end of the record is the caller's. */
export const endSeen = (scope: Scope, record: Ends, end: 'src' | 'dst'): boolean =>
  endIsVisible(scope, record[`${end}Vm`], record[`${end}Tenant`]);

/** Whether what an atom says of the ends is so, as far as the caller may know. */
export function endsMatch(scope: Scope, atom: EndAtom, record: Ends): boolean {
  switch (atom.is) {
    case 'vm':
      return ends(atom.side).some(
        (end) => atom.ids.includes(record[`${end}Vm`]) && endSeen(scope, record, end),
      );
    case 'ip':
      return ends(atom.side).some((end) => {
        const hex = addressHex(record[end]);
        return hex >= atom.low && hex <= atom.high;
      });
    case 'tenant':
      return ends('either').some(
        (end) => record[`${end}Tenant`] === atom.value && endSeen(scope, record, end),
      );
    case 'network':
      return record.network === atom.value;
    case 'host':
      return record.host === atom.id;
  }
}

/** Whether a caller's filter, its scope included, lets this record through. */
export function flowMatcher(filter: FlowFilter): (flow: LiveFlow) => boolean {
  const { scope, conditions, byHost, since, until } = filter;
  const is = (atom: Atom, flow: LiveFlow): boolean => {
    switch (atom.is) {
      case 'port':
        return (
          flow.dport >= atom.low &&
          flow.dport <= atom.high &&
          (atom.protocol === null ? PORTS.has(flow.protocol) : flow.protocol === atom.protocol)
        );
      case 'protocol':
        return flow.protocol === atom.number;
      case 'verdict':
        return flow.verdict === atom.value;
      case 'staged':
        return flow.stagedVerdict === atom.value;
      case 'rule':
        return [flow.ruleOut, flow.ruleIn, flow.stagedRule].some(
          (rule) =>
            (rule === atom.value || (atom.prefix && rule.startsWith(`${atom.value}/`))) &&
            ruleIsVisible(scope, rule),
        );
      default:
        return endsMatch(scope, atom, flow);
    }
  };
  return (flow) =>
    (byHost || !flow.duplicate) &&
    (scope.all || endSeen(scope, flow, 'src') || endSeen(scope, flow, 'dst')) &&
    (since === undefined || flow.time >= since) &&
    (until === undefined || flow.start <= until) &&
    conditions.every(
      ({ any, none }) =>
        (any.length === 0 || any.some((atom) => is(atom, flow))) && !none.some((atom) => is(atom, flow)),
    );
}
