// What may stand at a place of a document, from the kind's schema: keys with their description, values, and names
// of objects that exist.
import { KINDS, type Kind } from '@wocloud/protocol/resources/kinds.ts';
import { placeOf, type Place } from './yaml-path.ts';

/** The part of JSON Schema that the kinds are written in. */
interface Schema {
  type?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  anyOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
}

export interface Suggestion {
  label: string;
  detail: string;
  info: string;
  /** What is inserted. */
  insert: string;
  required: boolean;
}
/** Names of what exists, by the key they may stand for: group, vm, tenant, service. */
export type Names = Partial<Record<'group' | 'vm' | 'tenant' | 'service' | 'host', readonly string[]>>;

/** Each schema that `path` may lead to. */
export function schemasAt(root: Schema, path: readonly (string | number)[]): Schema[] {
  let at: Schema[] = branches(root);
  for (const step of path)
    at = at.flatMap((s) => {
      const next = typeof step === 'number' ? s.items : s.properties?.[step];
      return next ? branches(next) : [];
    });
  return at;
}

const branches = (s: Schema): Schema[] => (s.anyOf ? s.anyOf.flatMap((b) => branches(b)) : [s]);

/** Suggestions at a cursor; `kind` is the document's, as far as it is known. */
export function suggest(
  text: string,
  offset: number,
  kind: Kind,
  names: Names,
): { from: number; options: Suggestion[] } {
  const place = placeOf(text, offset);
  const root = KINDS[kind].schema as unknown as Schema;
  const from = offset - place.typed.length;
  return {
    from,
    options:
      place.key === null ? [...keys(root, place), ...items(root, place, names)] : values(root, place, names),
  };
}

function keys(root: Schema, place: Place): Suggestion[] {
  const seen = new Map<string, Suggestion>();
  for (const s of schemasAt(root, place.path))
    for (const [name, of] of Object.entries(s.properties ?? {})) {
      if (place.present.includes(name) || seen.has(name)) continue;
      seen.set(name, {
        label: name,
        detail: typeName(of),
        info: of.description ?? '',
        insert: `${name}: `,
        required: s.required?.includes(name) ?? false,
      });
    }
  return [...seen.values()].sort((a, b) => Number(b.required) - Number(a.required));
}

function values(root: Schema, place: Place, names: Names): Suggestion[] {
  const key = place.key!;
  const found = schemasAt(root, [...place.path, key]).flatMap(literals);
  const named = namesFor(key, place.path, names);
  return unique([...found, ...named.map((n) => value(n, key))]);
}

function items(root: Schema, place: Place, names: Names): Suggestion[] {
  if (typeof place.path.at(-1) !== 'number') return [];
  const list = place.path.findLast((s) => typeof s === 'string');
  const found = schemasAt(root, place.path).flatMap(literals);
  const named = namesFor(String(list), place.path, names);
  return unique([...found, ...named.map((n) => value(n, String(list)))]);
}

function namesFor(key: string, path: readonly (string | number)[], names: Names): readonly string[] {
  if (key === 'services')
    return [...(names.service ?? []), 'tcp/443', 'tcp/80', 'tcp/22', 'udp/53', 'icmp', 'any'];
  if (key === 'members' && !path.includes('spec')) return [];
  if (key === 'members') return names.vm ?? [];
  if (key === 'group' || key === 'vm' || key === 'tenant' || key === 'host') return names[key] ?? [];
  return [];
}

function literals(s: Schema): Suggestion[] {
  if (s.const !== undefined) return [value(String(s.const), s.description ?? '')];
  if (s.enum) return s.enum.map((v) => value(String(v), s.description ?? ''));
  if (s.type === 'boolean') return [value('true', ''), value('false', '')];
  return [];
}

const value = (label: string, info: string): Suggestion => ({
  label,
  detail: '',
  info,
  insert: label,
  required: false,
});

function unique(list: Suggestion[]): Suggestion[] {
  return [...new Map(list.map((s) => [s.label, s])).values()];
}

function typeName(s: Schema): string {
  const all = branches(s);
  if (all.length > 1) return 'one of';
  const [one] = all;
  return one?.enum ? one.enum.join(' | ') : (one?.type ?? '');
}

/** What a key means, for hovering over it: its description, type and default. */
export function explain(text: string, offset: number, kind: Kind): string | null {
  const line = text.slice(text.lastIndexOf('\n', offset - 1) + 1);
  const match = /^[\s-]*([\w]+)\s*:/.exec(line);
  if (!match) return null;
  const start = text.lastIndexOf('\n', offset - 1) + 1 + match[0].indexOf(match[1]!);
  const place = placeOf(text, start);
  const root = KINDS[kind].schema as unknown as Schema;
  const [schema] = schemasAt(root, [...place.path, match[1]!]);
  if (!schema) return null;
  const words = [
    schema.description,
    schema.enum?.join(' | '),
    schema.default === undefined ? '' : `= ${String(schema.default)}`,
  ];
  return words.filter(Boolean).join('\n') || null;
}
