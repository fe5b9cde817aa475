// A flow record: one observation of a connection (or of a refused packet) at one host.

export const FLOW_KINDS = ['start', 'update', 'end', 'drop'] as const;
export type FlowKind = (typeof FLOW_KINDS)[number];
/** `observed`: seen where nothing is enforced. */
export const VERDICTS = ['observed', 'allowed', 'dropped', 'rejected'] as const;
export type Verdict = (typeof VERDICTS)[number];
export const STAGED_VERDICTS = ['none', 'allowed', 'dropped', 'rejected'] as const;
export type StagedVerdict = (typeof STAGED_VERDICTS)[number];
/** Which end's NIC is on the reporting host. A flow between two hosts is reported by both and counted once. */
export const POINTS = ['none', 'source', 'destination', 'both'] as const;
export type Point = (typeof POINTS)[number];

/**
 * Times are microseconds since the epoch, UTC. Packets and bytes are IP-level (L3 and up), cumulative
 * since the flow's start; `out` is from the originator. For ICMP `sport` is the type and `dport` the code.
 * Empty strings mean unknown. `src`/`dst` are text addresses (RFC 5952 for IPv6).
 */
export interface FlowRecord {
  time: number;
  kind: FlowKind;
  /** Unique per host and boot; the same in a flow's start, updates and end. */
  flow: bigint;
  start: number;
  /** 0 while the flow lives. */
  end: number;
  network: string;
  point: Point;
  srcVm: string;
  dstVm: string;
  src: string;
  dst: string;
  protocol: number;
  sport: number;
  dport: number;
  packetsOut: number;
  packetsIn: number;
  bytesOut: number;
  bytesIn: number;
  verdict: Verdict;
  /** Rule that decided at the source's side, and at the destination's. */
  ruleOut: string;
  ruleIn: string;
  /** What the staged policies (for an observed VM: all policies) would have done. */
  stagedVerdict: StagedVerdict;
  stagedRule: string;
}
