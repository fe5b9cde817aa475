// The flow filter language, one for the CLI, the console and links: `vm:web-1 verdict:drop -port:22 since:15m`.
// Text becomes a FlowQuery and back; a mistake says where it is and the nearest name that would have been right.
import { closest, distance } from 'fastest-levenshtein';
import type { FlowQuery } from './api.ts';
import { STAGED_VERDICTS, VERDICTS } from './flow.ts';

/** A FlowQuery without paging. */
export type FlowFilter = Omit<FlowQuery, 'limit' | 'cursor'>;
export const LIST_FIELDS = [
  'vm',
  'from',
  'to',
  'ip',
  'port',
  'protocol',
  'verdict',
  'staged',
  'rule',
  'tenant',
  'network',
  'host',
] as const;
export type ListField = (typeof LIST_FIELDS)[number];
export const FILTER_FIELDS = [...LIST_FIELDS, 'since', 'until'] as const;
export type FilterField = (typeof FILTER_FIELDS)[number];

/** What people also write for a field or a value. */
const FIELD_ALIASES: Record<string, FilterField> = {
  src: 'from',
  dst: 'to',
  source: 'from',
  destination: 'to',
  proto: 'protocol',
  dport: 'port',
};
const VERDICT_ALIASES: Record<string, string> = {
  allow: 'allowed',
  drop: 'dropped',
  reject: 'rejected',
  observe: 'observed',
  deny: 'dropped',
};

export type FilterErrorCode =
  | 'unknown-field'
  | 'missing-value'
  | 'unclosed-quote'
  | 'bad-verdict'
  | 'bad-staged'
  | 'bad-port'
  | 'bad-address'
  | 'bad-instant'
  | 'exclude-time'
  | 'repeated-time';
export interface FilterError {
  code: FilterErrorCode;
  /** Offsets into the text, end exclusive. */
  start: number;
  end: number;
  /** What was written, and the field it was written for (empty where there is none). */
  value: string;
  field: string;
  /** The nearest valid name, null when nothing is near. */
  nearest: string | null;
  /** The whole as an English sentence, for terminals. */
  message: string;
}

/** One `field:value` as it stands in the text. */
export interface FilterTerm {
  start: number;
  end: number;
  field: FilterField;
  value: string;
  exclude: boolean;
}
export interface ParsedFilter {
  query: FlowFilter;
  terms: FilterTerm[];
  errors: FilterError[];
}

const IP = /^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-f:.]*:[0-9a-f:.]*)(\/[0-9]{1,3})?$/i;
const INSTANT = /^([0-9]+(\.[0-9]+)?(ms|s|m|h|d|w)|[0-9]{4}-.+)$/;

/** Parses filter text. Terms that are wrong are reported and left out of the query; the others stand. */
export function parseFilter(text: string): ParsedFilter {
  const parsed: ParsedFilter = { query: {}, terms: [], errors: [] };
  for (const token of tokens(text, parsed.errors)) parseToken(token, parsed);
  return parsed;
}

interface Token {
  start: number;
  end: number;
  /** Unquoted pieces between commas, the field and a leading sign still in the first. */
  head: string;
  values: { text: string; start: number; end: number; quoted: boolean }[];
  /** Whether a colon outside quotes separated head from values. */
  separated: boolean;
}

function tokens(text: string, errors: FilterError[]): Token[] {
  const found: Token[] = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text[at]!)) {
      at += 1;
      continue;
    }
    const token: Token = { start: at, end: at, head: '', values: [], separated: false };
    const head = /^[-!]?[a-z]+:/i.exec(text.slice(at));
    // An IPv6 address begins like a field; it is one only when no field has that name.
    if (head && !(IP.test(/^\S+/.exec(text.slice(at))![0]) && !isField(head[0]))) {
      token.head = head[0].slice(0, -1);
      token.separated = true;
      at += head[0].length;
    }
    at = readValues(text, at, token, errors);
    token.end = at;
    found.push(token);
  }
  return found;
}

const isField = (head: string) => fieldOf(head.replace(/^[-!]/, '').replace(/:$/, '')) !== undefined;

