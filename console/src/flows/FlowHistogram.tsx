// The histogram of the flows that a filter selects in the console's time range.
import type { FlowFilter } from '@wocloud/protocol/filter.ts';
import { useCall } from '../api/calls.ts';
import { Failure } from '../screen/Answers.tsx';
import { Histogram } from '../time/Histogram.tsx';
import { fixedRange, isLive, rangeQuery, resolveRange } from '../time/range.ts';
import { useRange } from '../time/useRange.ts';

export function FlowHistogram({ filter, every }: { filter: FlowFilter; every: number }) {
  const [range, setRange] = useRange();
  const histogram = useCall(
    'flows.histogram',
    { query: { ...filter, ...rangeQuery(range), buckets: 80 } },
    { keep: true, ...(isLive(range) ? { every } : {}) },
  );
  const { from, to } = resolveRange(range, histogram.dataUpdatedAt || Date.now());
  if (histogram.error && !histogram.data)
    return <Failure error={histogram.error} retry={() => void histogram.refetch()} />;
  return (
    <Histogram
      buckets={histogram.data?.buckets ?? []}
      from={from}
      to={to}
      onBrush={(low, high) => setRange(fixedRange(low, high))}
    />
  );
}
