// A batch of flow records → one Native block for the store and the identities of its rows, reading the columns in
// place: nothing is made per row but a few numbers.
import { FLOW_COLUMNS, type Batch, unpackAddress } from '@wocloud/protocol/columns.ts';
import { FLOW_KINDS, POINTS } from '@wocloud/protocol/flow.ts';
import { FLOW_TABLE } from '../telemetry/schema.ts';
import { LowColumn, bytesOf, constant, integersOf, nativeBlock } from '../telemetry/native.ts';
import type { DirectoryVm } from '../vms/directory.ts';
import type { Identify } from './identify.ts';

export type FlowColumnName = (typeof FLOW_COLUMNS)[number]['name'];
const POSITION = Object.fromEntries(FLOW_COLUMNS.map((c, i) => [c.name, i])) as Record<
  FlowColumnName,
  number
>;
/** Columns of the table that a block carries, in order. */
export const BLOCK_COLUMNS = Object.keys(FLOW_TABLE) as (keyof typeof FLOW_TABLE)[];

const DESTINATION = POINTS.indexOf('destination');
const DROP = FLOW_KINDS.indexOf('drop');
const HOUR = 3600e6;
/** Records older than this come from a wrong clock, not from a spool. */
const OLDEST = 7 * 24 * HOUR;

export interface FlowBlock {
  batch: Batch;
  bytes: Uint8Array;
  /** Per row: the VM at either end, where known. */
  source: readonly (DirectoryVm | undefined)[];
  destination: readonly (DirectoryVm | undefined)[];
  /** Per row: 1 where the source's host reports the same flow. */
  duplicate: Uint8Array;
  /** Rows whose time was not credible and was replaced by the time of arrival. */
  clocked: number;
}

export interface BlockOrigin {
  host: string;
  boot: string;
  /** µs since the epoch. */
  now: number;
}

/** The raw column of a batch. */
export const columnOf = (batch: Batch, name: FlowColumnName): Uint8Array =>
  batch.columns[POSITION[name]] ?? new Uint8Array();

/** A batch's u32 string column as string-table indexes (copied only when not aligned). */
export function indexesOf(batch: Batch, name: FlowColumnName): Uint32Array {
  const bytes = columnOf(batch, name);
  return bytes.byteOffset % 4 === 0
    ? new Uint32Array(bytes.buffer, bytes.byteOffset, batch.count)
    : new Uint32Array(new Uint8Array(bytes).buffer, 0, batch.count);
}

