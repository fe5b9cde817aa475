// Suricata rules as text, without Suricata: what a line is, what is wrong with it, and which of them a RuleSet has on.
// Pure; the grammar is that of Suricata 7's rule files as far as it takes to change or refuse a line by itself.
import type { RuleSetSpec } from '@wocloud/protocol/resources/rule-set.ts';

export const RULE_ACTIONS = [
  'alert',
  'drop',
  'pass',
  'reject',
  'rejectsrc',
  'rejectdst',
  'rejectboth',
  'config',
] as const;
/** Suricata cuts longer lines and then refuses both parts. */
export const MAX_RULE_LINE = 8_191;

/** One rule of a text, on or off there. */
export interface RuleLine {
  /** From 1. */
  line: number;
  /** Without the `#` of one that is off. */
  text: string;
  on: boolean;
  sid: number;
}

export interface RuleError {
  line: number;
  message: string;
  hint?: string;
}

export interface RuleText {
  rules: RuleLine[];
  errors: RuleError[];
}

/** An off line is a comment that would be a rule. */
const OFF = new RegExp(`^#[#\\s]*((?:${RULE_ACTIONS.join('|')})\\s.*)$`);
const MAX_SID = 4_294_967_295;

/**
 * Reads a text line by line. An error is one that Suricata would make of a line that is on, and is bounded in number;
 * comments and off lines are never wrong.
 */
export function readRules(text: string, mostErrors = 100): RuleText {
  const found: RuleText = { rules: [], errors: [] };
  for (const { number, line } of lines(text)) {
    if (line === '') continue;
    if (line.startsWith('#')) {
      const off = OFF.exec(line)?.[1];
      const read = off === undefined ? undefined : readRule(off);
      if (off !== undefined && typeof read === 'number')
        found.rules.push({ line: number, text: off, on: false, sid: read });
      continue;
    }
    const read = readRule(line);
    if (typeof read === 'number') found.rules.push({ line: number, text: line, on: true, sid: read });
    else if (found.errors.length < mostErrors) found.errors.push({ line: number, ...read });
  }
  return found;
}

/**
 * Lines without spaces around them, from 1; one that ends with a backslash goes on in the next (a comment
 * does not), and keeps its number.
 * A text of millions of them is not split at once.
 */
function* lines(text: string): Generator<{ number: number; line: string }> {
  let [from, number, first, begun] = [0, 0, 0, ''];
  while (from < text.length) {
    const end = text.indexOf('\n', from);
    const line = text.slice(from, end < 0 ? undefined : end).trim();
    from = end < 0 ? text.length : end + 1;
    number++;
    if (begun === '') first = number;
    const goesOn = line.endsWith('\\') && (begun !== '' || !line.startsWith('#'));
    if (goesOn && from < text.length && begun.length <= MAX_RULE_LINE) {
      begun += `${line.slice(0, -1).trimEnd()} `;
      continue;
    }
    yield { number: first, line: begun + line };
    begun = '';
  }
}

/** The sid of a rule, or what is wrong with it. */
function readRule(line: string): number | Omit<RuleError, 'line'> {
  if (Buffer.byteLength(line) > MAX_RULE_LINE)
    return { message: `longer than ${MAX_RULE_LINE} bytes`, hint: 'split it into several rules' };
  // oxlint-disable-next-line no-control-regex -- that they are there is what is wrong
  if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(line))
    return { message: 'has a control character', hint: 'write it in hexadecimal: content:"|00|"' };
  const open = line.indexOf('(');
  const action = /^\S+/.exec(line)?.[0] ?? '';
  if (!(RULE_ACTIONS as readonly string[]).includes(action))
    return {
      message: `"${action.slice(0, 40)}" is no action`,
      hint: `a rule begins with ${RULE_ACTIONS.join(', ')}; a comment with #`,
    };
  if (open < 0) return { message: 'has no options', hint: 'they stand in parentheses at the end' };
  const header = line.slice(0, open).trim();
  if (!isHeader(header))
    return {
      message: `"${header.slice(0, 80)}" is no header`,
      hint: 'write ACTION PROTOCOL SOURCE PORT -> DESTINATION PORT (…)',
    };
  if (!line.endsWith(')')) return { message: 'its parentheses are not balanced', hint: 'a rule ends with )' };
  return readOptions(line.slice(open + 1, -1));
}

/** ACTION PROTOCOL SOURCE PORT -> DESTINATION PORT; lists in brackets may have spaces. */
function isHeader(header: string): boolean {
  let depth = 0;
  let joined = '';
  for (const c of header) {
    if (c === '[') depth++;
    if (c === ']') depth--;
    if (depth < 0) return false;
    joined += depth > 0 && /\s/.test(c) ? '' : c;
  }
  const words = joined.split(/\s+/);
  return depth === 0 && words.length === 7 && (words[4] === '->' || words[4] === '<>');
}

/** Options whose value must stand in quotes. */
const QUOTED = new Set(['msg', 'content']);

/** Options end with a `;` that has no backslash before it: as Suricata cuts them, quotes or not. */
function readOptions(text: string): number | Omit<RuleError, 'line'> {
  let sid: number | undefined;
  let start = 0;
  for (let end = text.indexOf(';'); end >= 0; end = text.indexOf(';', end + 1)) {
    if (text[end - 1] === '\\') continue;
    const [, name = '', value = ''] = /^\s*([^\s:]*)\s*:?\s*(.*)$/s.exec(text.slice(start, end)) ?? [];
    start = end + 1;
    if (QUOTED.has(name) && !/^!?\s*".*"\s*$/s.test(value))
      return {
        message: `the value of ${name} is not in quotes: ${value.slice(0, 40)}`,
        hint: 'within quotes write \\; for a semicolon and \\" for a quote',
      };
    if (name !== 'sid') continue;
    const number = /^\d{1,10}\s*$/.test(value) ? Number(value) : 0;
    if (number < 1 || number > MAX_SID)
      return { message: `"${value.slice(0, 40)}" is no sid`, hint: `a number from 1 to ${MAX_SID}` };
    if (sid !== undefined) return { message: 'has two sids', hint: 'leave one' };
    sid = number;
  }
  if (text.slice(start).trim() !== '')
    return { message: 'the last option has no ;', hint: 'every option ends with ;' };
  return sid ?? { message: 'has no sid', hint: 'give it one: sid:1000001; (from 1000000 on they are yours)' };
}

/** The rules of a set that are on, with what it changes about them, in the order of its text. */
export function rulesOn({ rules }: RuleText, spec: RuleSetSpec): RuleLine[] {
  const [enable, disable, drop] = [spec.enable, spec.disable, spec.drop].map((list) => new Set(list)) as [
    Set<number>,
    Set<number>,
    Set<number>,
  ];
  return rules
    .filter(({ on, sid }) => (on || enable.has(sid)) && !disable.has(sid))
    .map((rule) => ({
      ...rule,
      on: true,
      text: drop.has(rule.sid) ? rule.text.replace(/^alert\b/, 'drop') : rule.text,
    }));
}
