// Flows over time: each flow once, in the bucket it started in, by its latest verdict.
import type { HistogramBucket } from '@wocloud/protocol/views.ts';
import { PlatformError } from '../errors.ts';
import { literal } from '../telemetry/literal.ts';
import type { Telemetry } from '../telemetry/store.ts';
import type { FlowFilter } from './filter.ts';
import { LIMITS, whereOf } from './sql.ts';
import { isoMicros } from './view.ts';

const HOUR = 3600e6;

/** `buckets` buckets from the filter's `since` (an hour ago) to its `until` (now); empty ones as well. */
export async function flowHistogram(
  telemetry: Telemetry,
  filter: FlowFilter,
  options: { buckets: number; now: Date; signal: AbortSignal },
): Promise<HistogramBucket[]> {
  const until = filter.until ?? options.now.getTime() * 1000;
  const since = filter.since ?? until - HOUR;
  if (since >= until) throw new PlatformError('bad-request', 'since must be before until.');
  const width = Math.max(1, Math.ceil((until - since) / options.buckets));
  const rows = await telemetry.rows<{ bucket: number; verdict: string; flows: number; bytes: number }>(
    `SELECT intDiv(toUnixTimestamp64Micro(start) - ${literal.integer(since)}, ${literal.integer(width)}) AS bucket,
       latest AS verdict, count() AS flows, sum(volume) AS bytes
     FROM (
       SELECT start, argMax(verdict, time) AS latest, argMax(bytesOut + bytesIn, time) AS volume
       FROM flows WHERE ${whereOf({ ...filter, since, until })} AND start >= ${literal.micros(since)}
       GROUP BY start, host, flow)
     GROUP BY bucket, verdict SETTINGS ${LIMITS}`,
    { signal: options.signal },
  );
  const buckets = Array.from({ length: Math.ceil((until - since) / width) }, (_, i): HistogramBucket => ({
    time: isoMicros(since + i * width),
    allowed: 0,
    dropped: 0,
    rejected: 0,
    observed: 0,
    bytes: 0,
  }));
  for (const row of rows) {
    const bucket = buckets[Math.min(row.bucket, buckets.length - 1)];
    if (!bucket) continue;
    bucket[row.verdict as 'allowed'] += row.flows;
    bucket.bytes += row.bytes;
  }
  return buckets;
}
