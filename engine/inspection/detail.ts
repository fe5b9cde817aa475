// What is left of an event once its fields are taken out, as JSON of bounded length: what does not fit goes field by
// field, the longest first, and the text says which.
import { MAX_DETAIL } from '@wocloud/protocol/inspection.ts';
import type { Json } from './fields.ts';

/** Said by the event's other fields. */
const SAID = new Set([
  'timestamp',
  'event_type',
  'flow_id',
  'src_ip',
  'src_port',
  'dest_ip',
  'dest_port',
  'proto',
  'app_proto',
  'icmp_type',
  'icmp_code',
  'ether',
  'in_iface',
  'verdict',
  'pkt_src',
]);
const SAID_WITHIN: Readonly<Record<string, ReadonlySet<string>>> = {
  alert: new Set(['action', 'gid', 'signature_id', 'signature', 'category', 'severity']),
  flow: new Set(['action']),
};
const MAX_FIELDS = 64;
const MAX_NAME = 64;

export function detailOf(event: Json): string {
  const fields: [name: string, json: string][] = [];
  const cut: string[] = event['cut'] === true ? ['…'] : [];
  for (const [name, value] of Object.entries(event)) {
    if (SAID.has(name) || name === 'cut') continue;
    const said = Object.hasOwn(SAID_WITHIN, name) ? SAID_WITHIN[name] : undefined;
    const rest = said ? without(value, said) : value;
    if (rest === undefined) continue;
    if (fields.length === MAX_FIELDS || name.length > MAX_NAME) cut.push(name.slice(0, MAX_NAME));
    else fields.push([JSON.stringify(name), JSON.stringify(rest)]);
  }
  // With a comma, a colon, and room for what says that it was cut.
  const room = MAX_DETAIL - 2 - 512;
  let length = fields.reduce((sum, [name, json]) => sum + name.length + json.length + 2, 0);
  while (length > room) {
    const [longest] = fields.toSorted((a, b) => b[1].length - a[1].length);
    if (!longest) break;
    fields.splice(fields.indexOf(longest), 1);
    length -= longest[0].length + longest[1].length + 2;
    cut.push(JSON.parse(longest[0]) as string);
  }
  if (cut.length > 0) fields.push(['"cut"', JSON.stringify(cut.join(' ').slice(0, 200).toWellFormed())]);
  return `{${fields.map(([name, json]) => `${name}:${json}`).join(',')}}`;
}

function without(value: unknown, names: ReadonlySet<string>): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const rest = Object.entries(value).filter(([name]) => !names.has(name));
  return rest.length === 0 ? undefined : Object.fromEntries(rest);
}
