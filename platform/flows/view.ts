// A stored or live flow record as the API shows it to one caller.
import type { FlowRecord } from '@wocloud/protocol/flow.ts';
import type { FlowView } from '@wocloud/protocol/views.ts';
import type { Scope } from '../handler.ts';
import type { Directory } from '../vms/directory.ts';
import { protocolName } from './filter.ts';
import { endIsVisible, ruleIsVisible } from './visible.ts';

/** One record with what ingest knew; times in µs, addresses as text. */
export interface FlowRow extends Omit<FlowRecord, 'flow'> {
  host: string;
  /** Decimal. */
  flow: string;
  srcTenant: string;
  dstTenant: string;
}

/** The select list that makes FlowRows. */
export const FLOW_SELECT = [
  'toUnixTimestamp64Micro(start) AS startMicros',
  'host',
  'toString(flow) AS flowText',
  'toUnixTimestamp64Micro(time) AS timeMicros',
  'kind',
  'toUnixTimestamp64Micro(end) AS endMicros',
  'network',
  'point',
  'srcVm',
  'dstVm',
  'srcTenant',
  'dstTenant',
  'toString(src) AS srcText',
  'toString(dst) AS dstText',
  ...['protocol', 'sport', 'dport', 'packetsOut', 'packetsIn', 'bytesOut', 'bytesIn', 'verdict'],
  ...['ruleOut', 'ruleIn', 'stagedVerdict', 'stagedRule'],
].join(', ');

export type SelectedFlow = Omit<FlowRow, 'start' | 'flow' | 'time' | 'end' | 'src' | 'dst'> & {
  startMicros: number;
  flowText: string;
  timeMicros: number;
  endMicros: number;
  srcText: string;
  dstText: string;
};

export const flowRow = (row: SelectedFlow): FlowRow => ({
  ...row,
  start: row.startMicros,
  flow: row.flowText,
  time: row.timeMicros,
  end: row.endMicros,
  src: row.srcText.replace(/^::ffff:(?=\d+\.)/, ''),
  dst: row.dstText.replace(/^::ffff:(?=\d+\.)/, ''),
});

const MAX_MICROS = 8.64e18 / 1000;

/** µs since the epoch → RFC 3339 with microseconds. */
export function isoMicros(micros: number): string {
  const whole = Math.min(Math.max(0, Math.trunc(micros)), MAX_MICROS);
  const text = new Date(Math.floor(whole / 1000)).toISOString();
  return `${text.slice(0, -1)}${String(whole % 1000).padStart(3, '0')}Z`;
}

/** Stable id of a flow: the same in all its records. */
export const flowId = (row: Pick<FlowRow, 'host' | 'flow' | 'start'>): string =>
  `${row.host.slice(0, 8)}-${BigInt(row.flow).toString(36)}-${row.start.toString(36)}`;

/** One end as this caller may see it: of one that is not theirs only the address. */
export function endView(
  scope: Scope,
  directory: Pick<Directory, 'vm'>,
  { vm, tenant, ip, port }: { vm: string; tenant: string; ip: string; port: number },
): FlowView['src'] {
  const seen = vm !== '' && endIsVisible(scope, vm, tenant);
  return {
    vm: seen ? vm : null,
    name: seen ? (directory.vm(vm)?.name ?? null) : null,
    tenant: seen && tenant !== '' ? tenant : null,
    ip,
    port,
  };
}

/** Whether a caller may know the host: platform roles, and who has a VM there among the ends they see. */
export const hostIsVisible = (
  scope: Scope,
  directory: Pick<Directory, 'vm'>,
  host: string,
  ends: readonly FlowView['src'][],
): boolean => scope.all || ends.some(({ vm }) => vm !== null && directory.vm(vm)?.host === host);

/** The record as this caller may see it. The caller must be allowed to see the flow at all. */
export function flowView(row: FlowRow, scope: Scope, directory: Directory): FlowView {
  const rule = (id: string) => (ruleIsVisible(scope, id) ? id : '');
  const [ruleOut, ruleIn] = [rule(row.ruleOut), rule(row.ruleIn)];
  const end = (vm: string, tenant: string, ip: string, port: number) =>
    endView(scope, directory, { vm, tenant, ip, port });
  const src = end(row.srcVm, row.srcTenant, row.src, row.sport);
  const dst = end(row.dstVm, row.dstTenant, row.dst, row.dport);
  return {
    id: flowId(row),
    time: isoMicros(row.time),
    kind: row.kind,
    start: isoMicros(row.start),
    end: row.end > 0 ? isoMicros(row.end) : null,
    host: hostIsVisible(scope, directory, row.host, [src, dst]) ? row.host : '',
    network: row.network,
    point: row.point,
    src,
    dst,
    protocol: protocolName(row.protocol),
    verdict: row.verdict,
    // The destination's side decides last; where it did not get to decide, the source's side did.
    rule: row.ruleIn === '' ? ruleOut : ruleIn,
    ruleOut,
    ruleIn,
    stagedVerdict: row.stagedVerdict,
    stagedRule: rule(row.stagedRule),
    packetsOut: row.packetsOut,
    packetsIn: row.packetsIn,
    bytesOut: row.bytesOut,
    bytesIn: row.bytesIn,
  };
}
