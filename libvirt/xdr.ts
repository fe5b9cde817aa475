/**
 * XDR (RFC 4506), as far as libvirt uses it: a reader that never reads beyond its bytes nor believes a length
 * it cannot see, and a growing writer. Reader failures are ProtocolError, writer failures LibvirtError.
 */
import { LibvirtError, ProtocolError } from './errors.ts';

const pad = (length: number): number => (4 - (length & 3)) & 3;

const outside = (what: string, value: number | bigint): LibvirtError =>
  new LibvirtError('invalid', `${value} is not ${what}`);

/** Reads big-endian, 4-byte aligned values from one payload. */
export class XdrReader {
  readonly #bytes: Buffer;
  #at: number;

  constructor(bytes: Buffer, offset = 0) {
    this.#bytes = bytes;
    this.#at = offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#at;
  }

  #take(length: number): number {
    const at = this.#at;
    if (length > this.#bytes.length - at) {
      throw new ProtocolError(
        'malformed',
        `${length} bytes wanted at ${at}, ${this.#bytes.length - at} left`,
      );
    }
    this.#at = at + length;
    return at;
  }

  int(): number {
    return this.#bytes.readInt32BE(this.#take(4));
  }

  uint(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  hyper(): bigint {
    return this.#bytes.readBigInt64BE(this.#take(8));
  }

  uhyper(): bigint {
    return this.#bytes.readBigUInt64BE(this.#take(8));
  }

  double(): number {
    return this.#bytes.readDoubleBE(this.#take(8));
  }

  /** A boolean, or an optional's presence: 0 or 1, nothing else. */
  bool(): boolean {
    const value = this.uint();
    if (value > 1) throw new ProtocolError('malformed', `boolean is ${value}`);
    return value === 1;
  }

  /** Count of an array's elements, refused when over `max` or when the bytes left cannot hold so many. */
  count(max: number, minElementBytes: number): number {
    const count = this.uint();
    if (count > max) throw new ProtocolError('too-large', `${count} elements, at most ${max}`);
    if (count * minElementBytes > this.remaining) {
      throw new ProtocolError('malformed', `${count} elements do not fit in ${this.remaining} bytes`);
    }
    return count;
  }

  /** Fixed-length bytes, a view on the payload. */
  fixed(length: number): Buffer {
    const at = this.#take(length + pad(length));
    return this.#bytes.subarray(at, at + length);
  }

  /** Fixed-length bytes in hexadecimal. */
  hex(length: number): string {
    const at = this.#take(length + pad(length));
    return this.#bytes.toString('hex', at, at + length);
  }

  #length(max: number): number {
    const length = this.uint();
    if (length > max) throw new ProtocolError('too-large', `${length} bytes, at most ${max}`);
    return length;
  }

  /** Variable-length bytes, copied. */
  opaque(max: number): Buffer {
    const length = this.#length(max);
    const at = this.#take(length + pad(length));
    return Buffer.from(this.#bytes.subarray(at, at + length));
  }

  /** Text; what is not UTF-8 (a guest's file name, say) is replaced, not refused. */
  string(max: number): string {
    const length = this.#length(max);
    const at = this.#take(length + pad(length));
    return this.#bytes.toString('utf8', at, at + length);
  }

  /** Refuses left-over bytes. */
  end(): void {
    if (this.remaining > 0) throw new ProtocolError('malformed', `${this.remaining} bytes left over`);
  }
}

/** Writes into a buffer that grows as needed. */
export class XdrWriter {
  #bytes: Buffer;
  #at: number;

  /** `reserve` bytes are left uninitialised at the front, for a header. */
  constructor(reserve = 0, capacity = 256) {
    this.#bytes = Buffer.allocUnsafe(Math.max(capacity, reserve));
    this.#at = reserve;
  }

  #claim(length: number): number {
    const at = this.#at;
    const end = at + length;
    if (end > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(end, this.#bytes.length * 2));
      this.#bytes.copy(grown, 0, 0, at);
      this.#bytes = grown;
    }
    this.#at = end;
    return at;
  }

  int(value: number): void {
    if (!Number.isInteger(value) || value < -0x80000000 || value > 0x7fffffff)
      throw outside('a 32-bit integer', value);
    const at = this.#claim(4);
    this.#bytes.writeInt32BE(value, at);
  }

  uint(value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > 0xffffffff)
      throw outside('an unsigned 32-bit integer', value);
    const at = this.#claim(4);
    this.#bytes.writeUInt32BE(value, at);
  }

  hyper(value: bigint): void {
    if (BigInt.asIntN(64, value) !== value) throw outside('a 64-bit integer', value);
    const at = this.#claim(8);
    this.#bytes.writeBigInt64BE(value, at);
  }

  uhyper(value: bigint): void {
    if (BigInt.asUintN(64, value) !== value) throw outside('an unsigned 64-bit integer', value);
    const at = this.#claim(8);
    this.#bytes.writeBigUInt64BE(value, at);
  }

  double(value: number): void {
    const at = this.#claim(8);
    this.#bytes.writeDoubleBE(value, at);
  }

  bool(value: boolean): void {
    this.uint(value ? 1 : 0);
  }

  /** Fixed-length bytes; the caller has checked their number. */
  fixed(bytes: Uint8Array): void {
    const at = this.#claim(bytes.length + pad(bytes.length));
    this.#bytes.set(bytes, at);
    this.#bytes.fill(0, at + bytes.length, this.#at);
  }

  opaque(bytes: Uint8Array, max: number): void {
    if (bytes.length > max) throw outside(`at most ${max} bytes long`, bytes.length);
    this.uint(bytes.length);
    this.fixed(bytes);
  }

  string(text: string, max: number): void {
    const length = Buffer.byteLength(text);
    if (length > max) throw outside(`at most ${max} bytes long`, length);
    this.uint(length);
    const at = this.#claim(length + pad(length));
    this.#bytes.write(text, at, 'utf8');
    this.#bytes.fill(0, at + length, this.#at);
  }

  /** What was written so far, reserved front included; a view, so write no more after it. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }
}