function readValues(text: string, from: number, token: Token, errors: FilterError[]): number {
  let at = from;
  for (;;) {
    const start = at;
    let value = '';
    let quoted = false;
    if (text[at] === '!') {
      value = '!';
      at += 1;
    }
    if (text[at] === '"') {
      quoted = true;
      const open = at;
      at += 1;
      while (at < text.length && text[at] !== '"') {
        if (text[at] === '\\' && at + 1 < text.length) at += 1;
        value += text[at];
        at += 1;
      }
      if (at >= text.length) errors.push(failure('unclosed-quote', open, at, text.slice(open), token.head));
      else at += 1;
    }
    while (at < text.length && !/[\s,]/.test(text[at]!)) {
      value += text[at];
      at += 1;
    }
    token.values.push({ text: value, start, end: at, quoted });
    if (text[at] !== ',') return at;
    at += 1;
  }
}

function parseToken(token: Token, parsed: ParsedFilter): void {
  const minus = /^[-!]/.test(token.head);
  const name = token.head.replace(/^[-!]/, '').toLowerCase();
  if (!token.separated) {
    for (const v of token.values) parseBareWord(v, parsed);
    return;
  }
  const field = fieldOf(name);
  if (!field) {
    parsed.errors.push(failure('unknown-field', token.start, token.end, name, '', nearestField(name)));
    return;
  }
  for (const v of token.values) {
    const exclude = minus !== v.text.startsWith('!');
    const value = v.text.startsWith('!') ? v.text.slice(1) : v.text;
    if (!value) {
      parsed.errors.push(failure('missing-value', token.start, token.end, '', field));
      continue;
    }
    add(parsed, { start: token.start, end: token.end, field, value, exclude });
  }
}

function parseBareWord(v: Token['values'][number], parsed: ParsedFilter): void {
  const exclude = /^[-!]/.test(v.text) && !v.quoted;
  const value = exclude ? v.text.slice(1) : v.text;
  const place = { start: v.start, end: v.end, value, exclude };
  if (!value) parsed.errors.push(failure('missing-value', v.start, v.end, v.text, ''));
  else if (IP.test(value)) add(parsed, { ...place, field: 'ip' });
  else if (fieldOf(value) && !v.quoted)
    parsed.errors.push(failure('missing-value', v.start, v.end, '', fieldOf(value)!));
  else add(parsed, { ...place, field: 'vm' });
}

function add(parsed: ParsedFilter, term: FilterTerm): void {
  const { field, exclude, start, end } = term;
  const wrong = (code: FilterErrorCode, nearest: string | null = null) =>
    parsed.errors.push(failure(code, start, end, term.value, field, nearest));
  let value = term.value;
  if (field === 'since' || field === 'until') {
    if (exclude) return void wrong('exclude-time');
    if (!INSTANT.test(value)) return void wrong('bad-instant');
    if (parsed.query[field] !== undefined) return void wrong('repeated-time');
    parsed.query[field] = value;
    parsed.terms.push(term);
    return;
  }
  if (field === 'verdict' || field === 'staged') {
    const known: readonly string[] = field === 'verdict' ? VERDICTS : STAGED_VERDICTS;
    const lower = value.toLowerCase();
    value = known.includes(lower) ? lower : (VERDICT_ALIASES[lower] ?? lower);
    if (!known.includes(value))
      return void wrong(field === 'verdict' ? 'bad-verdict' : 'bad-staged', closest(lower, [...known]));
  }
  if (field === 'port' && !isPort(value)) return void wrong('bad-port');
  if (field === 'ip' && !IP.test(value)) return void wrong('bad-address');
  parsed.terms.push({ ...term, value });
  const list = (parsed.query[field] ??= []);
  const written = exclude ? `!${value}` : value;
  if (!list.includes(written)) list.push(written);
}

function isPort(value: string): boolean {
  const match = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(value);
  if (!match) return false;
  const low = Number(match[1]);
  const high = match[2] === undefined ? low : Number(match[2]);
  return low <= high && high <= 65535;
}

/** The field a name (or alias) means, undefined when it means none. */
export function fieldOf(name: string): FilterField | undefined {
  if ((FILTER_FIELDS as readonly string[]).includes(name)) return name as FilterField;
  return Object.hasOwn(FIELD_ALIASES, name) ? FIELD_ALIASES[name] : undefined;
}

