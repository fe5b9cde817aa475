// The flows of a filter and time range: read page by page, then live from the stream, waiting while someone reads.
import type { FlowQuery } from '@wocloud/protocol/api.ts';
import type { FlowView } from '@wocloud/protocol/views.ts';
import { useCallback, useEffect, useMemo, useReducer, useRef } from 'react';
import { usePages } from '../api/calls.ts';
import { LiveBuffer } from '../live/buffer.ts';
import { live } from '../live/live.ts';

/** New flows are shown together, so that a busy network does not flicker. */
const BEAT_MS = 500;
const MOST = 5000;
/** As the platform lists them: what began last stands first. */
const byStart = (a: FlowView, b: FlowView) => (a.start < b.start ? 1 : a.start > b.start ? -1 : 0);

export interface LiveFlows {
  flows: readonly FlowView[];
  waiting: number;
  /** Lets those that wait in. */
  release: () => void;
  pages: ReturnType<typeof usePages<'flows.list'>>;
}

/**
 * @param query the filter with its time range.
 * @param isLive whether the range ends now, so that new flows belong to it.
 * @param held whether new flows wait.
 */
export function useLiveFlows(query: FlowQuery, isLive: boolean, held: boolean): LiveFlows {
  const pages = usePages('flows.list', { query: { ...query, limit: 200 } });
  const key = JSON.stringify(query);
  const buffer = useMemo(() => new LiveBuffer<FlowView>((f) => f.id, MOST, byStart), [key]);
  const [, render] = useReducer((n: number) => n + 1, 0);
  const newest = useRef('');

  useEffect(() => {
    newest.current = pages.items[0]?.start ?? '';
    buffer.seed(pages.items, (f) => f.start > newest.current);
    render();
  }, [buffer, pages.items]);

  useEffect(() => {
    buffer.hold(held);
    render();
  }, [buffer, held]);

  useEffect(() => {
    if (!isLive) return undefined;
    const { since: _, until: __, limit: ___, ...filter } = JSON.parse(key) as FlowQuery;
    live.wantFlows(filter);
    let arrived: FlowView[] = [];
    const stop = live.on('flow', (flow) => arrived.push(flow));
    const beat = setInterval(() => {
      if (arrived.length === 0) return;
      // News of a flow that began before what was read so far belongs further down, to a page that will bring it.
      const oldest = buffer.view.rows.at(-1)?.start ?? '';
      buffer.push(arrived.filter((f) => f.start >= oldest));
      arrived = [];
      render();
    }, BEAT_MS);
    return () => {
      stop();
      clearInterval(beat);
      live.wantFlows(null);
    };
  }, [buffer, isLive, key]);

  const release = useCallback(() => {
    buffer.release();
    render();
  }, [buffer]);
  return { flows: buffer.view.rows, waiting: buffer.view.waiting, release, pages };
}
