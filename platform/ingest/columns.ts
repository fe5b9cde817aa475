// The columns of a batch, read in place, as columns of a table; and who the VMs at both ends of its rows are.
import { STREAMS, unpackAddress, type Batch, type StreamName } from '@wocloud/protocol/columns.ts';
import { LowColumn, TextColumn, integersOf } from '../telemetry/native.ts';
import type { DirectoryVm } from '../vms/directory.ts';
import type { Identify } from './identify.ts';

const HOUR = 3600e6;
/** Records older than this come from a wrong clock, not from a spool. */
const OLDEST = 7 * 24 * HOUR;

const positions = (stream: StreamName): ReadonlyMap<string, number> =>
  new Map(STREAMS[stream].columns.map((column, i) => [column.name, i]));
const POSITIONS = { flows: positions('flows'), inspection: positions('inspection') };

/** The raw column of a batch. */
export function columnOf(batch: Batch, name: string): Uint8Array {
  const at = POSITIONS[batch.stream].get(name);
  const column = at === undefined ? undefined : batch.columns[at];
  if (!column) throw new Error(`stream ${batch.stream} has no column ${name}`);
  return column;
}

/** A string column as indexes of the string table (copied only when not aligned). */
export function indexesOf(batch: Batch, name: string): Uint32Array {
  const bytes = columnOf(batch, name);
  return bytes.byteOffset % 4 === 0
    ? new Uint32Array(bytes.buffer, bytes.byteOffset, batch.count)
    : new Uint32Array(new Uint8Array(bytes).buffer, 0, batch.count);
}

/** Columns of a batch in the store's form. */
export interface Columns<N extends string> {
  /** As it is. */
  raw(name: N): Uint8Array[];
  /** Numbers as 64-bit integers. */
  whole(name: N): Uint8Array[];
  /** Strings of which few are different. */
  low(name: N): Uint8Array[];
  /** Strings of which most are different. */
  text(name: N): Uint8Array[];
}

export function columnsOf<N extends string>(batch: Batch): Columns<N> {
  const { count, strings } = batch;
  return {
    raw: (name) => [columnOf(batch, name)],
    whole: (name) => [integersOf(columnOf(batch, name))],
    low(name) {
      const indexes = indexesOf(batch, name);
      const column = new LowColumn(count, strings);
      for (let i = 0; i < count; i++) column.rows[i] = column.fromTable(indexes[i] ?? 0);
      return column.data();
    },
    text(name) {
      const indexes = indexesOf(batch, name);
      const column = new TextColumn(strings);
      for (let i = 0; i < count; i++) column.add(indexes[i] ?? 0);
      return column.data();
    },
  };
}

/** A low-cardinality column with something of each row's VM; '' where there is none. */
export function vmColumn(
  vms: readonly (DirectoryVm | undefined)[],
  value: (vm: DirectoryVm) => string,
): Uint8Array[] {
  const column = new LowColumn(vms.length);
  const seen = new Map<DirectoryVm | undefined, number>([[undefined, column.entry('')]]);
  for (let i = 0; i < vms.length; i++) {
    const vm = vms[i];
    let at = seen.get(vm);
    if (at === undefined) {
      at = column.entry(vm ? value(vm) : '');
      seen.set(vm, at);
    }
    column.rows[i] = at;
  }
  return column.data();
}

/** The batch's times, where no clock of ours could have shown one replaced by the time of arrival, and how many. */
export function credibleTimes(batch: Batch, now: number): { times: Uint8Array; clocked: number } {
  // A copy: what came is also read elsewhere. (Not slice(), which a Buffer does not copy.)
  const times = new Uint8Array(columnOf(batch, 'time'));
  const view = new DataView(times.buffer, times.byteOffset, times.byteLength);
  let clocked = 0;
  for (let i = 0; i < times.length; i += 8) {
    const value = view.getFloat64(i, true);
    if (value <= now + HOUR && value >= now - OLDEST) continue;
    view.setFloat64(i, now, true);
    clocked++;
  }
  return { times, clocked };
}

/** The VM of each row at one end: the one the host names, else by address. */
export function endsOf(
  batch: Batch,
  end: 'src' | 'dst',
  network: Uint32Array,
  ends: Identify,
): (DirectoryVm | undefined)[] {
  const { count, strings } = batch;
  const named = indexesOf(batch, `${end}Vm`);
  const ips = columnOf(batch, end);
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
