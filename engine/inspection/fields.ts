// Fields of hostile JSON, read with a bound: a value of another type or form is as if it were not there.
import { isIP } from 'node:net';
import { packAddress, unpackAddress } from '@wocloud/protocol/columns.ts';

export type Json = Readonly<Record<string, unknown>>;

export function object(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

/** The one object, or the first of several. */
export const first = (value: unknown): Json | undefined =>
  object(Array.isArray(value) ? (value as unknown[])[0] : value);

/** Printable text of at most `max` characters; '' when it is none. Control characters become spaces. */
export function text(value: unknown, max: number): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value).slice(0, max);
  if (typeof value !== 'string') return '';
  return value
    .slice(0, max)
    .replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, ' ')
    .toWellFormed();
}

/** The one text, or the first of several. */
export const firstText = (value: unknown, max: number): string =>
  text(Array.isArray(value) ? (value as unknown[])[0] : value, max);

/** A whole number from 0 to `max`, else 0. */
export const whole = (value: unknown, max: number): number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max ? value : 0;

/** An address as we write it (EVE spells out IPv6 in full); '' when it is none. */
export function address(value: unknown): string {
  if (typeof value !== 'string' || value.length > 45 || isIP(value) === 0 || value.includes('%')) return '';
  if (!value.includes(':')) return value;
  // An IPv4 address at its end is not what packAddress reads.
  if (value.includes('.')) return '';
  packAddress(value, scratch, 0);
  return unpackAddress(scratch, 0);
}
const scratch = new Uint8Array(16);

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;
export const mac = (value: unknown): string => {
  const lower = typeof value === 'string' && value.length === 17 ? value.toLowerCase() : '';
  return MAC.test(lower) ? lower : '';
};

const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{6})([+-]\d\d):?(\d\d)$/;
/** µs since the epoch of one of EVE's timestamps; undefined when it is none. */
export function micros(value: unknown): number | undefined {
  const [, seconds, fraction, hours, minutes] = TIME.exec(text(value, 40)) ?? [];
  const at = Date.parse(`${seconds}${hours}:${minutes}`);
  return Number.isNaN(at) ? undefined : at * 1_000 + Number(fraction);
}
