// How a flow's ends and rule are named, everywhere the same.
import type { FlowQuery } from '@wocloud/protocol/api.ts';
import type { FlowView } from '@wocloud/protocol/views.ts';

type End = FlowView['src'];

/** A VM by its name, anything else by its address. */
export const endName = (end: End) => end.name ?? end.ip;

/** The destination's port with its protocol: tcp/443; ICMP has a type instead. */
export const serviceName = (flow: FlowView) =>
  /^icmp/.test(flow.protocol) ? flow.protocol : `${flow.protocol}/${flow.dst.port}`;

export type RuleId =
  | { kind: 'rule'; tenant: string | null; policy: string; rule: string }
  | { kind: 'default'; what: string }
  | { kind: 'signature'; sid: number | null }
  | { kind: 'limit'; what: string };

/**
 * A rule's id taken apart: `tenant/policy/rule`, `default/<what>`, or `suricata/<sid>` for what a gateway refused (by
 * a signature it did not name: `suricata`), `limit/<what>` for what a limit did; null for no rule.
 */
export function readRule(id: string): RuleId | null {
  const [first, second, ...rest] = id.split('/');
  if (first === 'suricata' && rest.length === 0)
    return { kind: 'signature', sid: second && /^[0-9]{1,10}$/.test(second) ? Number(second) : null };
  if (first === 'limit' && second && rest.length === 0) return { kind: 'limit', what: second };
  if (first === 'default' && second && rest.length === 0) return { kind: 'default', what: second };
  if (!first || !second || rest.length === 0) return null;
  return { kind: 'rule', tenant: first === '-' ? null : first, policy: second, rule: rest.join('/') };
}

export interface FlowRef {
  id: string;
  /** Milliseconds since the epoch: its start, and when it was seen last. */
  start: number;
  seen: number;
  port: number;
  ip: string;
}

/** How a flow is found again: there is no way to ask by id alone, so its moment and its ends go along. */
export const flowRef = (flow: FlowView) =>
  [flow.id, Date.parse(flow.start), Date.parse(flow.time), flow.dst.port, flow.src.ip].join('@');

/** Takes a flow's reference apart; null when it is malformed. */
export function readFlowRef(ref: string): FlowRef | null {
  const match = /^(.+)@(\d+)@(\d+)@(\d+)@([0-9a-fA-F.:]+)$/.exec(ref);
  if (!match) return null;
  const [, id, start, seen, port, ip] = match;
  return { id: id!, start: Number(start), seen: Number(seen), port: Number(port), ip: ip! };
}

/** The questions that find it: near where it was seen, then anywhere since. */
export function flowQuestions(ref: FlowRef): [FlowQuery, FlowQuery] {
  const ends = { ip: [ref.ip], port: [String(ref.port)], limit: 1000 };
  const since = new Date(ref.start - 2000).toISOString();
  return [
    { ...ends, since, until: new Date(ref.seen + 300_000).toISOString() },
    { ...ends, since },
  ];
}
