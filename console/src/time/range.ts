// The console's one time range, as it stands in the URL: `since` an age or an instant, `until` an instant or now.

export interface TimeRange {
  /** "15m", or an RFC 3339 instant. */
  since: string;
  /** RFC 3339; null is now, and moves. */
  until: string | null;
}

export const PRESETS = ['5m', '15m', '1h', '6h', '24h', '7d', '30d'] as const;
export const DEFAULT_RANGE: TimeRange = { since: '1h', until: null };

const UNIT_MS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const AGE = /^([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d|w)$/;

/** Milliseconds of an age such as 15m; null when it is none. */
export function ageMs(text: string): number | null {
  const match = AGE.exec(text);
  return match ? Number(match[1]) * UNIT_MS[match[2]!]! : null;
}

const isInstant = (text: string) => /^[0-9]{4}-/.test(text) && !Number.isNaN(Date.parse(text));

/** The range the URL's parameters name; what is malformed or reversed falls back to the default. */
export function readRange(params: URLSearchParams): TimeRange {
  const since = params.get('since');
  const until = params.get('until');
  if (since === null || (ageMs(since) === null && !isInstant(since))) return DEFAULT_RANGE;
  if (until === null) return { since, until: null };
  // An age counts from now; with a fixed end it would mean something else each minute.
  if (!isInstant(until) || ageMs(since) !== null) return { since, until: null };
  return Date.parse(since) < Date.parse(until) ? { since, until } : DEFAULT_RANGE;
}

/** Writes the range into the parameters; the default leaves no trace. */
export function writeRange(params: URLSearchParams, range: TimeRange): void {
  params.delete('since');
  params.delete('until');
  if (range.since === DEFAULT_RANGE.since && range.until === null) return;
  params.set('since', range.since);
  if (range.until !== null) params.set('until', range.until);
}

/** First and last millisecond of a range, as of `now`. */
export function resolveRange(range: TimeRange, now: number): { from: number; to: number } {
  const to = range.until === null ? now : Date.parse(range.until);
  const back = ageMs(range.since);
  return { from: back === null ? Date.parse(range.since) : to - back, to };
}

/** A fixed range between two instants (milliseconds), widened to at least a second. */
export function fixedRange(from: number, to: number): TimeRange {
  const low = Math.floor(Math.min(from, to) / 1000) * 1000;
  const high = Math.max(low + 1000, Math.ceil(Math.max(from, to) / 1000) * 1000);
  return { since: new Date(low).toISOString(), until: new Date(high).toISOString() };
}

/** The range moved by a fraction of its own length (negative: back); never past now. */
export function shiftRange(range: TimeRange, fraction: number, now: number): TimeRange {
  const { from, to } = resolveRange(range, now);
  const by = Math.min((to - from) * fraction, now - to);
  return fixedRange(from + by, to + by);
}

/** Twice as long, ending where it ends. */
export function widenRange(range: TimeRange, now: number): TimeRange {
  const { from, to } = resolveRange(range, now);
  return range.until === null && ageMs(range.since) !== null
    ? { since: doubled(range.since), until: null }
    : fixedRange(from - (to - from), to);
}

function doubled(since: string): string {
  const match = AGE.exec(since)!;
  return `${Number(match[1]) * 2}${match[2]}`;
}

/** Whether the range ends now, so that live data belongs to it. */
export const isLive = (range: TimeRange) => range.until === null;

/** As the API takes it. */
export const rangeQuery = (range: TimeRange) => ({
  since: range.since,
  ...(range.until === null ? {} : { until: range.until }),
});
