/**
 * Typed XDR: a codec pairs the encoder and decoder of one type, so that each structure of the protocol is
 * written down once. `min` is the fewest bytes a value can take, which bounds what an array's count may claim.
 */
import { LibvirtError } from './errors.ts';
import type { XdrReader, XdrWriter } from './xdr.ts';

export interface Codec<T> {
  readonly min: number;
  encode(writer: XdrWriter, value: T): void;
  decode(reader: XdrReader): T;
}

/** The TypeScript type that a codec carries. */
export type Value<C> = C extends Codec<infer T> ? T : never;

/** Longest string of the protocol (REMOTE_STRING_MAX). */
export const STRING_MAX = 4_194_304;

export const nothing: Codec<void> = { min: 0, encode() {}, decode() {} };

export const int: Codec<number> = { min: 4, encode: (w, v) => w.int(v), decode: (r) => r.int() };

export const uint: Codec<number> = { min: 4, encode: (w, v) => w.uint(v), decode: (r) => r.uint() };

export const hyper: Codec<bigint> = { min: 8, encode: (w, v) => w.hyper(v), decode: (r) => r.hyper() };

export const uhyper: Codec<bigint> = { min: 8, encode: (w, v) => w.uhyper(v), decode: (r) => r.uhyper() };

export const double: Codec<number> = { min: 8, encode: (w, v) => w.double(v), decode: (r) => r.double() };

/** An `int` that C uses as a truth value: anything but 0 is true. */
export const flag: Codec<boolean> = {
  min: 4,
  encode: (w, v) => w.int(v ? 1 : 0),
  decode: (r) => r.int() !== 0,
};

export const string: Codec<string> = {
  min: 4,
  encode: (w, v) => w.string(v, STRING_MAX),
  decode: (r) => r.string(STRING_MAX),
};

/** Up to `max` bytes. */
export function opaque(max: number): Codec<Uint8Array> {
  return { min: 4, encode: (w, v) => w.opaque(v, max), decode: (r) => r.opaque(max) };
}

/** A pointer that may be null. */
export function optional<T>(inner: Codec<T>): Codec<T | null> {
  return {
    min: 4,
    encode(w, v) {
      w.bool(v !== null);
      if (v !== null) inner.encode(w, v);
    },
    decode: (r) => (r.bool() ? inner.decode(r) : null),
  };
}

/** Up to `max` elements, counted. */
export function array<T>(inner: Codec<T>, max: number): Codec<readonly T[]> {
  return {
    min: 4,
    encode(w, v) {
      if (v.length > max) throw new LibvirtError('invalid', `${v.length} elements, at most ${max}`);
      w.uint(v.length);
      for (const element of v) inner.encode(w, element);
    },
    decode(r) {
      const count = r.count(max, inner.min);
      const out: T[] = [];
      for (let i = 0; i < count; i++) out.push(inner.decode(r));
      return out;
    },
  };
}

/** C text in a fixed array of `length` chars, which XDR carries as one int each. */
export function charArray(length: number): Codec<string> {
  return {
    min: length * 4,
    encode(w, v) {
      const bytes = Buffer.alloc(length);
      bytes.write(v, 0, length - 1);
      for (const byte of bytes) w.int(byte);
    },
    decode(r) {
      const bytes = Buffer.alloc(length);
      for (let i = 0; i < length; i++) bytes[i] = r.int() & 0xff;
      const end = bytes.indexOf(0);
      return bytes.toString('utf8', 0, end < 0 ? length : end);
    },
  };
}

/** C text in a counted array of up to `max` chars, one int each. */
export function charList(max: number): Codec<string> {
  const ints = array(int, max);
  return {
    min: 4,
    encode: (w, v) => ints.encode(w, [...Buffer.from(v), 0]),
    decode(r) {
      const bytes = Buffer.from(ints.decode(r).map((i) => i & 0xff));
      const end = bytes.indexOf(0);
      return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
    },
  };
}

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;

/** 16 bytes on the wire; the usual lower-case text with dashes here. */
export const uuid: Codec<string> = {
  min: 16,
  encode(w, v) {
    if (!UUID.test(v)) throw new LibvirtError('invalid', `${JSON.stringify(v)} is not a UUID`);
    w.fixed(Buffer.from(v.replaceAll('-', ''), 'hex'));
  },
  decode(r) {
    const h = r.hex(16);
    return `${h.slice(0, 8)}-${h.slice(8, 12)}-${h.slice(12, 16)}-${h.slice(16, 20)}-${h.slice(20)}`;
  },
};

/** A decoder that turns the wire's value into another shape; encoding is the reverse. */
export function mapped<W, T>(wire: Codec<W>, fromWire: (value: W) => T, toWire: (value: T) => W): Codec<T> {
  return {
    min: wire.min,
    encode: (w, v) => wire.encode(w, toWire(v)),
    decode: (r) => fromWire(wire.decode(r)),
  };
}

/** The same for what is only ever received. */
export function received<W, T>(wire: Codec<W>, fromWire: (value: W) => T): Codec<T> {
  return mapped(wire, fromWire, () => {
    throw new LibvirtError('invalid', 'this structure is only ever received');
  });
}

type Fields = Readonly<Record<string, Codec<unknown>>>;
export type Struct<F> = { readonly [K in keyof F]: Value<F[K]> };

/** Fields one after the other, in the order they are written down. */
export function struct<const F extends Fields>(fields: F): Codec<Struct<F>> {
  const entries = Object.entries(fields);
  return {
    min: entries.reduce((sum, [, codec]) => sum + codec.min, 0),
    encode(w, v) {
      for (const [name, codec] of entries) codec.encode(w, (v as Readonly<Record<string, unknown>>)[name]);
    },
    decode(r) {
      const out: Record<string, unknown> = {};
      for (const [name, codec] of entries) out[name] = codec.decode(r);
      return out as Struct<F>;
    },
  };
}
