// Addresses and prefixes in one canonical form, and sets of them: disjoint, sorted, cheap to change by one.
import ipaddr from 'ipaddr.js';
import { unpackAddress } from '@wocloud/protocol/columns.ts';
import { PolicyError } from './errors.ts';

export interface Prefix {
  family: 4 | 6;
  /** First address as a number. */
  first: bigint;
  length: number;
  /** Canonical text; a single address has no `/`. */
  text: string;
}

const WIDTH = { 4: 32, 6: 128 } as const;

/** Address or prefix → canonical. Throws PolicyError `cidr.syntax`, also when host bits are set. */
export function parseCidr(text: string): Prefix {
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const bad = (message: string, hint: string, position = 0) =>
    new PolicyError('cidr.syntax', `"${text}": ${message}`, { position, hint });
  const quad = dottedQuad(address);
  const four = quad !== null;
  if (!four && !(address.includes(':') && !address.includes('%') && ipaddr.IPv6.isValid(address)))
    throw bad('not an IPv4 or IPv6 address', 'for example 10.0.0.0/24 or 2001:db8::/64');
  const family = four ? 4 : 6;
  const width = WIDTH[family];
  const lengthText = slash < 0 ? String(width) : text.slice(slash + 1);
  const length = /^[0-9]{1,3}$/.test(lengthText) ? Number(lengthText) : -1;
  if (length < 0 || length > width)
    throw bad(`a prefix length is 0 to ${width}`, `${address}/${width}`, slash + 1);
  const value = quad ?? toNumber(ipaddr.IPv6.parse(address).toByteArray());
  if (family === 6 && length >= 96 && value >> 32n === 0xffffn)
    throw bad('IPv4-mapped IPv6 never appears in packets', 'write the IPv4 address');
  const hostBits = BigInt(width - length);
  const first = (value >> hostBits) << hostBits;
  const canonical = prefix(family, first, length);
  if (first !== value)
    throw bad('host bits are set', `write ${canonical.text}, or ${address} for the one host`);
  return canonical;
}

/** Four decimal parts without leading zeros, nothing looser; by hand, because inventories bring these by the hundred thousand. */
function dottedQuad(text: string): bigint | null {
  if (!/^(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/.test(text)) return null;
  let value = 0;
  for (const part of text.split('.')) {
    if (Number(part) > 255) return null;
    value = value * 256 + Number(part);
  }
  return BigInt(value);
}

/** As parseCidr for one address; a prefix is refused. */
export function parseAddress(text: string): Prefix {
  const parsed = parseCidr(text);
  if (parsed.length !== WIDTH[parsed.family])
    throw new PolicyError('cidr.syntax', `"${text}": one address is needed, not a prefix`);
  return parsed;
}

export function prefix(family: 4 | 6, first: bigint, length: number): Prefix {
  const address = formatAddress(family, first);
  return { family, first, length, text: length === WIDTH[family] ? address : `${address}/${length}` };
}

function toNumber(bytes: readonly number[]): bigint {
  let value = 0n;
  for (const byte of bytes) value = (value << 8n) | BigInt(byte);
  return value;
}

export function formatAddress(family: 4 | 6, value: bigint): string {
  if (family === 4) {
    const n = Number(value);
    return `${(n >>> 24) & 255}.${(n >>> 16) & 255}.${(n >>> 8) & 255}.${n & 255}`;
  }
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, value >> 64n);
  view.setBigUint64(8, value & 0xffff_ffff_ffff_ffffn);
  return unpackAddress(bytes, 0);
}

/** Last address of a prefix, as a number. */
export const lastAddress = (p: Prefix): bigint => p.first + (1n << BigInt(WIDTH[p.family] - p.length)) - 1n;

export const covers = (outer: Prefix, inner: Prefix): boolean =>
  outer.family === inner.family &&
  outer.length <= inner.length &&
  outer.first <= inner.first &&
  lastAddress(inner) <= lastAddress(outer);

/** Order of canonical lists: IPv4 first, then by first address, the larger prefix before what it covers. */
export function comparePrefixes(a: Prefix, b: Prefix): number {
  if (a.family !== b.family) return a.family - b.family;
  if (a.first !== b.first) return a.first < b.first ? -1 : 1;
  return a.length - b.length;
}

/** The link-local address (EUI-64) a NIC with this MAC may always use. */
export function linkLocal(mac: string): string {
  const b = mac.split(':').map((part) => Number.parseInt(part, 16));
  const [b0 = 0, b1 = 0, b2 = 0, b3 = 0, b4 = 0, b5 = 0] = b;
  const id = [b0 ^ 2, b1, b2, 0xff, 0xfe, b3, b4, b5];
  return formatAddress(6, (0xfe80n << 112n) | toNumber(id));
}

/** A multicast or limited-broadcast address: never one VM's own. */
export function isGroupAddress(address: Prefix): boolean {
  if (address.family === 6) return address.first >> 120n === 0xffn;
  return address.first >> 28n === 0xen || address.first === 0xffff_ffffn;
}

/** Sorted, without what another one covers. Siblings are not joined, so that one VM's coming is one element. */
export function canonical(texts: Iterable<string>): string[] {
  const set = new CidrSet();
  for (const text of texts) set.add(text);
  return [...set.elements()];
}

/** A counted set: an address added twice stays until it is removed twice. */
export class CidrSet {
  readonly #counts = new Map<string, { prefix: Prefix; count: number }>();
  #sorted: Prefix[] = [];
  /** Changes not yet in #sorted. */
  #pending: Prefix[] = [];
  #elements: readonly string[] | null = null;

  /** Adds one address or prefix (host bits zero). */
  add(item: string | Prefix): void {
    const p = typeof item === 'string' ? parseCidr(item) : item;
    const found = this.#counts.get(p.text);
    if (found) {
      found.count++;
      return;
    }
    this.#counts.set(p.text, { prefix: p, count: 1 });
    this.#changed(p);
  }

  /** Takes back one add; taking what is not there is an error of the caller. */
  remove(item: string | Prefix): void {
    const p = typeof item === 'string' ? parseCidr(item) : item;
    const found = this.#counts.get(p.text);
    if (!found) throw new RangeError(`"${p.text}" is not in the set`);
    if (--found.count > 0) return;
    this.#counts.delete(p.text);
    this.#changed(p);
  }

  get size(): number {
    return this.#counts.size;
  }

  /** Canonical: disjoint and sorted. The same array until something changes. */
  elements(): readonly string[] {
    if (this.#elements) return this.#elements;
    this.#settle();
    const out: string[] = [];
    let cover: Prefix | null = null;
    for (const p of this.#sorted) {
      if (cover && covers(cover, p)) continue;
      out.push(p.text);
      cover = p;
    }
    this.#elements = out;
    return out;
  }

  #changed(p: Prefix): void {
    this.#pending.push(p);
    this.#elements = null;
  }

  /** A few changes are spliced in; many are sorted at once. */
  #settle(): void {
    if (this.#pending.length > 64) {
      this.#sorted = [...this.#counts.values()].map((c) => c.prefix).sort(comparePrefixes);
    } else {
      for (const p of this.#pending) {
        const at = this.#position(p);
        const here = this.#sorted[at]?.text === p.text;
        const wanted = this.#counts.has(p.text);
        if (wanted && !here) this.#sorted.splice(at, 0, p);
        if (!wanted && here) this.#sorted.splice(at, 1);
      }
    }
    this.#pending = [];
  }

  #position(p: Prefix): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (comparePrefixes(this.#sorted[middle] as Prefix, p) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
