// The filter language, one for the CLI, the console and links: `vm:web-1 verdict:drop -port:22 since:15m`.
// Text becomes a query and back; a mistake says where it is and the nearest name that would have been right.
// Flows have one set of fields, inspection events another; what is not said otherwise is about flows.
import { closest, distance } from 'fastest-levenshtein';
import type { FlowQuery } from './api.ts';
import { STAGED_VERDICTS, VERDICTS } from './flow.ts';
import { EVENT_ACTIONS, EVENT_TYPES } from './inspection.ts';

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
export const EVENT_FIELDS = [
  'type',
  'action',
  'signature',
  'application',
  'vm',
  'ip',
  'port',
  'tenant',
  'network',
  'host',
  'gateway',
] as const;
export type EventField = (typeof EVENT_FIELDS)[number];
type TimeField = 'since' | 'until';
export type FilterField = ListField | TimeField;

/** What can be filtered by: fields that may be given many times, and what people also write for them. */
export interface FilterLanguage<F extends string> {
  fields: readonly F[];
  aliases: Readonly<Record<string, F>>;
  /** Fields that know only these words, and what people also write for a word. */
  words: { readonly [K in F]?: readonly string[] };
  wordAliases: Readonly<Record<string, string>>;
}
/** A query of that language, without paging: each field any of its values, none of those that begin with "!". */
export type Filter<F extends string> = { [K in F]?: string[] } & { since?: string; until?: string };

const BOTH = { dport: 'port' } as const;
export const FLOW_LANGUAGE: FilterLanguage<ListField> = {
  fields: LIST_FIELDS,
  aliases: {
    src: 'from',
    dst: 'to',
    source: 'from',
    destination: 'to',
    proto: 'protocol',
    ...BOTH,
  },
  words: { verdict: VERDICTS, staged: STAGED_VERDICTS },
  wordAliases: {
    allow: 'allowed',
    drop: 'dropped',
    reject: 'rejected',
    observe: 'observed',
    deny: 'dropped',
  },
};
export const EVENT_LANGUAGE: FilterLanguage<EventField> = {
  fields: EVENT_FIELDS,
  aliases: { sid: 'signature', app: 'application', ...BOTH },
  words: { type: EVENT_TYPES, action: EVENT_ACTIONS },
  wordAliases: { file: 'fileinfo', allow: 'allowed', block: 'blocked', drop: 'blocked', dropped: 'blocked' },
};
/** A word of the field itself is never taken for another: `drop` is an event type, and of an action means blocked. */
const wordOf = <F extends string>(language: FilterLanguage<F>, known: readonly string[], value: string) =>
  known.includes(value) ? value : (language.wordAliases[value] ?? value);

export type FilterErrorCode =
  | 'unknown-field'
  | 'missing-value'
  | 'unclosed-quote'
  | 'bad-verdict'
  | 'bad-staged'
  | 'bad-word'
  | 'bad-signature'
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
export interface FilterTerm<F extends string = ListField> {
  start: number;
  end: number;
  field: F | TimeField;
  value: string;
  exclude: boolean;
}
export interface ParsedFilter<F extends string = ListField> {
  query: Filter<F>;
  terms: FilterTerm<F>[];
  errors: FilterError[];
}

const IP = /^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-f:.]*:[0-9a-f:.]*)(\/[0-9]{1,3})?$/i;
const INSTANT = /^([0-9]+(\.[0-9]+)?(ms|s|m|h|d|w)|[0-9]{4}-.+)$/;

