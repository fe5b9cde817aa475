// The time range of the address, and how to change it.
import { useMemo } from 'react';
import { useSearchParams } from 'react-router';
import { useChange } from '../screen/address.ts';
import { DEFAULT_RANGE, readRange, type TimeRange } from './range.ts';

export function useRange(): [TimeRange, (range: TimeRange) => void] {
  const [params] = useSearchParams();
  const since = params.get('since');
  const until = params.get('until');
  const range = useMemo(() => {
    const only = new URLSearchParams();
    if (since !== null) only.set('since', since);
    if (until !== null) only.set('until', until);
    return readRange(only);
  }, [since, until]);
  const change = useChange();
  const setRange = (next: TimeRange) =>
    change({
      since: next.until === null && next.since === DEFAULT_RANGE.since ? null : next.since,
      until: next.until,
    });
  return [range, setRange];
}
