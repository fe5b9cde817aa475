// A flow filter as a predicate over live records: says of a record what the SQL (sql.ts) will say once it is stored.
import { addressHex, type Atom, type FlowFilter, type Side } from './filter.ts';
import { endIsVisible, ruleIsVisible } from './visible.ts';
import type { FlowRow } from './view.ts';

/** A record as it arrives. */
export interface LiveFlow extends FlowRow {
  duplicate: boolean;
}

const PORTS = new Set([6, 17, 132]);
const ends = (side: Side): readonly ('src' | 'dst')[] => (side === 'either' ? ['src', 'dst'] : [side]);

/** Whether a caller's filter, its scope included, lets this record through. */
export function flowMatcher(filter: FlowFilter): (flow: LiveFlow) => boolean {
  const { scope, conditions, byHost, since, until } = filter;
  const seen = (flow: LiveFlow, end: 'src' | 'dst') =>
    endIsVisible(scope, flow[`${end}Vm`], flow[`${end}Tenant`]);
  const is = (atom: Atom, flow: LiveFlow): boolean => {
    switch (atom.is) {
      case 'vm':
        return ends(atom.side).some((end) => atom.ids.includes(flow[`${end}Vm`]) && seen(flow, end));
      case 'ip':
        return ends(atom.side).some((end) => {
          const hex = addressHex(flow[end]);
          return hex >= atom.low && hex <= atom.high;
        });
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
      case 'tenant':
        return ends('either').some((end) => flow[`${end}Tenant`] === atom.value && seen(flow, end));
      case 'network':
        return flow.network === atom.value;
      case 'host':
        return flow.host === atom.id;
    }
  };
  return (flow) =>
    (byHost || !flow.duplicate) &&
    (scope.all || seen(flow, 'src') || seen(flow, 'dst')) &&
    (since === undefined || flow.time >= since) &&
    (until === undefined || flow.start <= until) &&
    conditions.every(
      ({ any, none }) =>
        (any.length === 0 || any.some((atom) => is(atom, flow))) && !none.some((atom) => is(atom, flow)),
    );
}
