// A stored or live inspection event as the API shows it to one caller.
import type { InspectionEvent } from '@wocloud/protocol/inspection.ts';
import type { InspectionView } from '@wocloud/protocol/views.ts';
import { protocolName } from '../flows/filter.ts';
import { endView, hostIsVisible, isoMicros } from '../flows/view.ts';
import type { Scope } from '../handler.ts';
import type { Directory } from '../vms/directory.ts';

/** One event with what ingest knew; times in µs, addresses as text. */
export interface EventRow extends Omit<InspectionEvent, 'flow'> {
  host: string;
  /** Decimal. */
  flow: string;
  srcTenant: string;
  dstTenant: string;
  /** Of the batch that brought it, and which of its rows it was. */
  sequence: number;
  row: number;
}

/** The select list that makes EventRows. */
export const EVENT_SELECT = [
  'toUnixTimestamp64Micro(time) AS timeMicros',
  'toString(flow) AS flowText',
  'toString(src) AS srcText',
  'toString(dst) AS dstText',
  ...['host', 'type', 'gateway', 'network', 'srcVm', 'dstVm', 'srcTenant', 'dstTenant', 'protocol'],
  ...['sport', 'dport', 'application', 'action', 'signature', 'title', 'category', 'priority'],
  ...['technique', 'subject', 'detail', 'sequence', 'row'],
].join(', ');

export type SelectedEvent = Omit<EventRow, 'time' | 'flow' | 'src' | 'dst'> & {
  timeMicros: number;
  flowText: string;
  srcText: string;
  dstText: string;
};

const plain = (ip: string) => ip.replace(/^::ffff:(?=\d+\.)/, '');

export const eventRow = (row: SelectedEvent): EventRow => ({
  ...row,
  time: row.timeMicros,
  flow: row.flowText,
  src: plain(row.srcText),
  dst: plain(row.dstText),
});

/** The event as this caller may see it. The caller must be allowed to see the event at all. */
export function eventView(row: EventRow, scope: Scope, directory: Directory): InspectionView {
  // Without a protocol an event is about no packet (statistics), and its addresses are none.
  const address = (ip: string) => (row.protocol === 0 && ip === '::' ? '' : ip);
  const src = endView(scope, directory, {
    vm: row.srcVm,
    tenant: row.srcTenant,
    ip: address(row.src),
    port: row.sport,
  });
  const dst = endView(scope, directory, {
    vm: row.dstVm,
    tenant: row.dstTenant,
    ip: address(row.dst),
    port: row.dport,
  });
  const where = hostIsVisible(scope, directory, row.host, [src, dst]);
  return {
    id: [row.host.slice(0, 8), ...[row.time, row.sequence, row.row].map((n) => n.toString(36))].join('-'),
    time: isoMicros(row.time),
    type: row.type,
    host: where ? row.host : '',
    gateway: where ? row.gateway : '',
    network: row.network,
    src,
    dst,
    protocol: row.protocol === 0 ? '' : protocolName(row.protocol),
    flow: row.flow,
    application: row.application,
    action: row.action,
    signature: row.signature,
    title: row.title,
    category: row.category,
    priority: row.priority,
    technique: row.technique,
    subject: row.subject,
    detail: detailOf(row.detail),
  };
}

/** What EVE said, as an object; text that is none is kept as it came. */
function detailOf(text: string): Record<string, unknown> {
  if (text === '') return {};
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch {
    // Not JSON: a host says it is, and is shown by its own words.
  }
  return { text };
}