function nearestField(name: string): string | null {
  const best = closest(name, [...FILTER_FIELDS, ...Object.keys(FIELD_ALIASES)]);
  return distance(name, best) <= Math.max(2, name.length / 2) ? (fieldOf(best) ?? null) : null;
}

function failure(
  code: FilterErrorCode,
  start: number,
  end: number,
  value: string,
  field: string,
  nearest: string | null = null,
): FilterError {
  return { code, start, end, value, field, nearest, message: sentence(code, value, field, nearest) };
}

function sentence(code: FilterErrorCode, value: string, field: string, nearest: string | null): string {
  const hint = nearest ? `; did you mean "${nearest}"?` : '';
  switch (code) {
    case 'unknown-field':
      return `Unknown field "${value}"${hint || `; known are ${FILTER_FIELDS.join(', ')}`}`;
    case 'missing-value':
      return field ? `"${field}:" needs a value` : 'A value is missing';
    case 'unclosed-quote':
      return `The quote is never closed: ${value}`;
    case 'bad-verdict':
      return `"${value}" is no verdict (${VERDICTS.join(', ')})${hint}`;
    case 'bad-staged':
      return `"${value}" is no staged verdict (${STAGED_VERDICTS.join(', ')})${hint}`;
    case 'bad-port':
      return `"${value}" is no port or range; write 22 or 8000-8100`;
    case 'bad-address':
      return `"${value}" is no address or prefix; write 10.0.0.5 or 10.0.0.0/24`;
    case 'bad-instant':
      return `"${value}" is no time; write an age (90s, 15m, 24h, 7d) or 2026-05-01T08:00:00Z`;
    case 'exclude-time':
      return `"${field}" cannot be excluded`;
    case 'repeated-time':
      return `"${field}" is given more than once`;
  }
}

const quote = (value: string) =>
  /[\s,"]/.test(value) || value === '' ? `"${value.replace(/[\\"]/g, '\\$&')}"` : value;

/** Canonical text of a filter: fields in a fixed order, values as given; `parseFilter` reads it back the same. */
export function printFilter(query: FlowFilter): string {
  const parts: string[] = [];
  for (const field of LIST_FIELDS) {
    const values = query[field] ?? [];
    const wanted = values.filter((v) => !v.startsWith('!'));
    if (wanted.length) parts.push(`${field}:${wanted.map(quote).join(',')}`);
    for (const v of values) if (v.startsWith('!')) parts.push(`-${field}:${quote(v.slice(1))}`);
  }
  if (query.since !== undefined) parts.push(`since:${quote(query.since)}`);
  if (query.until !== undefined) parts.push(`until:${quote(query.until)}`);
  return parts.join(' ');
}

/** The filter with `value` wanted (or, with `exclude`, unwanted) in `field`; its opposite is taken out. */
export function withTerm(query: FlowFilter, field: ListField, value: string, exclude = false): FlowFilter {
  const list = query[field] ?? [];
  const written = exclude ? `!${value}` : value;
  const opposite = exclude ? value : `!${value}`;
  const rest = list.filter((v) => v !== opposite && v !== written);
  return { ...query, [field]: [...rest, written] };
}

/** The filter without that term; `value` carries its "!" when it excluded. */
export function withoutTerm(query: FlowFilter, field: ListField, value: string): FlowFilter {
  const { [field]: list, ...others } = query;
  const rest = (list ?? []).filter((v) => v !== value);
  return rest.length ? { ...others, [field]: rest } : others;
}

const shell = (v: string) => (/^[\w@%+=:,./-]+$/.test(v) ? v : `'${v.replace(/'/g, `'\\''`)}'`);

/** As command-line flags of `wocloud flows`: `--vm web-1 --verdict dropped`. */
export function filterFlags(query: FlowFilter): string {
  const parts: string[] = [];
  for (const field of LIST_FIELDS) for (const v of query[field] ?? []) parts.push(`--${field} ${shell(v)}`);
  if (query.since !== undefined) parts.push(`--since ${shell(query.since)}`);
  if (query.until !== undefined) parts.push(`--until ${shell(query.until)}`);
  return parts.join(' ');
}