/** Builds the block and identifies both ends of every row. */
export function flowBlock(batch: Batch, origin: BlockOrigin, ends: Identify): FlowBlock {
  const { count, strings } = batch;
  const network = indexesOf(batch, 'network');
  const point = columnOf(batch, 'point');
  const kind = columnOf(batch, 'kind');
  // A copy: what came is also read elsewhere. (Not slice(), which a Buffer does not copy.)
  const time = new Uint8Array(columnOf(batch, 'time'));
  const clocked = credible(time, origin.now);

  const source = endsOf(batch, 'srcVm', 'src', network, ends);
  const destination = endsOf(batch, 'dstVm', 'dst', network, ends);
  const duplicate = new Uint8Array(count);
  const elsewhere = new Map<string, boolean>();
  for (let i = 0; i < count; i++) {
    const from = source[i];
    if (point[i] !== DESTINATION || kind[i] === DROP || !from) continue;
    const key = `${from.id} ${network[i]}`;
    let known = elsewhere.get(key);
    if (known === undefined) {
      known = ends.reportedElsewhere(from, strings[network[i] ?? 0] ?? '');
      elsewhere.set(key, known);
    }
    duplicate[i] = known ? 1 : 0;
  }

  const low = (name: FlowColumnName) => {
    const indexes = indexesOf(batch, name);
    const column = new LowColumn(count, strings);
    for (let i = 0; i < count; i++) column.rows[i] = column.fromTable(indexes[i] ?? 0);
    return column.data();
  };
  const ofVm = (vms: readonly (DirectoryVm | undefined)[], value: (vm: DirectoryVm) => string) => {
    const column = new LowColumn(count);
    const seen = new Map<DirectoryVm | undefined, number>([[undefined, column.entry('')]]);
    for (let i = 0; i < count; i++) {
      const vm = vms[i];
      let at = seen.get(vm);
      if (at === undefined) {
        at = column.entry(vm ? value(vm) : '');
        seen.set(vm, at);
      }
      column.rows[i] = at;
    }
    return column.data();
  };
  const raw = (name: FlowColumnName) => [columnOf(batch, name)];
  const whole = (name: FlowColumnName) => [integersOf(columnOf(batch, name))];
  const data: Record<keyof typeof FLOW_TABLE, Uint8Array[]> = {
    start: whole('start'),
    host: constant(count, origin.host),
    flow: raw('flow'),
    time: [integersOf(time)],
    kind: raw('kind'),
    end: whole('end'),
    network: low('network'),
    point: raw('point'),
    srcVm: ofVm(source, (vm) => vm.id),
    dstVm: ofVm(destination, (vm) => vm.id),
    srcTenant: ofVm(source, (vm) => vm.tenant ?? ''),
    dstTenant: ofVm(destination, (vm) => vm.tenant ?? ''),
    src: raw('src'),
    dst: raw('dst'),
    protocol: raw('protocol'),
    sport: raw('sport'),
    dport: raw('dport'),
    packetsOut: whole('packetsOut'),
    packetsIn: whole('packetsIn'),
    bytesOut: whole('bytesOut'),
    bytesIn: whole('bytesIn'),
    verdict: raw('verdict'),
    ruleOut: low('ruleOut'),
    ruleIn: low('ruleIn'),
    stagedVerdict: raw('stagedVerdict'),
    stagedRule: low('stagedRule'),
    duplicate: [duplicate],
    boot: constant(count, origin.boot),
    sequence: [bytesOf(new BigUint64Array(count).fill(BigInt(batch.sequence)))],
  };
  const bytes = nativeBlock(
    count,
    BLOCK_COLUMNS.map((name) => ({ name, type: FLOW_TABLE[name], data: data[name] })),
  );
  return { batch, bytes, source, destination, duplicate, clocked };
}

/** Replaces times that no clock of ours could have shown by the time of arrival; returns how many. */
function credible(time: Uint8Array, now: number): number {
  const view = new DataView(time.buffer, time.byteOffset, time.byteLength);
  let replaced = 0;
  for (let i = 0; i < time.length; i += 8) {
    const value = view.getFloat64(i, true);
    if (value <= now + HOUR && value >= now - OLDEST) continue;
    view.setFloat64(i, now, true);
    replaced++;
  }
  return replaced;
}

/** The VM of each row at one end: the one the host names, else by address. */
function endsOf(
  batch: Batch,
  vmColumn: 'srcVm' | 'dstVm',
  ipColumn: 'src' | 'dst',
  network: Uint32Array,
  ends: Identify,
): (DirectoryVm | undefined)[] {
  const { count, strings } = batch;
  const named = indexesOf(batch, vmColumn);
  const ips = columnOf(batch, ipColumn);
  const words = new DataView(ips.buffer, ips.byteOffset, ips.byteLength);
  const byName = new Map<number, DirectoryVm | undefined>();
  // By network and the address's last 4 bytes (an IPv4 address is all in them), then by its text.
  const byAddress = new Map<number, Map<number, Map<string, DirectoryVm | undefined>>>();
  const out: (DirectoryVm | undefined)[] = Array.from({ length: count });
  for (let i = 0; i < count; i++) {
    const index = named[i] ?? 0;
    if (strings[index] !== '') {
      if (!byName.has(index)) byName.set(index, ends.own(strings[index] ?? ''));
      out[i] = byName.get(index);
      continue;
    }
    const at = i * 16;
    const v4 =
      words.getUint32(at + 8) === 0xffff && words.getUint32(at + 4) === 0 && words.getUint32(at) === 0;
    const tail = words.getUint32(at + 12);
    const text = v4 ? '' : unpackAddress(ips, at);
    const net = network[i] ?? 0;
    let tails = byAddress.get(net);
    if (!tails) byAddress.set(net, (tails = new Map()));
    let texts = tails.get(tail);
    if (!texts) tails.set(tail, (texts = new Map()));
    if (!texts.has(text)) texts.set(text, ends.far(strings[net] ?? '', v4 ? unpackAddress(ips, at) : text));
    out[i] = texts.get(text);
  }
  return out;
}
