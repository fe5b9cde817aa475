// Rows of observed conversations → flow records.
import { FLOW_KINDS, type FlowKind, type FlowRecord } from '@wocloud/protocol/flow.ts';
import type { LocalNic } from '../directory.ts';
import { DST, DST_MAC, FAMILY, KIND, PORT_INDEX, ROW, SRC, SRC_MAC, ZONE } from '../netlink/conntrack-row.ts';
import { addressText, rowRecord, type StagedCache } from './conntrack.ts';
import type { GoneNics } from './gone.ts';
import { macText } from './packet.ts';
import type { NicFinder } from './ports.ts';

export interface ObservedSurroundings {
  /** The L2 segment of a network number. */
  segment(number: number): { bridge: string; vlan: number | null } | undefined;
  finder: NicFinder;
  staged: Pick<StagedCache, 'of'>;
  gone: Pick<GoneNics, 'onSegment'>;
}

/** The records of `count` observed rows. Those between strangers, or of segments gone, make none. */
export function observedRecords(
  around: ObservedSurroundings,
  bytes: Uint8Array,
  view: DataView,
  count: number,
): FlowRecord[] {
  const records: FlowRecord[] = [];
  for (let i = 0; i < count; i++) {
    const record = observedRecord(around, bytes, view, i * ROW);
    if (record) records.push(record);
  }
  return records;
}

function observedRecord(
  around: ObservedSurroundings,
  bytes: Uint8Array,
  view: DataView,
  at: number,
): FlowRecord | undefined {
  const { finder, staged, gone } = around;
  const segment = around.segment(view.getUint16(at + ZONE, true));
  if (!segment) return undefined;
  const family = view.getUint8(at + FAMILY);
  const src = addressText(bytes, at + SRC, family);
  const dst = addressText(bytes, at + DST, family);
  const isHere = (nic: LocalNic | undefined) =>
    nic && nic.bridge === segment.bridge && nic.vlan === segment.vlan ? nic : undefined;
  const kind = FLOW_KINDS[view.getUint8(at + KIND)] as FlowKind;
  const byAddress = (ip: string) =>
    finder.byAddress(segment.bridge, segment.vlan, ip) ??
    (kind === 'start' ? undefined : gone.onSegment(segment.bridge, segment.vlan, ip));
  const source =
    isHere(finder.byPort(view.getUint32(at + PORT_INDEX, true))) ??
    isHere(finder.byMac(macText(bytes, at + SRC_MAC))) ??
    byAddress(src);
  const destination = isHere(finder.byMac(macText(bytes, at + DST_MAC))) ?? byAddress(dst);
  if (!source && !destination) return undefined;
  const network = source?.network || destination?.network || '';
  return rowRecord(view, at, staged, {
    kind,
    network,
    source,
    destination,
    src,
    dst,
    verdict: 'observed',
    ruleOut: '',
    ruleIn: '',
  });
}