/** Parses filter text. Terms that are wrong are reported and left out of the query; the others stand. */
export function parseFilter(text: string): ParsedFilter;
export function parseFilter<F extends string>(text: string, language: FilterLanguage<F>): ParsedFilter<F>;
export function parseFilter(
  text: string,
  language: FilterLanguage<string> = FLOW_LANGUAGE,
): ParsedFilter<string> {
  const parsed: ParsedFilter<string> = { query: {}, terms: [], errors: [] };
  for (const token of tokens(text, parsed.errors, language)) parseToken(token, parsed, language);
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

function tokens(text: string, errors: FilterError[], language: FilterLanguage<string>): Token[] {
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
    if (head && !(IP.test(/^\S+/.exec(text.slice(at))![0]) && !isField(head[0], language))) {
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

const isField = (head: string, language: FilterLanguage<string>) =>
  fieldOf(head.replace(/^[-!]/, '').replace(/:$/, ''), language) !== undefined;

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

function parseToken(token: Token, parsed: ParsedFilter<string>, language: FilterLanguage<string>): void {
  const minus = /^[-!]/.test(token.head);
  const name = token.head.replace(/^[-!]/, '').toLowerCase();
  if (!token.separated) {
    for (const v of token.values) parseBareWord(v, parsed, language);
    return;
  }
  const field = fieldOf(name, language);
  if (!field) {
    parsed.errors.push(
      failure('unknown-field', token.start, token.end, name, '', nearestField(name, language), language),
    );
    return;
  }
  for (const v of token.values) {
    const exclude = minus !== v.text.startsWith('!');
    const value = v.text.startsWith('!') ? v.text.slice(1) : v.text;
    if (!value) {
      parsed.errors.push(failure('missing-value', token.start, token.end, '', field));
      continue;
    }
    add(parsed, { start: token.start, end: token.end, field, value, exclude }, language);
  }
}

function parseBareWord(
  v: Token['values'][number],
  parsed: ParsedFilter<string>,
  language: FilterLanguage<string>,
): void {
  const exclude = /^[-!]/.test(v.text) && !v.quoted;
  const value = exclude ? v.text.slice(1) : v.text;
  const place = { start: v.start, end: v.end, value, exclude };
  if (!value) parsed.errors.push(failure('missing-value', v.start, v.end, v.text, ''));
  else if (IP.test(value)) add(parsed, { ...place, field: 'ip' }, language);
  else if (fieldOf(value, language) && !v.quoted)
    parsed.errors.push(failure('missing-value', v.start, v.end, '', fieldOf(value, language)!));
  else add(parsed, { ...place, field: 'vm' }, language);
}

function add(parsed: ParsedFilter<string>, term: FilterTerm<string>, language: FilterLanguage<string>): void {
  const { field, exclude, start, end } = term;
  const wrong = (code: FilterErrorCode, nearest: string | null = null) =>
    parsed.errors.push(failure(code, start, end, term.value, field, nearest, language));
  let value = term.value;
  if (field === 'since' || field === 'until') {
    if (exclude) return void wrong('exclude-time');
    if (!INSTANT.test(value)) return void wrong('bad-instant');
    if (parsed.query[field] !== undefined) return void wrong('repeated-time');
    parsed.query[field] = value;
    parsed.terms.push(term);
    return;
  }
  const known = language.words[field];
  if (known) {
    const lower = value.toLowerCase();
    value = wordOf(language, known, lower);
    if (!known.includes(value)) return void wrong(BAD_WORD[field] ?? 'bad-word', closest(lower, [...known]));
  }
  if (field === 'signature' && !/^[0-9]{1,10}$/.test(value)) return void wrong('bad-signature');
  if (field === 'port' && !isPort(value)) return void wrong('bad-port');
  if (field === 'ip' && !IP.test(value)) return void wrong('bad-address');
  parsed.terms.push({ ...term, value });
  const list = (parsed.query[field] ??= []);
  const written = exclude ? `!${value}` : value;
  if (!list.includes(written)) list.push(written);
}

const BAD_WORD: Record<string, FilterErrorCode> = { verdict: 'bad-verdict', staged: 'bad-staged' };

function isPort(value: string): boolean {
  const match = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(value);
  if (!match) return false;
  const low = Number(match[1]);
  const high = match[2] === undefined ? low : Number(match[2]);
  return low <= high && high <= 65535;
}

/** The field a name (or alias) means, undefined when it means none. */
export function fieldOf(name: string): FilterField | undefined;
export function fieldOf<F extends string>(
  name: string,
  language: FilterLanguage<F>,
): F | TimeField | undefined;
export function fieldOf(name: string, language: FilterLanguage<string> = FLOW_LANGUAGE): string | undefined {
  if (name === 'since' || name === 'until' || language.fields.includes(name)) return name;
  return Object.hasOwn(language.aliases, name) ? language.aliases[name] : undefined;
}

const namesOf = (language: FilterLanguage<string>) => [...language.fields, 'since', 'until'];

function nearestField(name: string, language: FilterLanguage<string>): string | null {
  const best = closest(name, [...namesOf(language), ...Object.keys(language.aliases)]);
  return distance(name, best) <= Math.max(2, name.length / 2) ? (fieldOf(best, language) ?? null) : null;
}

function failure(
  code: FilterErrorCode,
  start: number,
  end: number,
  value: string,
  field: string,
  nearest: string | null = null,
  language: FilterLanguage<string> = FLOW_LANGUAGE,
): FilterError {
  return {
    code,
    start,
    end,
    value,
    field,
    nearest,
    message: sentence(code, value, field, nearest, language),
  };
}

function sentence(
  code: FilterErrorCode,
  value: string,
  field: string,
  nearest: string | null,
  language: FilterLanguage<string>,
): string {
  const hint = nearest ? `; did you mean "${nearest}"?` : '';
  switch (code) {
    case 'unknown-field':
      return `Unknown field "${value}"${hint || `; known are ${namesOf(language).join(', ')}`}`;
    case 'missing-value':
      return field ? `"${field}:" needs a value` : 'A value is missing';
    case 'unclosed-quote':
      return `The quote is never closed: ${value}`;
    case 'bad-verdict':
      return `"${value}" is no verdict (${VERDICTS.join(', ')})${hint}`;
    case 'bad-staged':
      return `"${value}" is no staged verdict (${STAGED_VERDICTS.join(', ')})${hint}`;
    case 'bad-word':
      return `"${value}" is no ${field} (${language.words[field]?.join(', ')})${hint}`;
    case 'bad-signature':
      return `"${value}" is no signature; write its number, such as 2100498`;
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
export function printFilter<F extends string = ListField>(
  query: Filter<NoInfer<F>>,
  language: Pick<FilterLanguage<F>, 'fields'> = FLOW_LANGUAGE as never,
): string {
  const { since, until, ...lists }: { since?: string; until?: string } = query;
  const valuesOf = lists as Record<string, string[] | undefined>;
  const parts: string[] = [];
  for (const field of language.fields) {
    const values = valuesOf[field] ?? [];
    const wanted = values.filter((v) => !v.startsWith('!'));
    if (wanted.length) parts.push(`${field}:${wanted.map(quote).join(',')}`);
    for (const v of values) if (v.startsWith('!')) parts.push(`-${field}:${quote(v.slice(1))}`);
  }
  if (since !== undefined) parts.push(`since:${quote(since)}`);
  if (until !== undefined) parts.push(`until:${quote(until)}`);
  return parts.join(' ');
}

/** The filter with `value` wanted (or, with `exclude`, unwanted) in `field`; its opposite is taken out. */
export function withTerm<F extends string = ListField>(
  query: Filter<NoInfer<F>>,
  field: NoInfer<F>,
  value: string,
  exclude = false,
): Filter<NoInfer<F>> {
  const list: string[] = query[field] ?? [];
  const written = exclude ? `!${value}` : value;
  const opposite = exclude ? value : `!${value}`;
  const rest = list.filter((v) => v !== opposite && v !== written);
  return { ...query, [field]: [...rest, written] };
}

/** The filter without that term; `value` carries its "!" when it excluded. */
export function withoutTerm<F extends string = ListField>(
  query: Filter<NoInfer<F>>,
  field: NoInfer<F>,
  value: string,
): Filter<NoInfer<F>> {
  const { [field]: list, ...others } = query;
  const rest: string[] = (list ?? []).filter((v) => v !== value);
  return (rest.length ? { ...others, [field]: rest } : others) as Filter<F>;
}

const shell = (v: string) => (/^[\w@%+=:,./-]+$/.test(v) ? v : `'${v.replace(/'/g, `'\\''`)}'`);

/** As command-line flags of `wocloud flows`: `--vm web-1 --verdict dropped`. */
export function filterFlags<F extends string = ListField>(
  query: Filter<NoInfer<F>>,
  language: Pick<FilterLanguage<F>, 'fields'> = FLOW_LANGUAGE as never,
): string {
  const { since, until, ...lists }: { since?: string; until?: string } = query;
  const valuesOf = lists as Record<string, string[] | undefined>;
  const parts: string[] = [];
  for (const field of language.fields)
    for (const v of valuesOf[field] ?? []) parts.push(`--${field} ${shell(v)}`);
  if (since !== undefined) parts.push(`--since ${shell(since)}`);
  if (until !== undefined) parts.push(`--until ${shell(until)}`);
  return parts.join(' ');
}
