// Label selectors: text → a conjunction of requirements, with the exact place of a mistake; matching; one canonical text.
import type { Labels } from '@wocloud/protocol/schema.ts';
import { PolicyError } from './errors.ts';

export type Requirement =
  | { key: string; op: 'in' | 'notin'; values: readonly string[] }
  | { key: string; op: 'exists' | 'absent' };

export interface LabelSelector {
  requirements: readonly Requirement[];
  /** Equal for selectors that are written differently and mean the same requirements. */
  canonical: string;
  /** Label keys it looks at: no other label can change its answer. */
  keys: readonly string[];
}

const WORD = /[a-zA-Z0-9](?:[-a-zA-Z0-9_./]{0,61}[a-zA-Z0-9])?/y;
const SPACE = /\s*/y;

/** `app=web, env!=prod, tier in (web, app), zone notin (b), gpu, !legacy`. Throws PolicyError `selector.syntax`. */
export function parseSelector(text: string): LabelSelector {
  const requirements: Requirement[] = [];
  let at = 0;
  const skip = () => {
    SPACE.lastIndex = at;
    SPACE.exec(text);
    at = SPACE.lastIndex;
  };
  const fail = (expected: string): never => {
    const found = at < text.length ? `"${text.slice(at, at + 12)}"` : 'the end';
    throw new PolicyError(
      'selector.syntax',
      `selector "${text}": expected ${expected} at ${at + 1}, found ${found}`,
      { position: at, hint: 'for example: app=web, env!=prod, tier in (web, app), !legacy' },
    );
  };
  const word = (what: string): string => {
    WORD.lastIndex = at;
    const match = WORD.exec(text);
    if (!match) return fail(what);
    at = WORD.lastIndex;
    return match[0];
  };
  const eat = (token: string): boolean => {
    if (!text.startsWith(token, at)) return false;
    at += token.length;
    return true;
  };
  const value = (): string => {
    WORD.lastIndex = at;
    if (!WORD.test(text)) return '';
    if (text.slice(at, WORD.lastIndex).includes('/')) return fail('a label value (no "/")');
    return word('a label value');
  };
  const list = (): string[] => {
    skip();
    if (!eat('(')) return fail('"("');
    const values: string[] = [];
    for (;;) {
      skip();
      values.push(value());
      skip();
      if (eat(')')) return [...new Set(values)].sort();
      if (!eat(',')) return fail('"," or ")"');
    }
  };
  for (;;) {
    skip();
    if (eat('!')) {
      skip();
      requirements.push({ key: word('a label key'), op: 'absent' });
    } else {
      const key = word('a label key or "!"');
      skip();
      if (eat('!=')) {
        skip();
        requirements.push({ key, op: 'notin', values: [value()] });
      } else if (eat('==') || eat('=')) {
        skip();
        requirements.push({ key, op: 'in', values: [value()] });
      } else if (/^notin\b/.test(text.slice(at, at + 6))) {
        at += 5;
        requirements.push({ key, op: 'notin', values: list() });
      } else if (/^in\b/.test(text.slice(at, at + 3))) {
        at += 2;
        requirements.push({ key, op: 'in', values: list() });
      } else requirements.push({ key, op: 'exists' });
    }
    skip();
    if (at >= text.length) break;
    if (!eat(',')) fail('"," between requirements');
  }
  const parts = [...new Set(requirements.map(formatRequirement))].sort();
  return {
    requirements,
    canonical: parts.join(','),
    keys: [...new Set(requirements.map((r) => r.key))].sort(),
  };
}

function formatRequirement(requirement: Requirement): string {
  const { key } = requirement;
  if (!('values' in requirement)) return requirement.op === 'exists' ? key : `!${key}`;
  const { op, values } = requirement;
  if (values.length === 1) return `${key}${op === 'in' ? '=' : '!='}${values[0]}`;
  return `${key} ${op} (${values.join(',')})`;
}

/** Every requirement holds. `!=` and `notin` also hold for a VM without the label. */
export function matchesSelector(selector: LabelSelector, labels: Readonly<Labels>): boolean {
  return selector.requirements.every((requirement) => {
    const value = Object.hasOwn(labels, requirement.key) ? labels[requirement.key] : undefined;
    switch (requirement.op) {
      case 'exists':
        return value !== undefined;
      case 'absent':
        return value === undefined;
      case 'in':
        return value !== undefined && requirement.values.includes(value);
      case 'notin':
        return value === undefined || !requirement.values.includes(value);
    }
  });
}
