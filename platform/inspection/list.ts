// Inspection events, newest first, page by page.
import type { InspectionView } from '@wocloud/protocol/views.ts';
import { LIMITS } from '../flows/sql.ts';
import { cursorOf, pageOf } from '../http/paging.ts';
import { literal } from '../telemetry/literal.ts';
import type { Telemetry } from '../telemetry/store.ts';
import type { Directory } from '../vms/directory.ts';
import type { EventFilter } from './filter.ts';
import { whereOf } from './sql.ts';
import { EVENT_SELECT, eventRow, eventView, type SelectedEvent } from './view.ts';

export async function listEvents(
  telemetry: Telemetry,
  directory: Directory,
  filter: EventFilter,
  page: { limit: number; cursor: string | undefined; signal: AbortSignal },
): Promise<{ items: InspectionView[]; next: string | null }> {
  const cursor = cursorOf(page.cursor, ['number', 'string', 'number', 'number']);
  const [time, host, sequence, row] = (cursor ?? []) as [number, string, number, number];
  const after = cursor
    ? ` AND time <= ${literal.micros(time)} AND (time, host, sequence, row) < (${[
        literal.micros(time),
        literal.text(host),
        literal.integer(sequence),
        literal.integer(row),
      ].join(', ')})`
    : '';
  const rows = await telemetry.rows<SelectedEvent>(
    `SELECT ${EVENT_SELECT} FROM inspection WHERE ${whereOf(filter)}${after}
     ORDER BY time DESC, host DESC, sequence DESC, row DESC
     LIMIT ${literal.integer(page.limit + 1)} SETTINGS ${LIMITS}`,
    { signal: page.signal },
  );
  return pageOf(
    rows.map(eventRow),
    page.limit,
    (event) => eventView(event, filter.scope, directory),
    (event) => [event.time, event.host, event.sequence, event.row],
  );
}
