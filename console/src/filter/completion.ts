// What the filter bar offers at the cursor: field names first, then the values a field can have.
import {
  FLOW_LANGUAGE,
  fieldOf,
  type EventField,
  type FilterField,
  type FilterLanguage,
  type ListField,
} from '@wocloud/protocol/filter.ts';

export type KnownField = ListField | EventField;
export type KnownValues = Partial<Record<KnownField, readonly string[]>>;
export interface Completion {
  /** Part of the text that an option replaces. */
  from: number;
  to: number;
  options: { text: string; field: FilterField | EventField; isField: boolean }[];
}

const STANDARD: KnownValues = {
  protocol: ['tcp', 'udp', 'icmp', 'icmpv6', 'sctp'],
  port: ['22', '53', '80', '443', '3306', '5432', '6379', '8080'],
  application: ['http', 'dns', 'tls', 'ssh', 'smb', 'smtp', 'ftp', 'quic', 'failed'],
};
const AGES = ['5m', '15m', '1h', '6h', '24h', '7d'];
const MOST = 12;

/** Options for the word the cursor stands in. */
export function complete<F extends KnownField = ListField>(
  text: string,
  cursor: number,
  known: KnownValues,
  language: FilterLanguage<F> = FLOW_LANGUAGE as unknown as FilterLanguage<F>,
): Completion {
  const start = wordStart(text, cursor);
  const word = text.slice(start, cursor);
  const head = /^([-!]?)([a-z]+):/i.exec(word);
  const field = head ? fieldOf(head[2]!.toLowerCase(), language) : undefined;
  if (head && field) {
    const value = word.slice(head[0].length);
    const from = start + head[0].length + value.lastIndexOf(',') + 1;
    const typed = text.slice(from, cursor).replace(/^[!"]+/, '');
    const sign = text.slice(from, cursor).startsWith('!') ? '!' : '';
    const values = valuesOf(field, known, language).filter((v) =>
      v.toLowerCase().includes(typed.toLowerCase()),
    );
    values.sort((a, b) => Number(b.startsWith(typed)) - Number(a.startsWith(typed)));
    return {
      from,
      to: cursor,
      options: values.slice(0, MOST).map((v) => ({ text: `${sign}${quoted(v)} `, field, isField: false })),
    };
  }
  const sign = /^[-!]/.test(word) ? '-' : '';
  const typed = word.replace(/^[-!]/, '').toLowerCase();
  const named = sign ? language.fields : ([...language.fields, 'since', 'until'] as const);
  const fields = named.filter((f) => f.startsWith(typed));
  const options: Completion['options'] = fields.map((f) => ({
    text: `${sign}${f}:`,
    field: f,
    isField: true,
  }));
  // A bare word is a VM's name: offer those too, once something is typed.
  if (typed)
    for (const vm of known.vm ?? [])
      if (vm.toLowerCase().includes(typed) && options.length < MOST)
        options.push({ text: `${sign}vm:${quoted(vm)} `, field: 'vm', isField: false });
  return { from: start, to: cursor, options: options.slice(0, MOST) };
}

const quoted = (value: string) => (/[\s,"]/.test(value) ? `"${value.replace(/[\\"]/g, '\\$&')}"` : value);

function valuesOf<F extends KnownField>(
  field: F | 'since' | 'until',
  known: KnownValues,
  language: FilterLanguage<F>,
): string[] {
  if (field === 'since' || field === 'until') return [...AGES];
  return [
    ...new Set([...(known[field] ?? []), ...(language.words[field] ?? []), ...(STANDARD[field] ?? [])]),
  ];
}

/** Where the word at the cursor begins: after the last space that is not in quotes. */
function wordStart(text: string, cursor: number): number {
  let start = 0;
  let quoted = false;
  for (let i = 0; i < cursor; i += 1) {
    if (text[i] === '"' && text[i - 1] !== '\\') quoted = !quoted;
    else if (!quoted && /\s/.test(text[i]!)) start = i + 1;
  }
  return start;
}
