// Netlink messages as bytes: bounded readers that never look outside what they were given, and a writer.
// Header fields are in host order (little-endian here), netfilter's payloads in network order.

export const NLMSG_NOOP = 1;
export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;
export const NLM_F_REQUEST = 0x001;
export const NLM_F_MULTI = 0x002;
export const NLM_F_ACK = 0x004;
export const NLM_F_DUMP_INTR = 0x010;
export const NLM_F_DUMP = 0x300;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;

export const HEADER = 16;
/** nfgenmsg: family, version, res_id. */
export const NFGEN = 4;

/** One message inside a datagram: `start`..`end` is what follows the 16-byte header. */
export interface Message {
  type: number;
  flags: number;
  sequence: number;
  start: number;
  end: number;
}

/**
 * Visits each message of a datagram; a visit that returns false stops there. Answers how many were cut off or
 * malformed (0 or 1: what follows a bad length cannot be found). `message` is reused between visits.
 */
export function eachMessage(
  view: DataView,
  start: number,
  end: number,
  visit: (message: Message) => boolean | void,
): number {
  const message: Message = { type: 0, flags: 0, sequence: 0, start: 0, end: 0 };
  let at = start;
  while (at < end) {
    if (at + HEADER > end) return 1;
    const length = view.getUint32(at, true);
    if (length < HEADER || length > end - at) return 1;
    message.type = view.getUint16(at + 4, true);
    message.flags = view.getUint16(at + 6, true);
    message.sequence = view.getUint32(at + 8, true);
    message.start = at + HEADER;
    message.end = at + length;
    if (visit(message) === false) return 0;
    at += (length + 3) & ~3;
  }
  return 0;
}

export interface Span {
  start: number;
  end: number;
}

/** The attributes between two offsets, by type (the last of a type wins), or undefined when one does not fit. */
export function attributes(view: DataView, start: number, end: number): Map<number, Span> | undefined {
  const found = new Map<number, Span>();
  const fit = eachAttribute(view, start, end, (type, from, to) => {
    found.set(type, { start: from, end: to });
  });
  return fit ? found : undefined;
}

/** Visits attributes that repeat (lists). False when one does not fit. */
export function eachAttribute(
  view: DataView,
  start: number,
  end: number,
  visit: (type: number, start: number, end: number) => void,
): boolean {
  let at = start;
  while (at + 4 <= end) {
    const length = view.getUint16(at, true);
    if (length < 4 || length > end - at) return false;
    visit(view.getUint16(at + 2, true) & 0x3fff, at + 4, at + length);
    at += (length + 3) & ~3;
  }
  return true;
}

/** Unsigned 64-bit, network order, as a double: exact below 2^53, which no counter here reaches. */
export function u64(view: DataView, at: number): number {
  return view.getUint32(at) * 4294967296 + view.getUint32(at + 4);
}

/** Writes messages, one after another, into one growing buffer. */
export class MessageWriter {
  #bytes = new Uint8Array(512);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  #message = -1;

  #grow(more: number): number {
    const at = this.#length;
    if (at + more > this.#bytes.length) {
      const bigger = new Uint8Array(Math.max(this.#bytes.length * 2, at + more));
      bigger.set(this.#bytes);
      this.#bytes = bigger;
      this.#view = new DataView(bigger.buffer);
    }
    this.#length += more;
    return at;
  }

  /** Begins a message; the one before is finished. */
  message(type: number, flags: number, sequence: number): this {
    this.#finish();
    const at = this.#grow(HEADER);
    this.#view.setUint16(at + 4, type, true);
    this.#view.setUint16(at + 6, flags, true);
    this.#view.setUint32(at + 8, sequence, true);
    this.#message = at;
    return this;
  }

  /** Begins a netfilter message: header plus nfgenmsg. */
  netfilter(subsystem: number, type: number, flags: number, sequence: number, family: number, id = 0): this {
    this.message((subsystem << 8) | type, flags, sequence);
    const at = this.#grow(NFGEN);
    this.#bytes[at] = family;
    this.#view.setUint16(at + 2, id);
    return this;
  }

  raw(bytes: Uint8Array): this {
    const at = this.#grow((bytes.length + 3) & ~3);
    this.#bytes.set(bytes, at);
    return this;
  }

  bytes(type: number, value: Uint8Array): this {
    const at = this.#grow((4 + value.length + 3) & ~3);
    this.#view.setUint16(at, 4 + value.length, true);
    this.#view.setUint16(at + 2, type, true);
    this.#bytes.set(value, at + 4);
    return this;
  }

  u8(type: number, value: number): this {
    return this.bytes(type, Uint8Array.of(value));
  }

  u16(type: number, value: number): this {
    return this.bytes(type, Uint8Array.of(value >>> 8, value));
  }

  u32(type: number, value: number): this {
    return this.bytes(type, Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value));
  }

  /** A NUL-terminated string. */
  text(type: number, value: string): this {
    return this.bytes(type, Buffer.from(`${value}\0`));
  }

  nest(type: number, fill: (writer: this) => void): this {
    const at = this.#grow(4);
    this.#view.setUint16(at + 2, type | 0x8000, true);
    fill(this);
    this.#view.setUint16(at, this.#length - at, true);
    return this;
  }

  #finish(): void {
    if (this.#message >= 0) this.#view.setUint32(this.#message, this.#length - this.#message, true);
  }

  done(): Uint8Array {
    this.#finish();
    return this.#bytes.slice(0, this.#length);
  }
}
