// Events of an arriving block as rows, for those who watch live.
import { batchReader } from '@wocloud/protocol/columns.ts';
import type { InspectionEvent } from '@wocloud/protocol/inspection.ts';
import type { InspectionBlock } from './block.ts';
import type { EventRow } from './view.ts';

/** Events a second that live views are given at most: each may be long. */
export const LIVE_EVENTS = 1_000;

/** The first `count` events of a block. */
export function* liveEvents(host: string, block: InspectionBlock, count: number): Generator<EventRow> {
  const read = batchReader(block.batch);
  const times = new DataView(block.times.buffer, block.times.byteOffset, block.times.byteLength);
  for (let i = 0; i < count; i++) {
    const event = read(i) as unknown as InspectionEvent;
    const [source, destination] = [block.source[i], block.destination[i]];
    yield {
      ...event,
      time: Math.trunc(times.getFloat64(i * 8, true)),
      host,
      flow: String(event.flow),
      srcVm: source?.id ?? '',
      dstVm: destination?.id ?? '',
      srcTenant: source?.tenant ?? '',
      dstTenant: destination?.tenant ?? '',
      sequence: block.batch.sequence,
      row: i,
    };
  }
}
