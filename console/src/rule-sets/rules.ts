// Rules as text, as far as a page shows them: how many are on, and where the rule of a number stands. A pure scan,
// line by line, of texts that may have tens of thousands.

export interface RuleCount {
  on: number;
  off: number;
}

const ACTION = /^(#[#\s]*)?(alert|drop|pass|reject|rejectsrc|rejectdst|rejectboth|config)\s/;

/** Each line that is a rule, switched on or off by a leading `#`. */
function* ruleLines(text: string): Generator<{ number: number; line: string; on: boolean }> {
  let number = 0;
  for (let from = 0; from < text.length;) {
    const end = text.indexOf('\n', from);
    const line = text.slice(from, end < 0 ? text.length : end).trim();
    from = end < 0 ? text.length : end + 1;
    number += 1;
    const match = ACTION.exec(line);
    if (match) yield { number, line, on: match[1] === undefined };
  }
}

export function countRules(text: string): RuleCount {
  const count = { on: 0, off: 0 };
  for (const { on } of ruleLines(text)) count[on ? 'on' : 'off'] += 1;
  return count;
}

export interface FoundRule {
  /** From 1. */
  number: number;
  /** As it stands, without the `#` of one that is off. */
  text: string;
  on: boolean;
}

/** The rule with this signature number; null when the text has none. */
export function findRule(text: string, sid: number): FoundRule | null {
  const option = new RegExp(`[;(]\\s*sid\\s*:\\s*${sid}\\s*;`);
  if (!option.test(text)) return null;
  for (const { number, line, on } of ruleLines(text))
    if (option.test(line)) return { number, text: line.replace(/^#[#\s]*/, ''), on };
  return null;
}

/** A document's name from a file's: emerging-all.rules → emerging-all. */
export function nameOfFile(file: string): string {
  const name = file
    .replace(/\.[^.]*$/, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 60);
  return /^[a-z]/.test(name) ? name : `rules-${name}`.replace(/-$/, '');
}
