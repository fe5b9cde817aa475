// Flows, newest first: the latest record of each flow that matches, page by page.
import type { FlowView } from '@wocloud/protocol/views.ts';
import { cursorOf, pageOf } from '../http/paging.ts';
import { literal } from '../telemetry/literal.ts';
import type { Telemetry } from '../telemetry/store.ts';
import type { Directory } from '../vms/directory.ts';
import type { FlowFilter } from './filter.ts';
import { LIMITS, whereOf } from './sql.ts';
import { FLOW_SELECT, flowRow, flowView, type SelectedFlow } from './view.ts';

/** A page of flows. All records of a flow lie together by start, so paging never shows one twice. */
export async function listFlows(
  telemetry: Telemetry,
  directory: Directory,
  filter: FlowFilter,
  page: { limit: number; cursor: string | undefined; signal: AbortSignal },
): Promise<{ items: FlowView[]; next: string | null }> {
  const cursor = cursorOf(page.cursor, ['number', 'string', 'string']);
  const after = cursor
    ? ` AND (start, host, flow) < (${literal.micros(Number(cursor[0]))}, ${literal.text(String(cursor[1]))}, toUInt64OrZero(${literal.text(String(cursor[2]))})) AND start <= ${literal.micros(Number(cursor[0]))}`
    : '';
  const rows = await telemetry.rows<SelectedFlow>(
    `SELECT ${FLOW_SELECT} FROM flows WHERE ${whereOf(filter)}${after}
     ORDER BY start DESC, host DESC, flow DESC, time DESC
     LIMIT 1 BY start, host, flow LIMIT ${literal.integer(page.limit + 1)} SETTINGS ${LIMITS}`,
    { signal: page.signal },
  );
  return pageOf(
    rows.map(flowRow),
    page.limit,
    (row) => flowView(row, filter.scope, directory),
    (row) => [row.start, row.host, row.flow],
  );
}
