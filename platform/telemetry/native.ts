// ClickHouse's Native format, as far as we write it: one block of columns whose bytes are copied, never looked at
// value by value where the wire already has them as ClickHouse wants them.

const encoder = new TextEncoder();

const varint = (value: number): Uint8Array => {
  const out: number[] = [];
  let rest = value;
  while (rest > 127) {
    out.push((rest & 127) | 128);
    rest = Math.floor(rest / 128);
  }
  out.push(rest);
  return Uint8Array.from(out);
};

const text = (value: string): Uint8Array => {
  const bytes = encoder.encode(value);
  const length = varint(bytes.length);
  const out = new Uint8Array(length.length + bytes.length);
  out.set(length);
  out.set(bytes, length.length);
  return out;
};

const u64 = (value: number): Uint8Array => {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, BigInt(value), true);
  return out;
};

export interface NativeColumn {
  name: string;
  type: string;
  /** The column's data in Native form, in as many pieces as is handy. */
  data: readonly Uint8Array[];
}

/** One block. Every column has `rows` values. */
export function nativeBlock(rows: number, columns: readonly NativeColumn[]): Uint8Array {
  const parts: Uint8Array[] = [varint(columns.length), varint(rows)];
  for (const { name, type, data } of columns) parts.push(text(name), text(type), ...data);
  return Buffer.concat(parts);
}

/**
 * A LowCardinality(String) column under way: each row names an entry of its dictionary. Entries come from the
 * string table of a batch (`fromTable`, remembered by index) or are added by value.
 */
export class LowColumn {
  readonly rows: Uint32Array;
  readonly #entries: Uint8Array[] = [];
  readonly #byText = new Map<string, number>();
  readonly #table: readonly string[];
  readonly #seen: Int32Array;
  constructor(rows: number, table: readonly string[] = []) {
    this.rows = new Uint32Array(rows);
    this.#table = table;
    this.#seen = new Int32Array(table.length).fill(-1);
  }
  entry(value: string): number {
    let at = this.#byText.get(value);
    if (at === undefined) {
      at = this.#entries.length;
      this.#entries.push(text(value));
      this.#byText.set(value, at);
    }
    return at;
  }
  fromTable(index: number): number {
    const known = this.#seen[index] ?? -1;
    if (known >= 0) return known;
    const at = this.entry(this.#table[index] ?? '');
    this.#seen[index] = at;
    return at;
  }
  /** Serialised: version 1, 32-bit keys, own dictionary. */
  data(): Uint8Array[] {
    if (!this.rows.length) return [];
    const keyType = 2 | (1 << 9);
    return [
      u64(1),
      u64(keyType),
      u64(this.#entries.length),
      ...this.#entries,
      u64(this.rows.length),
      bytesOf(this.rows),
    ];
  }
}

/** A String column whose rows name entries of a batch's string table; each entry is encoded once. */
export class TextColumn {
  readonly #table: readonly string[];
  readonly #encoded: (Uint8Array | undefined)[] = [];
  readonly #parts: Uint8Array[] = [];
  constructor(table: readonly string[]) {
    this.#table = table;
  }
  add(index: number): void {
    this.#parts.push((this.#encoded[index] ??= text(this.#table[index] ?? '')));
  }
  data(): Uint8Array[] {
    return this.#parts;
  }
}

/** A dictionary column with the same value in every row. */
export function constant(rows: number, value: string): Uint8Array[] {
  const column = new LowColumn(rows);
  column.entry(value);
  return column.data();
}

export const bytesOf = (array: Uint32Array | BigUint64Array | Uint8Array): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** f64 whole numbers from 0 to 2^53 → 64-bit integers, without a bigint per value. */
export function integersOf(f64: Uint8Array): Uint8Array {
  const rows = f64.length / 8;
  const view = new DataView(f64.buffer, f64.byteOffset, f64.byteLength);
  const out = new Uint32Array(rows * 2);
  for (let i = 0; i < rows; i++) {
    const value = view.getFloat64(i * 8, true);
    const high = Math.floor(value / 4294967296);
    out[i * 2] = value - high * 4294967296;
    out[i * 2 + 1] = high;
  }
  return bytesOf(out);
}
