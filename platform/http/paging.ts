// Pages: a cursor is the sort key of the last row of the page before, opaque to the caller.
import { PlatformError } from '../errors.ts';

type Key = (string | number)[];

/** The sort key in a cursor; undefined without one. Throws bad-request on a cursor that is not ours. */
export function cursorOf(
  cursor: string | undefined,
  types: readonly ('string' | 'number')[],
): Key | undefined {
  if (cursor === undefined) return undefined;
  let key: unknown;
  try {
    key = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    key = null;
  }
  const fits = (value: unknown, type: 'string' | 'number') =>
    type === 'number' ? Number.isSafeInteger(value) : typeof value === 'string';
  const valid =
    Array.isArray(key) && key.length === types.length && types.every((type, i) => fits(key[i], type));
  if (!valid) throw new PlatformError('bad-request', 'This cursor is not one of ours; start without it.');
  return key as Key;
}

export const cursorFor = (key: Key): string => Buffer.from(JSON.stringify(key)).toString('base64url');

/** A page from `limit + 1` rows. */
export function pageOf<R, T>(
  rows: readonly R[],
  limit: number,
  view: (row: R) => T,
  key: (row: R) => Key,
): { items: T[]; next: string | null } {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const next = rows.length > limit && last !== undefined ? cursorFor(key(last)) : null;
  return { items: shown.map(view), next };
}
