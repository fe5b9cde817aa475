// What an event says beyond its columns, laid out: known parts with their fields in a reader's order, then whatever
// else there is by the name it came with. All of it is hostile text: bounded here, and shown as text only.
import type { InspectionView } from '@wocloud/protocol/views.ts';
import type { words } from './words.ts';

type Word = Extract<keyof typeof words, string>;
type PartName = Extract<Word, `part_${string}`>;
type FieldName = Extract<Word, `f_${string}`>;

export interface Fact {
  /** What people call it, or the path it has in the event. */
  label: FieldName | null;
  path: string;
  value: unknown;
}
export interface Part {
  title: PartName | null;
  name: string;
  facts: Fact[];
}

/** Fields of each part in the order people read them: path within the part → its word. */
const PARTS: Readonly<Record<string, { title: PartName; fields: Readonly<Record<string, FieldName>> }>> = {
  alert: {
    title: 'part_alert',
    fields: {
      'metadata.cve': 'f_cve',
      'metadata.attack_target': 'f_target',
      'metadata.mitre_tactic_name': 'f_tactic',
      'metadata.affected_product': 'f_product',
      rev: 'f_revision',
    },
  },
  http: {
    title: 'part_http',
    fields: {
      http_method: 'f_method',
      hostname: 'f_hostname',
      url: 'f_url',
      status: 'f_status',
      http_user_agent: 'f_agent',
      http_refer: 'f_referer',
      http_content_type: 'f_contentType',
      length: 'f_length',
      protocol: 'f_version',
    },
  },
  dns: {
    title: 'part_dns',
    fields: {
      type: 'f_dnsType',
      rrname: 'f_name',
      rrtype: 'f_record',
      rcode: 'f_rcode',
      answers: 'f_answers',
      grouped: 'f_grouped',
      queries: 'f_queries',
    },
  },
  tls: {
    title: 'part_tls',
    fields: {
      sni: 'f_sni',
      version: 'f_version',
      subject: 'f_subject',
      issuerdn: 'f_issuer',
      notbefore: 'f_notBefore',
      notafter: 'f_notAfter',
      serial: 'f_serial',
      fingerprint: 'f_fingerprint',
      'ja3.hash': 'f_ja3',
      'ja3s.hash': 'f_ja3s',
    },
  },
  fileinfo: {
    title: 'part_file',
    fields: {
      filename: 'f_file',
      magic: 'f_magic',
      size: 'f_length',
      state: 'f_state',
      sha256: 'f_sha256',
      sha1: 'f_sha1',
      md5: 'f_md5',
      stored: 'f_stored',
    },
  },
  ssh: {
    title: 'part_ssh',
    fields: {
      'client.software_version': 'f_client',
      'server.software_version': 'f_server',
    },
  },
  smtp: { title: 'part_smtp', fields: { mail_from: 'f_mailFrom', rcpt_to: 'f_mailTo', helo: 'f_helo' } },
  anomaly: { title: 'part_anomaly', fields: { event: 'f_event', type: 'f_kind', layer: 'f_layer' } },
  drop: { title: 'part_drop', fields: { reason: 'f_reason', len: 'f_length' } },
  flow: {
    title: 'part_flow',
    fields: {
      pkts_toserver: 'f_packetsOut',
      pkts_toclient: 'f_packetsIn',
      bytes_toserver: 'f_bytesOut',
      bytes_toclient: 'f_bytesIn',
      age: 'f_age',
      state: 'f_state',
      reason: 'f_reason',
    },
  },
};
/** What makes sense only as a whole: in the JSON. */
const RAW_ONLY = new Set(['payload', 'packet', 'stream', 'packet_info', 'tx_id']);
const MOST_FACTS = 40;

/** The parts of an event: its own type's first, an alert's rule before what it was found in, the flow last. */
export function partsOf(event: Pick<InspectionView, 'type' | 'detail'>): Part[] {
  const parts: Part[] = [];
  const loose: Fact[] = [];
  for (const [name, value] of Object.entries(event.detail)) {
    if (RAW_ONLY.has(name)) continue;
    const of = asObject(Array.isArray(value) ? (value as unknown[])[0] : value);
    if (of) parts.push({ title: PARTS[name]?.title ?? null, name, facts: factsOf(name, of) });
    else
      loose.push({
        label: name === 'payload_printable' ? 'f_payload' : name === 'cut' ? 'f_cut' : null,
        path: name,
        value,
      });
  }
  const rank = ({ name }: Part) => (name === event.type ? 0 : name === 'alert' ? 1 : name === 'flow' ? 3 : 2);
  parts.sort((a, b) => rank(a) - rank(b));
  if (loose.length > 0) parts.push({ title: 'part_rest', name: '', facts: loose.slice(0, MOST_FACTS) });
  return parts.filter((p) => p.facts.length > 0);
}

function factsOf(part: string, value: Record<string, unknown>): Fact[] {
  const fields = PARTS[part]?.fields ?? {};
  const found = new Map(flat(value, ''));
  const known = Object.entries(fields).flatMap(([path, label]): Fact[] => {
    const direct = found.get(path) ?? asWhole(value, path);
    if (direct === undefined) return [];
    for (const other of found.keys()) if (other === path || other.startsWith(`${path}.`)) found.delete(other);
    return [{ label, path, value: direct }];
  });
  const others = [...found].map(([path, v]): Fact => ({ label: null, path, value: v }));
  return [...known, ...others].slice(0, MOST_FACTS);
}

/** A field that is an object itself and known as one. */
const asWhole = (value: Record<string, unknown>, path: string) =>
  asObject(value[path]) ? value[path] : undefined;

/** Objects within objects as paths; lists stay together. */
function flat(value: Record<string, unknown>, before: string): [path: string, value: unknown][] {
  return Object.entries(value).flatMap(([name, v]): [string, unknown][] => {
    const inside = asObject(v);
    return inside && before.split('.').length < 4 ? flat(inside, `${before}${name}.`) : [[before + name, v]];
  });
}

function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

/** A value as one line, or one line an item. */
export function linesOf(value: unknown): string[] {
  if (Array.isArray(value)) {
    const items: unknown[] = value;
    return items.some((i) => typeof i === 'object')
      ? items.flatMap((i) => linesOf(i))
      : [items.map(String).join(', ')];
  }
  const of = asObject(value);
  if (of)
    return [
      Object.entries(of)
        .map(([name, v]) => `${name}: ${typeof v === 'object' ? linesOf(v).join(' · ') : String(v)}`)
        .join(', '),
    ];
  return [String(value)];
}
