// Documents as people write them: YAML or JSON text → checked documents, or errors with path, line and hint.
import { closest, distance } from 'fastest-levenshtein';
import { Compile } from 'typebox/compile';
import type { TSchema } from 'typebox';
import {
  LineCounter,
  isMap,
  isScalar,
  parseAllDocuments,
  type Document as YamlDocument,
  type Node,
} from 'yaml';
import type { ProblemDetail } from './problem.ts';
import { KINDS, type Document, type Kind } from './resources/kinds.ts';
import { API_VERSION } from './schema.ts';

/** More text than any sane set of documents; YAML beyond it is refused unread. */
export const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
/** A RuleSet may be larger. Its author's own machine reads such a file; the platform takes it as JSON alone. */
export const MAX_RULE_DOCUMENT_BYTES = 16 * 1024 * 1024;
export const MAX_DOCUMENTS = 10_000;
const MAX_ERRORS = 100;

export interface Parsed {
  documents: Document[];
  errors: ProblemDetail[];
}

const validators = new Map<Kind, ReturnType<typeof Compile>>();

function validator(kind: Kind): ReturnType<typeof Compile> {
  let compiled = validators.get(kind);
  if (!compiled) validators.set(kind, (compiled = Compile(KINDS[kind].schema as TSchema)));
  return compiled;
}

/** The nearest of `names` when it is near enough to be a misspelling. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  if (names.length === 0 || word.length > 100) return undefined;
  const best = closest(word, [...names]);
  return distance(word, best) <= Math.max(2, Math.floor(word.length / 3)) ? best : undefined;
}

/**
 * Checks one document against its kind's schema and scope. Pure structure: references between documents are
 * checked where all documents are known.
 * @returns the errors; none means `value` is a Document.
 */
export function checkDocument(value: unknown): ProblemDetail[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return [{ path: '', message: 'a document is a mapping with apiVersion, kind, metadata and spec' }];
  const { apiVersion, kind, metadata } = value as Record<string, unknown>;
  if (typeof kind !== 'string' || !Object.hasOwn(KINDS, kind)) {
    const hint = typeof kind === 'string' ? nearest(kind, Object.keys(KINDS)) : undefined;
    return [
      {
        path: '/kind',
        message: `kind ${JSON.stringify(kind) ?? 'is missing'} is not known; kinds are ${Object.keys(KINDS).join(', ')}`,
        ...(hint ? { hint: `did you mean ${hint}?` } : {}),
      },
    ];
  }
  if (apiVersion !== API_VERSION)
    return [
      {
        path: '/apiVersion',
        message: `apiVersion must be ${API_VERSION}, not ${JSON.stringify(apiVersion) ?? 'missing'}`,
      },
    ];
  const errors = schemaErrors(kind as Kind, value);
  if (errors.length > 0) return errors;
  const tenant = (metadata as { tenant?: string }).tenant;
  if (KINDS[kind as Kind].scope === 'platform' && tenant !== undefined)
    return [{ path: '/metadata/tenant', message: `a ${kind} belongs to no tenant; remove metadata.tenant` }];
  return [];
}

function schemaErrors(kind: Kind, value: unknown): ProblemDetail[] {
  const compiled = validator(kind);
  if (compiled.Check(value)) return [];
  const raw = [...compiled.Errors(value)];
  // A union reports every branch that failed; only the branch's own paths help where one field decides.
  const deepest = raw.filter((e) => e.keyword !== 'anyOf' && e.keyword !== 'boolean');
  const seen = new Set<string>();
  const details: ProblemDetail[] = [];
  for (const error of deepest.length > 0 ? deepest : raw) {
    const detail = explain(kind, error);
    const key = detail.path + detail.message;
    if (seen.has(key)) continue;
    seen.add(key);
    details.push(detail);
    if (details.length >= MAX_ERRORS) break;
  }
  return details;
}

interface SchemaError {
  keyword: string;
  schemaPath: string;
  instancePath: string;
  message: string;
  params: Record<string, unknown>;
}

function explain(kind: Kind, error: SchemaError): ProblemDetail {
  const { keyword, instancePath: path, params } = error;
  if (keyword === 'additionalProperties') {
    const name = (params['additionalProperties'] as string[] | undefined)?.[0] ?? '?';
    const known = propertiesAt(KINDS[kind].schema, path);
    const hint = nearest(name, known);
    return {
      path: `${path}/${name}`,
      message: `field ${name} is not known here; known: ${known.join(', ')}`,
      ...(hint ? { hint: `did you mean ${hint}?` } : {}),
    };
  }
  if (keyword === 'required') {
    const missing = (params['requiredProperties'] as string[] | undefined) ?? [];
    return { path, message: `missing: ${missing.join(', ')}` };
  }
  if (keyword === 'enum') {
    const allowed = (params['allowedValues'] as unknown[] | undefined) ?? [];
    return { path, message: `must be one of ${allowed.map(String).join(', ')}` };
  }
  const at: { description?: string } | undefined = schemaAt(KINDS[kind].schema, path);
  return {
    path,
    message:
      keyword === 'pattern' && at?.description ? `is not valid here: ${at.description}` : error.message,
  };
}

