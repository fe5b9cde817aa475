// The audit log's hash chain, as a pure function: an entry's hash covers its content and the entry before it.
import { createHash } from 'node:crypto';

export const GENESIS = '0'.repeat(64);

/** What an operation leaves behind. `detail` never holds a secret. */
export interface Entry {
  at: Date;
  who: string;
  via: string;
  operation: string;
  object: string;
  tenant: string | null;
  outcome: 'allowed' | 'denied' | 'failed';
  status: number;
  detail: Record<string, unknown>;
}

/** JSON with sorted keys: the same text before and after a trip through jsonb. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value)
    .filter(([, v]) => v !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonical(v)}`).join(',')}}`;
}

/** sha256, hex, of entry number `index` after one whose hash is `previous`. */
export function entryHash(previous: string, index: number, e: Entry): string {
  const content = [
    index,
    e.at.toISOString(),
    e.who,
    e.via,
    e.operation,
    e.object,
    e.tenant,
    e.outcome,
    e.status,
    e.detail,
  ];
  return createHash('sha256').update(previous).update('\n').update(canonical(content)).digest('hex');
}

const clean = (text: string, max: number) => text.replaceAll('\0', '\ufffd').toWellFormed().slice(0, max);

function cleanValue(value: unknown): unknown {
  if (typeof value === 'string') return clean(value, 4000);
  if (Array.isArray(value)) return value.map(cleanValue);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [clean(k, 200), cleanValue(v)]));
}

/** The entry as PostgreSQL can store it: callers' text may hold what a database refuses. */
export function storable(e: Entry): Entry {
  const detail = JSON.parse(JSON.stringify(e.detail)) as Record<string, unknown>;
  return {
    ...e,
    who: clean(e.who, 200),
    object: clean(e.object, 600),
    tenant: e.tenant === null ? null : clean(e.tenant, 100),
    detail: cleanValue(detail) as Record<string, unknown>,
  };
}
