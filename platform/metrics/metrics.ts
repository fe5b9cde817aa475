// What the platform counts about itself: every record, frame or event that is lost, refused or dropped has a counter.
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

export type Metrics = ReturnType<typeof createMetrics>;

/** A registry of its own, so that several platforms (tests) can live in one process. */
export function createMetrics() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'wocloud_' });
  const registers = [registry];
  const counter = (name: string, help: string) => new Counter({ name: `wocloud_${name}`, help, registers });
  const labelled = <L extends string>(name: string, help: string, labelNames: L[]) =>
    new Counter({ name: `wocloud_${name}`, help, labelNames, registers });
  const gauge = (name: string, help: string) => new Gauge({ name: `wocloud_${name}`, help, registers });
  return {
    registry,
    linksConnected: gauge('links_connected', 'Hosts whose link is up at this replica'),
    linksRefused: labelled('links_refused_total', 'Links and joins refused', ['reason']),
    framesMalformed: labelled('frames_malformed_total', 'Frames of hosts that did not hold', ['kind']),
    batchesDuplicate: counter('batches_duplicate_total', 'Batches sent again and not stored twice'),
    batchGaps: counter('batch_gaps_total', 'Sequence numbers that hosts skipped'),
    recordsLost: counter('records_lost_total', 'Records that hosts had to give up'),
    flowsReceived: counter('flow_records_received_total', 'Flow records that arrived'),
    flowsStored: counter('flow_records_stored_total', 'Flow records on disk'),
    flowsRefused: counter('flow_records_refused_total', 'Flow records that the store refused for good'),
    flowsForeign: counter('flow_records_foreign_total', 'Ends of flows named as VMs of another host'),
    flowsClocked: counter('flow_records_clocked_total', 'Flow records with a time no clock could have shown'),
    inspectionReceived: counter('inspection_events_received_total', 'Inspection events that arrived'),
    inspectionStored: counter('inspection_events_stored_total', 'Inspection events on disk'),
    inspectionRefused: counter(
      'inspection_events_refused_total',
      'Inspection events that the store refused for good',
    ),
    inspectionForeign: counter(
      'inspection_events_foreign_total',
      'Ends of inspection events named as VMs of another host',
    ),
    inspectionClocked: counter(
      'inspection_events_clocked_total',
      'Inspection events with a time no clock could have shown',
    ),
    gatewayNotesSkipped: counter(
      'gateway_notes_skipped_total',
      'Changes of gateways beyond what one host may write to the audit log',
    ),
    nicsDropped: counter(
      'nics_dropped_total',
      'NICs left out because their VM has another with the same MAC',
    ),
    receiptsRefused: counter('receipts_refused_total', 'Receipts whose signature is not the host’s'),
    alertsForeign: counter('alerts_foreign_total', 'Alerts that named a VM of another host'),
    eventsLost: labelled('events_lost_total', 'Events that a slow reader of /v1/events did not get', [
      'topic',
    ]),
    eventStreams: gauge('event_streams', 'Open event streams'),
    insertSeconds: new Histogram({
      name: 'wocloud_telemetry_insert_seconds',
      help: 'Time until an insert is on disk',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers,
    }),
  };
}
