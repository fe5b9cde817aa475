// What an inspection event asks of a person, as the engine's alert: one per signature and pair of ends, repetitions
// counted.
import type { EngineAlert } from '@wocloud/protocol/reports.ts';
import type { NewAlert } from '../alerts/alerts.ts';
import type { EveReading } from './eve.ts';
import { first, firstText, object, text } from './fields.ts';

/** Of the packet, as it was on the wire. */
const EXCERPT = 256;

/** undefined for an event that is no alert. */
export function alertOf({ event, source, destination, isCopy, json }: EveReading): NewAlert | undefined {
  if (event.type !== 'alert') return undefined;
  const { signature, title, category, technique, action, application, gateway, subject } = event;
  const excerpt = packet(json['packet']);
  const optional: EngineAlert['evidence'] = {
    ...(technique && { technique }),
    ...(application && { application }),
    ...(subject && { subject }),
    ...(source && { srcVm: source.name.slice(0, 255) }),
    ...(destination && { dstVm: destination.name.slice(0, 255) }),
    ...(excerpt && { packet: excerpt }),
  };
  return {
    kind: 'inspection.alert',
    // An address outside may be anyone's, and there are many: whom they attack is one alert.
    key: `${signature} ${event.srcVm || 'outside'} ${event.dstVm || event.dst}`,
    severity: severityOf(event.priority, json),
    title: title || `Signature ${signature}`,
    vm: event.srcVm || event.dstVm || null,
    time: event.time,
    evidence: {
      signature,
      category,
      action,
      src: event.src,
      dst: event.dst,
      protocol: event.protocol,
      sourcePort: event.sport,
      destinationPort: event.dport,
      gateway,
      mirrored: isCopy,
      ...optional,
    },
  };
}

const SEVERITIES: readonly EngineAlert['severity'][] = ['medium', 'high', 'medium', 'low'];

function severityOf(priority: number, json: EveReading['json']): EngineAlert['severity'] {
  const metadata = first(object(json['alert'])?.['metadata']);
  if (firstText(metadata?.['signature_severity'], 16).toLowerCase() === 'critical') return 'critical';
  return SEVERITIES[priority] ?? 'info';
}

/** EVE has the packet in base64; here in hex, as far as it goes. */
function packet(value: unknown): string {
  const base64 = text(value, Math.ceil(EXCERPT / 3) * 4);
  return Buffer.from(base64, 'base64').subarray(0, EXCERPT).toString('hex');
}
