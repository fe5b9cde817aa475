// Rows of the reading thread → flow records: whose NICs, which rules, what the staged policies would have done.
// A connection that touches no NIC of ours is not our business and makes no record.
import {
  FLOW_KINDS,
  type FlowKind,
  type FlowRecord,
  type Point,
  type StagedVerdict,
} from '@wocloud/protocol/flow.ts';
import { unpackAddress } from '@wocloud/protocol/columns.ts';
import type { Directory, LocalNic, Packet } from '../directory.ts';
import type { GoneNics } from './gone.ts';
import {
  AF_INET,
  BYTES_IN,
  BYTES_OUT,
  DPORT,
  DST,
  END,
  FAMILY,
  FLOW,
  KIND,
  MARK,
  PACKETS_IN,
  PACKETS_OUT,
  PROTOCOL,
  REPLY_SRC,
  ROW,
  SPORT,
  SRC,
  START,
  TIME,
  ZONE,
} from '../netlink/conntrack-row.ts';

/** Text of the address in a row. */
export function addressText(bytes: Uint8Array, at: number, family: number): string {
  return family === AF_INET
    ? `${bytes[at + 12]}.${bytes[at + 13]}.${bytes[at + 14]}.${bytes[at + 15]}`
    : unpackAddress(bytes, at);
}

export function pointOf(source: LocalNic | undefined, destination: LocalNic | undefined): Point {
  if (source) return destination ? 'both' : 'source';
  return destination ? 'destination' : 'none';
}

const MAX_STAGED = 20_000;

/** The staged verdict per pair of ends and service: flows repeat it far more often than policies change. */
export class StagedCache {
  readonly #directory: Directory;
  readonly #known = new Map<string, { verdict: StagedVerdict; rule: string }>();
  readonly #undo: () => void;

  constructor(directory: Directory) {
    this.#directory = directory;
    this.#undo = directory.onChange(() => this.#known.clear());
  }

  of(
    out: LocalNic | undefined,
    into: LocalNic | undefined,
    packet: Packet,
  ): { verdict: StagedVerdict; rule: string } {
    const isIcmp = packet.protocol === 1 || packet.protocol === 58;
    const key = `${out?.id}|${into?.id}|${packet.network}|${packet.src}|${packet.dst}|${packet.protocol}|${packet.dport}|${isIcmp ? packet.sport : ''}`;
    let answer = this.#known.get(key);
    if (!answer) {
      if (this.#known.size >= MAX_STAGED) this.#known.clear();
      answer = this.#directory.staged(out, into, packet);
      this.#known.set(key, answer);
    }
    return answer;
  }

  close(): void {
    this.#undo();
  }
}

/** How an address of a connection becomes a NIC. */
export interface Surroundings {
  directory: Directory;
  staged: Pick<StagedCache, 'of'>;
  /** NICs by address where the host itself routes: zone 0. */
  routed: { byAddress(ip: string): LocalNic | undefined };
  gone: Pick<GoneNics, 'byAddress' | 'anywhere'>;
}

/** The records of `count` rows, in order. `foreign` counts those of no NIC of ours. */
export function conntrackRecords(
  around: Surroundings,
  bytes: Uint8Array,
  view: DataView,
  count: number,
): { records: FlowRecord[]; foreign: number } {
  const records: FlowRecord[] = [];
  for (let i = 0; i < count; i++) {
    const record = conntrackRecord(around, bytes, view, i * ROW);
    if (record) records.push(record);
  }
  return { records, foreign: count - records.length };
}

function conntrackRecord(
  { directory, staged, routed, gone }: Surroundings,
  bytes: Uint8Array,
  view: DataView,
  at: number,
): FlowRecord | undefined {
  const zone = view.getUint16(at + ZONE, true);
  const family = view.getUint8(at + FAMILY);
  const src = addressText(bytes, at + SRC, family);
  let dst = addressText(bytes, at + DST, family);
  const kind = FLOW_KINDS[view.getUint8(at + KIND)] as FlowKind;
  const nicOf = (ip: string) =>
    (zone === 0 ? routed.byAddress(ip) : directory.byAddress(zone, ip)) ??
    (kind === 'start' ? undefined : zone === 0 ? gone.anywhere(ip) : gone.byAddress(zone, ip));
  const source = nicOf(src);
  let destination = nicOf(dst);
  if (!destination && !sameAddress(view, at + DST, at + REPLY_SRC)) {
    // The destination was translated (a forwarded port): who answers is who was meant.
    const answers = addressText(bytes, at + REPLY_SRC, family);
    destination = nicOf(answers);
    if (destination) dst = answers;
  }
  if (!source && !destination) return undefined;
  const network = directory.networkOfZone(zone)?.id ?? (source?.network || destination?.network || '');
  const mark = view.getUint32(at + MARK, true);
  return rowRecord(view, at, staged, {
    kind,
    network,
    source,
    destination,
    src,
    dst,
    verdict: source?.mode === 'enforce' || destination?.mode === 'enforce' ? 'allowed' : 'observed',
    ruleOut: directory.rule(mark >>> 16),
    ruleIn: directory.rule(mark & 0xffff),
  });
}

/** What is known of a row beside its bytes. */
export interface RowContext extends Pick<
  FlowRecord,
  'kind' | 'network' | 'src' | 'dst' | 'verdict' | 'ruleOut' | 'ruleIn'
> {
  source: LocalNic | undefined;
  destination: LocalNic | undefined;
}

/** One row's numbers and its context → a flow record, with what staged policies would say. */
export function rowRecord(
  view: DataView,
  at: number,
  staged: Pick<StagedCache, 'of'>,
  { kind, network, source, destination, src, dst, verdict, ruleOut, ruleIn }: RowContext,
): FlowRecord {
  const protocol = view.getUint8(at + PROTOCOL);
  const sport = view.getUint16(at + SPORT, true);
  const dport = view.getUint16(at + DPORT, true);
  const { verdict: stagedVerdict, rule: stagedRule } = staged.of(source, destination, {
    network,
    src,
    dst,
    protocol,
    sport,
    dport,
  });
  return {
    time: view.getFloat64(at + TIME, true),
    kind,
    flow: view.getBigUint64(at + FLOW, true),
    start: view.getFloat64(at + START, true),
    end: view.getFloat64(at + END, true),
    network,
    point: pointOf(source, destination),
    srcVm: source?.vm ?? '',
    dstVm: destination?.vm ?? '',
    src,
    dst,
    protocol,
    sport,
    dport,
    packetsOut: view.getFloat64(at + PACKETS_OUT, true),
    packetsIn: view.getFloat64(at + PACKETS_IN, true),
    bytesOut: view.getFloat64(at + BYTES_OUT, true),
    bytesIn: view.getFloat64(at + BYTES_IN, true),
    verdict,
    ruleOut,
    ruleIn,
    stagedVerdict,
    stagedRule,
  };
}

function sameAddress(view: DataView, a: number, b: number): boolean {
  for (let k = 0; k < 16; k += 4) if (view.getUint32(a + k) !== view.getUint32(b + k)) return false;
  return true;
}
