// Binary columnar batches: the wire form of records. Fixed-width typed arrays and a per-batch string table.
import { FLOW_KINDS, POINTS, STAGED_VERDICTS, VERDICTS, type FlowRecord } from './flow.ts';
import { EVENT_ACTIONS, EVENT_TYPES, MAX_DETAIL, type InspectionEvent } from './inspection.ts';

export type ColumnType = 'u8' | 'u16' | 'u32' | 'u64' | 'f64' | 'ip' | 'str';
export interface Column {
  name: string;
  type: ColumnType;
  /** A u8 column of these words. */
  words?: readonly string[];
}

const WIDTH: Record<ColumnType, number> = { u8: 1, u16: 2, u32: 4, u64: 8, f64: 8, ip: 16, str: 4 };

export const FLOW_COLUMNS = [
  { name: 'time', type: 'f64' },
  { name: 'kind', type: 'u8', words: FLOW_KINDS },
  { name: 'flow', type: 'u64' },
  { name: 'start', type: 'f64' },
  { name: 'end', type: 'f64' },
  { name: 'network', type: 'str' },
  { name: 'point', type: 'u8', words: POINTS },
  { name: 'srcVm', type: 'str' },
  { name: 'dstVm', type: 'str' },
  { name: 'src', type: 'ip' },
  { name: 'dst', type: 'ip' },
  { name: 'protocol', type: 'u8' },
  { name: 'sport', type: 'u16' },
  { name: 'dport', type: 'u16' },
  { name: 'packetsOut', type: 'f64' },
  { name: 'packetsIn', type: 'f64' },
  { name: 'bytesOut', type: 'f64' },
  { name: 'bytesIn', type: 'f64' },
  { name: 'verdict', type: 'u8', words: VERDICTS },
  { name: 'ruleOut', type: 'str' },
  { name: 'ruleIn', type: 'str' },
  { name: 'stagedVerdict', type: 'u8', words: STAGED_VERDICTS },
  { name: 'stagedRule', type: 'str' },
] as const satisfies readonly (Column & { name: keyof FlowRecord })[];

export const INSPECTION_COLUMNS = [
  { name: 'time', type: 'f64' },
  { name: 'type', type: 'u8', words: EVENT_TYPES },
  { name: 'gateway', type: 'str' },
  { name: 'network', type: 'str' },
  { name: 'srcVm', type: 'str' },
  { name: 'dstVm', type: 'str' },
  { name: 'src', type: 'ip' },
  { name: 'dst', type: 'ip' },
  { name: 'protocol', type: 'u8' },
  { name: 'sport', type: 'u16' },
  { name: 'dport', type: 'u16' },
  { name: 'flow', type: 'u64' },
  { name: 'application', type: 'str' },
  { name: 'action', type: 'u8', words: EVENT_ACTIONS },
  { name: 'signature', type: 'u32' },
  { name: 'title', type: 'str' },
  { name: 'category', type: 'str' },
  { name: 'priority', type: 'u8' },
  { name: 'technique', type: 'str' },
  { name: 'subject', type: 'str' },
  { name: 'detail', type: 'str' },
] as const satisfies readonly (Column & { name: keyof InspectionEvent })[];

/** Streams by number; a stream's columns never change under one protocol version. */
export const STREAMS = {
  flows: { id: 1, columns: FLOW_COLUMNS as readonly Column[] },
  inspection: { id: 2, columns: INSPECTION_COLUMNS as readonly Column[] },
} as const;
export type StreamName = keyof typeof STREAMS;

export class BatchError extends Error {
  readonly code = 'batch.malformed';
}

const MAGIC = 0x57_42_31_00; // "WB1\0"
const HEADER = 24;
export const MAX_BATCH_BYTES = 8 * 1024 * 1024;
export const MAX_BATCH_ROWS = 65_536;

export interface Batch {
  stream: StreamName;
  /** Per host and stream, from 1, without gaps. */
  sequence: number;
  count: number;
  /** Records the host had to discard on this stream before this batch, since it started. */
  lost: number;
  strings: readonly string[];
  /** Raw little-endian column bytes, in the stream's column order. */
  columns: readonly Uint8Array[];
}

