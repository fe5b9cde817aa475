// One line of a gateway's EVE log → an inspection event, and the alert or the refusal it stands for. A gateway is not
// trusted: whatever the line is, nothing is thrown, nothing grows, and the VMs are ours by the MAC addresses.
import {
  EVENT_TYPES,
  type EventAction,
  type EventType,
  type InspectionEvent,
} from '@wocloud/protocol/inspection.ts';
import type { Directory, LocalNic } from '../directory.ts';
import { detailOf } from './detail.ts';
import { address, first, firstText, mac, micros, object, text, whole, type Json } from './fields.ts';
import { subjectOf } from './subject.ts';

export interface EveContext {
  /** `<gateway>/<number>` */
  gateway: string;
  /** Our clock, µs since the epoch. */
  now: number;
  /** µs to add to the gateway's times. */
  clockOffset: number;
}

export interface EveReading {
  event: InspectionEvent;
  source: LocalNic | undefined;
  destination: LocalNic | undefined;
  /** Whether it is about a copy, of which nothing can be dropped. */
  isCopy: boolean;
  json: Json;
}

const MAX_LINE = 64 * 1024;
/** Events that waited in the gateway for the engine are this old at most; any time beyond is the gateway's mistake. */
const OLDEST_MICROS = 3_600_000_000;

const PROTOCOLS: Readonly<Record<string, number>> = {
  ICMP: 1,
  IGMP: 2,
  IPv4: 4,
  TCP: 6,
  UDP: 17,
  IPv6: 41,
  GRE: 47,
  ESP: 50,
  AH: 51,
  'IPv6-ICMP': 58,
  SCTP: 132,
};

/** undefined: it is no event. */
export function readEve(line: string, directory: Directory, context: EveContext): EveReading | undefined {
  if (line.length > MAX_LINE) return undefined;
  try {
    const json = object(JSON.parse(line));
    return json && read(json, directory, context);
  } catch {
    // No JSON, or nested deeper than the stack.
    return undefined;
  }
}

function read(json: Json, directory: Directory, context: EveContext): EveReading | undefined {
  const kind = text(json['event_type'], 32);
  const time = micros(json['timestamp']);
  if (kind === '' || time === undefined) return undefined;
  const type: EventType = (EVENT_TYPES as readonly string[]).includes(kind) ? (kind as EventType) : 'other';
  const isCopy = text(json['in_iface'], 16).startsWith('mir');
  const protocol = protocolOf(json['proto']);
  const isIcmp = protocol === 1 || protocol === 58;
  const { source, destination } = ends(json, directory);
  const alert = object(json['alert']);
  const event: InspectionEvent = {
    time: Math.min(context.now, Math.max(context.now - OLDEST_MICROS, time + context.clockOffset)),
    type,
    gateway: context.gateway,
    network: source?.network || destination?.network || '',
    srcVm: source?.vm ?? '',
    dstVm: destination?.vm ?? '',
    src: address(json['src_ip']),
    dst: address(json['dest_ip']),
    protocol,
    sport: whole(json[isIcmp ? 'icmp_type' : 'src_port'], 65_535),
    dport: whole(json[isIcmp ? 'icmp_code' : 'dest_port'], 65_535),
    flow: BigInt(whole(json['flow_id'], Number.MAX_SAFE_INTEGER)),
    application: applicationOf(kind, json),
    action: isCopy ? copied(actionOf(type, json, alert)) : actionOf(type, json, alert),
    signature: whole(alert?.['signature_id'], 0xffff_ffff),
    title: text(alert?.['signature'], 300),
    category: text(alert?.['category'], 128),
    priority: whole(alert?.['severity'], 255),
    technique: technique(alert),
    subject: subjectOf(kind, json),
    detail: detailOf(json),
  };
  return { event, source, destination, isCopy, json };
}

/** Packets have one MAC on each side, flows a list of those that were seen. */
function ends(json: Json, directory: Directory): Pick<EveReading, 'source' | 'destination'> {
  const ether = object(json['ether']);
  const at = (one: string, list: string) => {
    const some = ether?.[list];
    return mac(ether?.[one]) || mac(Array.isArray(some) ? (some as unknown[])[0] : '');
  };
  const [from, to] = [at('src_mac', 'src_macs'), at('dest_mac', 'dest_macs')];
  const source = from === '' ? undefined : directory.byMac(from);
  const destination = to === '' || to === from ? undefined : directory.byMac(to);
  return { source, destination };
}

const protocolOf = (value: unknown): number => {
  if (typeof value === 'string' && Object.hasOwn(PROTOCOLS, value)) return PROTOCOLS[value] ?? 0;
  return typeof value === 'string' && /^[0-9]{1,3}$/.test(value) ? whole(Number(value), 255) : 0;
};

function applicationOf(kind: string, json: Json): string {
  const said = text(json['app_proto'] ?? object(json['anomaly'])?.['app_proto'], 32);
  if (said !== '' && said !== 'failed') return said;
  // What is logged of a protocol is named after it.
  return object(json[kind]) && !NO_PROTOCOLS.has(kind) ? kind : '';
}
const NO_PROTOCOLS = new Set(['alert', 'anomaly', 'drop', 'fileinfo', 'flow', 'stats']);

function actionOf(type: EventType, json: Json, alert: Json | undefined): EventAction {
  if (type === 'drop') return 'blocked';
  if (type === 'flow') return object(json['flow'])?.['action'] === 'drop' ? 'blocked' : 'none';
  if (type !== 'alert') return 'none';
  return alert?.['action'] === 'blocked' ? 'blocked' : 'allowed';
}

const copied = (action: EventAction): EventAction => (action === 'blocked' ? 'allowed' : action);

/** `metadata: mitre_technique_id T1190` */
function technique(alert: Json | undefined): string {
  const metadata = first(alert?.['metadata']);
  return firstText(metadata?.['mitre_technique_id'], 32);
}
