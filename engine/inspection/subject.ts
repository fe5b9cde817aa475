// What an event is about, in the few words a person looks for: the name asked for, the host and path, the file.
import { first, firstText, object, text, type Json } from './fields.ts';

const MAX = 512;

/** By EVE's name of the protocol's object. */
const SUBJECTS: Readonly<Record<string, (part: Json) => string>> = {
  http: (o) => `${text(o['hostname'], 255)}${text(o['url'], MAX)}`,
  dns: (o) => dnsName(o),
  tls: (o) => firstOf(o, 'sni', 'subject', 'fingerprint'),
  quic: (o) => firstOf(o, 'sni', 'ua', 'version'),
  fileinfo: (o) => firstOf(o, 'sha256', 'filename'),
  ssh: (o) =>
    joined(
      ' → ',
      text(object(o['client'])?.['software_version'], 255),
      text(object(o['server'])?.['software_version'], 255),
    ),
  smtp: (o) => joined(' → ', text(o['mail_from'], 255), firstText(o['rcpt_to'], 255)) || text(o['helo'], 255),
  ftp: (o) => joined(' ', text(o['command'], 64), text(o['command_data'], 255)),
  ftp_data: (o) => firstOf(o, 'filename', 'command'),
  smb: (o) => joined(' ', text(o['command'], 64), firstOf(o, 'filename', 'share', 'named_pipe')),
  nfs: (o) => joined(' ', text(o['procedure'], 64), text(o['filename'], MAX)),
  tftp: (o) => joined(' ', text(o['packet'], 32), text(o['file'], MAX)),
  rdp: (o) => joined(' ', text(o['event_type'], 64), text(o['cookie'], 255)),
  rfb: (o) => text(object(o['authentication'])?.['security_type'], 64) || text(o['name'], 255),
  krb5: (o) => joined(' ', text(o['msg_type'], 64), text(o['cname'], 255), text(o['sname'], 255)),
  mqtt: (o) => mqttTopic(o),
  snmp: (o) => joined(' ', text(o['pdu_type'], 64), text(o['community'], 64)),
  ike: (o) => firstOf(o, 'init_spi', 'exchange_type_verbose'),
  dcerpc: (o) => joined(' ', text(o['request'], 64), text(first(o['interfaces'])?.['uuid'], 64)),
  sip: (o) => joined(' ', text(o['method'], 32), text(o['uri'], MAX)) || text(o['response_line'], MAX),
  anomaly: (o) => text(o['event'], MAX),
  drop: (o) => text(o['reason'], MAX),
};
/** An alert is about what its flow's protocol says; the first of these that is there. */
const OF_ALERTS = ['http', 'dns', 'tls', 'quic', 'ssh', 'smtp', 'ftp', 'smb', 'krb5', 'rdp', 'nfs', 'sip'];

/** '' for what has no subject. */
export function subjectOf(type: string, event: Json): string {
  if (type === 'flow') {
    const flow = object(event['flow']);
    return joined(', ', text(flow?.['state'], 32), text(flow?.['reason'], 32));
  }
  const names = type === 'alert' ? OF_ALERTS : [type];
  for (const name of names) {
    const part = first(event[name]);
    const found = part && Object.hasOwn(SUBJECTS, name) ? SUBJECTS[name]?.(part) : '';
    if (found) return found.slice(0, MAX).toWellFormed();
  }
  return '';
}

const joined = (by: string, ...parts: string[]): string => parts.filter((part) => part !== '').join(by);

function firstOf(part: Json, ...names: string[]): string {
  for (const name of names) {
    const found = text(part[name], MAX);
    if (found !== '') return found;
  }
  return '';
}

/** Of a query or an answer; alerts have the first query in a list. */
function dnsName(dns: Json): string {
  const name = text(dns['rrname'], MAX);
  if (name !== '') return joined(' ', name, text(dns['rrtype'], 16));
  const query = first(dns['query']) ?? first(dns['queries']) ?? first(dns['answer']);
  return query ? joined(' ', text(query['rrname'], MAX), text(query['rrtype'], 16)) : '';
}

function mqttTopic(mqtt: Json): string {
  for (const [name, value] of Object.entries(mqtt).slice(0, 8)) {
    const part = object(value);
    if (!part) continue;
    return joined(' ', text(name, 32), firstOf(part, 'topic', 'client_id'));
  }
  return '';
}
