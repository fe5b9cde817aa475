// Instants as people give them in queries: RFC 3339, or an age.
import { PlatformError } from '../errors.ts';

const UNITS: Record<string, number> = { ms: 1, s: 1e3, m: 6e4, h: 36e5, d: 864e5, w: 6048e5 };

/** `2026-01-02T03:04:05Z` or an age before `now`: `90s`, `15m`, `24h`, `7d`. Throws bad-request otherwise. */
export function instant(text: string, now: Date): Date {
  const age = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/.exec(text);
  const time = age ? now.getTime() - Number(age[1]) * (UNITS[age[2] ?? ''] ?? NaN) : Date.parse(text);
  const date = new Date(time);
  if (Number.isNaN(date.getTime()))
    throw new PlatformError(
      'bad-request',
      `"${text}" is neither an RFC 3339 time nor an age such as 15m or 7d.`,
    );
  return date;
}