/** Text address → 16 bytes (IPv4 as ::ffff:a.b.c.d). Assumes a valid address; unknown text becomes ::. */
export function packAddress(text: string, out: Uint8Array, offset: number): void {
  out.fill(0, offset, offset + 16);
  if (text.includes(':')) {
    const [head = '', tail] = text.split('::');
    const left = head === '' ? [] : head.split(':');
    const right = tail === undefined || tail === '' ? [] : tail.split(':');
    left.forEach((word, i) => writeWord(out, offset + i * 2, word));
    right.forEach((word, i) => writeWord(out, offset + 16 - (right.length - i) * 2, word));
    return;
  }
  const parts = text.split('.');
  if (parts.length !== 4) return;
  out[offset + 10] = out[offset + 11] = 0xff;
  for (let i = 0; i < 4; i++) out[offset + 12 + i] = Number(parts[i]);
}

function writeWord(out: Uint8Array, at: number, word: string): void {
  const value = Number.parseInt(word, 16);
  out[at] = value >> 8;
  out[at + 1] = value & 0xff;
}

/** 16 bytes → text address; IPv4-mapped as dotted quad, IPv6 as RFC 5952. */
export function unpackAddress(bytes: Uint8Array, offset: number): string {
  let mapped = bytes[offset + 10] === 0xff && bytes[offset + 11] === 0xff;
  for (let i = 0; mapped && i < 10; i++) mapped = bytes[offset + i] === 0;
  if (mapped)
    return `${bytes[offset + 12]}.${bytes[offset + 13]}.${bytes[offset + 14]}.${bytes[offset + 15]}`;
  const words: number[] = [];
  for (let i = 0; i < 16; i += 2) words.push(((bytes[offset + i] ?? 0) << 8) | (bytes[offset + i + 1] ?? 0));
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && words[i + length] === 0) length++;
    if (length > bestLength) [best, bestLength] = [i, length];
  }
  const hex = (from: number, to: number) =>
    words
      .slice(from, to)
      .map((w) => w.toString(16))
      .join(':');
  return best < 0 ? hex(0, 8) : `${hex(0, best)}::${hex(best + bestLength, 8)}`;
}

/** Records → one batch frame. */
export function encodeBatch(
  stream: StreamName,
  rows: readonly Readonly<Record<string, unknown>>[],
  meta: { sequence: number; lost: number },
): Uint8Array {
  const { id, columns } = STREAMS[stream];
  const index = new Map<string, number>();
  const strings: string[] = [];
  const intern = (text: string) => {
    let at = index.get(text);
    if (at === undefined) {
      at = strings.length;
      strings.push(text);
      index.set(text, at);
    }
    return at;
  };
  const parts = columns.map((column) => encodeColumn(column, rows, intern));
  const table = new TextEncoder().encode(JSON.stringify(strings));
  const total = HEADER + 4 + table.length + parts.reduce((sum, p) => sum + p.length, 0);
  const out = new Uint8Array(total);
  const view = new DataView(out.buffer);
  view.setUint32(0, MAGIC | id);
  view.setUint32(4, rows.length, true);
  view.setFloat64(8, meta.sequence, true);
  view.setFloat64(16, meta.lost, true);
  view.setUint32(HEADER, table.length, true);
  out.set(table, HEADER + 4);
  let at = HEADER + 4 + table.length;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

function encodeColumn(
  column: Column,
  rows: readonly Readonly<Record<string, unknown>>[],
  intern: (text: string) => number,
): Uint8Array {
  const { name, type, words } = column;
  const out = new Uint8Array(rows.length * WIDTH[type]);
  const view = new DataView(out.buffer);
  for (let i = 0; i < rows.length; i++) {
    const value = rows[i]?.[name];
    if (words) out[i] = Math.max(0, words.indexOf(value as string));
    else if (type === 'f64') view.setFloat64(i * 8, value as number, true);
    else if (type === 'u64') view.setBigUint64(i * 8, value as bigint, true);
    else if (type === 'u32') view.setUint32(i * 4, value as number, true);
    else if (type === 'u16') view.setUint16(i * 2, value as number, true);
    else if (type === 'u8') out[i] = value as number;
    else if (type === 'ip') packAddress(value as string, out, i * 16);
    else view.setUint32(i * 4, intern(value as string), true);
  }
  return out;
}

/** One frame → its columns, without making rows. Throws BatchError on anything malformed; allocates only views. */
export function decodeBatch(frame: Uint8Array): Batch {
  if (frame.length < HEADER + 4 || frame.length > MAX_BATCH_BYTES)
    throw new BatchError('frame size out of bounds');
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const magic = view.getUint32(0);
  if ((magic & 0xffffff00) >>> 0 !== MAGIC) throw new BatchError('not a batch frame');
  const found = Object.entries(STREAMS).find(([, s]) => s.id === (magic & 0xff));
  if (!found) throw new BatchError(`unknown stream ${magic & 0xff}`);
  const [stream, { columns: layout }] = found as [StreamName, (typeof STREAMS)[StreamName]];
  const count = view.getUint32(4, true);
  if (count > MAX_BATCH_ROWS) throw new BatchError(`${count} rows in one batch`);
  const sequence = view.getFloat64(8, true);
  const lost = view.getFloat64(16, true);
  if (!Number.isSafeInteger(sequence) || sequence < 1 || !Number.isSafeInteger(lost) || lost < 0)
    throw new BatchError('bad sequence or loss count');
  const tableLength = view.getUint32(HEADER, true);
  const rowWidth = layout.reduce((sum, c) => sum + WIDTH[c.type], 0);
  if (HEADER + 4 + tableLength + rowWidth * count !== frame.length)
    throw new BatchError('length does not add up');
  const strings = parseStrings(frame.subarray(HEADER + 4, HEADER + 4 + tableLength));
  let at = HEADER + 4 + tableLength;
  const columns = layout.map((column) => {
    const bytes = frame.subarray(at, at + count * WIDTH[column.type]);
    at += bytes.length;
    checkColumn(column, bytes, strings.length);
    return bytes;
  });
  return { stream, sequence, count, lost, strings, columns };
}

function parseStrings(bytes: Uint8Array): string[] {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new BatchError('string table is not JSON', { cause });
  }
  if (!Array.isArray(value) || !value.every((s) => typeof s === 'string' && s.length <= MAX_DETAIL))
    throw new BatchError('string table is not a list of short strings');
  return value;
}