/** The schema that a JSON pointer into a document leads to; through unions, the first branch that goes on. */
export function schemaAt(schema: TSchema, pointer: string): TSchema | undefined {
  const steps = pointer
    .split('/')
    .slice(1)
    .map((s) => s.replaceAll('~1', '/').replaceAll('~0', '~'));
  const walk = (at: TSchema | undefined, rest: string[]): TSchema | undefined => {
    if (!at || rest.length === 0) return at;
    const { properties, items, anyOf, patternProperties } = at as Record<string, never> & {
      properties?: Record<string, TSchema>;
      items?: TSchema;
      anyOf?: TSchema[];
      patternProperties?: Record<string, TSchema>;
    };
    const [step = '', ...more] = rest;
    if (anyOf) return anyOf.map((branch) => walk(branch, rest)).find((found) => found !== undefined);
    if (properties && Object.hasOwn(properties, step)) return walk(properties[step], more);
    if (items && /^\d+$/.test(step)) return walk(items, more);
    return patternProperties ? walk(Object.values(patternProperties)[0], more) : undefined;
  };
  return walk(schema, steps);
}

/** Names that may stand at a JSON pointer, all union branches together. */
export function propertiesAt(schema: TSchema, pointer: string): string[] {
  const at: { properties?: object; anyOf?: { properties?: object }[] } | undefined = schemaAt(
    schema,
    pointer,
  );
  const branches = at?.anyOf ?? (at ? [at] : []);
  return [...new Set(branches.flatMap((b) => Object.keys(b.properties ?? {})))];
}

const SET_BY_PLATFORM = ['uid', 'version', 'published', 'createdAt', 'updatedAt', 'updatedBy'];

/** A document without what the platform adds to its metadata, so that what `get` prints can be applied again. */
export function asWritten(value: unknown): unknown {
  const metadata = (value as { metadata?: unknown } | null)?.metadata;
  if (typeof metadata !== 'object' || metadata === null || !('uid' in metadata)) return value;
  const kept = Object.entries(metadata).filter(([key]) => !SET_BY_PLATFORM.includes(key));
  return { ...(value as object), metadata: Object.fromEntries(kept) };
}

/**
 * Reads all documents of a YAML (or JSON) text. Aliases are refused (a small text could expand without bound).
 * Every error says which document, the path in it, and the line (from 1).
 */
export function parseDocuments(text: string, most: number = MAX_DOCUMENT_BYTES): Parsed {
  if (text.length > most)
    return {
      documents: [],
      errors: [
        {
          path: '',
          message: `${text.length} characters is more than the ${most} allowed; split the file, or send it as JSON`,
        },
      ],
    };
  const counter = new LineCounter();
  const parsed = parseAllDocuments(text, {
    lineCounter: counter,
    uniqueKeys: true,
    merge: false,
    maxAliasCount: 0,
  } as never);
  const documents: Document[] = [];
  const errors: ProblemDetail[] = [];
  const list = Array.isArray(parsed) ? (parsed as YamlDocument[]) : [];
  if (list.length > MAX_DOCUMENTS)
    return {
      documents: [],
      errors: [{ path: '', message: `${list.length} documents; at most ${MAX_DOCUMENTS} at once` }],
    };
  list.forEach((yaml, document) => {
    if (errors.length >= MAX_ERRORS) return;
    for (const error of yaml.errors) {
      const { line, col } = counter.linePos(error.pos[0]);
      errors.push({
        path: '',
        message: error.message.split('\n')[0] ?? 'not YAML',
        document,
        line,
        column: col,
      });
    }
    if (yaml.errors.length > 0 || yaml.contents === null) return;
    let value: unknown;
    try {
      value = yaml.toJS({ maxAliasCount: 0 });
    } catch (cause) {
      errors.push({
        path: '',
        message: `YAML aliases are not accepted: ${(cause as Error).message}`,
        document,
      });
      return;
    }
    value = asWritten(value);
    const found = checkDocument(value);
    if (found.length === 0) documents.push(value as Document);
    for (const error of found) errors.push({ ...error, document, ...position(yaml, error.path, counter) });
  });
  return { documents, errors };
}

/** Line and column of a JSON pointer in a YAML document; of the nearest parent where it does not exist. */
function position(
  yaml: YamlDocument,
  pointer: string,
  counter: LineCounter,
): { line?: number; column?: number } {
  const steps = pointer.split('/').slice(1);
  for (let n = steps.length; n >= 0; n--) {
    const path = steps.slice(0, n).map((s) => (/^\d+$/.test(s) ? Number(s) : s));
    const node = keyNode(yaml, path) ?? (yaml.getIn(path, true) as Node | undefined);
    if (node?.range) {
      const { line, col } = counter.linePos(node.range[0]);
      return { line, column: col };
    }
  }
  return {};
}

function keyNode(yaml: YamlDocument, path: (string | number)[]): Node | undefined {
  const last = path.at(-1);
  const parent = path.length > 1 ? yaml.getIn(path.slice(0, -1), true) : yaml.contents;
  if (typeof last !== 'string' || !isMap(parent)) return undefined;
  return parent.items.find((pair) => isScalar(pair.key) && pair.key.value === last)?.key as Node | undefined;
}

/** One error as a line of text: `document 2, line 14, /spec/rules/0/action: must be one of … (did you mean allow?)`. */
export function formatDetail(detail: ProblemDetail): string {
  const where = [
    detail.document ? `document ${detail.document + 1}` : '',
    detail.line ? `line ${detail.line}` : '',
    detail.path,
  ].filter(Boolean);
  return `${where.join(', ')}${where.length ? ': ' : ''}${detail.message}${detail.hint ? ` (${detail.hint})` : ''}`;
}
