// The rows of a filter and time range: read page by page, then live from the stream, waiting while someone reads.
import type { ServerEvent } from '@wocloud/protocol/views.ts';
import { useCallback, useEffect, useMemo, useReducer } from 'react';
import { usePages } from '../api/calls.ts';
import { LiveBuffer } from './buffer.ts';
import type { Torrent } from './connection.ts';
import { live } from './live.ts';

/** New rows are shown together, so that a busy network does not flicker. */
const BEAT_MS = 500;
const MOST = 5000;

type RowOf<T extends Torrent> = Extract<ServerEvent, { topic: T }>['data'];
const LISTS = { flow: 'flows.list', inspection: 'inspection.list' } as const;

export interface LiveRows<Row> {
  rows: readonly Row[];
  waiting: number;
  /** Lets those that wait in. */
  release: () => void;
  pages: Omit<ReturnType<typeof usePages>, 'items'>;
}

interface Asked<T extends Torrent> {
  topic: T;
  /** The filter with its time range. */
  query: object;
  /** The instant by which the platform lists, newest first. */
  at: (row: RowOf<T>) => string;
  /** Whether the range ends now, so that new rows belong to it. */
  running: boolean;
  /** Whether new rows wait. */
  held: boolean;
}

export function useLiveRows<T extends Torrent>({
  topic,
  query,
  at,
  running,
  held,
}: Asked<T>): LiveRows<RowOf<T>> {
  const { items, ...pages } = usePages(LISTS[topic] as 'flows.list', { query: { ...query, limit: 200 } });
  const read = items as unknown as readonly RowOf<T>[];
  const key = JSON.stringify(query);
  const buffer = useMemo(
    () =>
      new LiveBuffer<RowOf<T>>(
        (row) => row.id,
        MOST,
        (a, b) => (at(a) < at(b) ? 1 : at(a) > at(b) ? -1 : 0),
      ),
    [key, at],
  );
  const [, render] = useReducer((n: number) => n + 1, 0);

  useEffect(() => {
    const newest = read[0] ? at(read[0]) : '';
    buffer.seed(read, (row) => at(row) > newest);
    render();
  }, [buffer, read, at]);

  useEffect(() => {
    buffer.hold(held);
    render();
  }, [buffer, held]);

  useEffect(() => {
    if (!running) return undefined;
    const { since: _, until: __, ...filter } = JSON.parse(key) as { since?: string; until?: string };
    live.want({ topic, filter });
    let arrived: RowOf<T>[] = [];
    const stop = live.on(topic, (row) => arrived.push(row as RowOf<T>));
    const beat = setInterval(() => {
      if (arrived.length === 0) return;
      // News of what began before what was read so far belongs further down, to a page that will bring it.
      const last = buffer.view.rows.at(-1);
      const oldest = last ? at(last) : '';
      buffer.push(arrived.filter((row) => at(row) >= oldest));
      arrived = [];
      render();
    }, BEAT_MS);
    return () => {
      stop();
      clearInterval(beat);
      live.want(null);
    };
  }, [buffer, running, key, topic, at]);

  const release = useCallback(() => {
    buffer.release();
    render();
  }, [buffer]);
  return { rows: buffer.view.rows, waiting: buffer.view.waiting, release, pages };
}