function checkColumn(column: Column, bytes: Uint8Array, strings: number): void {
  if (column.words) {
    const limit = column.words.length;
    for (const b of bytes) if (b >= limit) throw new BatchError(`${column.name}: word ${b} unknown`);
  } else if (column.type === 'str') {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < bytes.length; i += 4)
      if (view.getUint32(i, true) >= strings) throw new BatchError(`${column.name}: string out of table`);
  } else if (column.type === 'f64') {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < bytes.length; i += 8)
      if (!(view.getFloat64(i, true) >= 0 && view.getFloat64(i, true) <= Number.MAX_SAFE_INTEGER))
        throw new BatchError(`${column.name}: number out of range`);
  }
}

/** Reads one row of a batch at a time. */
export function batchReader(batch: Batch): (row: number) => Record<string, unknown> {
  const layout = STREAMS[batch.stream].columns;
  const readers = layout.map((column, c) =>
    columnReader(column, batch.columns[c] ?? new Uint8Array(), batch.strings),
  );
  return (row) => Object.fromEntries(layout.map((column, c) => [column.name, readers[c]?.(row)]));
}

/** A batch's columns → rows. For tests and low rates; ingest reads the columns themselves. */
export function batchRows(batch: Batch): Record<string, unknown>[] {
  const read = batchReader(batch);
  return Array.from({ length: batch.count }, (_, row) => read(row));
}

function columnReader(
  column: Column,
  bytes: Uint8Array,
  strings: readonly string[],
): (row: number) => unknown {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { words } = column;
  if (words) return (i) => words[bytes[i] ?? 0];
  switch (column.type) {
    case 'f64':
      return (i) => view.getFloat64(i * 8, true);
    case 'u64':
      return (i) => view.getBigUint64(i * 8, true);
    case 'u32':
      return (i) => view.getUint32(i * 4, true);
    case 'u16':
      return (i) => view.getUint16(i * 2, true);
    case 'u8':
      return (i) => bytes[i];
    case 'ip':
      return (i) => unpackAddress(bytes, i * 16);
    case 'str':
      return (i) => strings[view.getUint32(i * 4, true)];
  }
}
