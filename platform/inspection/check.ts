// What is wrong with rule sets, looked at together: lines that Suricata would refuse, a sid that two rules have, lists
// that name no rule. Every error says the line and what to do.
import type { RuleSet } from '@wocloud/protocol/resources/rule-set.ts';
import { compose } from './compose.ts';
import { fitsLink } from './rules-store.ts';
import { readRules, rulesOn, type RuleError } from './rules.ts';

export interface RuleFinding {
  /** Of the set that has it. */
  name: string;
  path: string;
  message: string;
  hint?: string;
}

/** Characters of all that is on: a gateway has to hold it as signatures, which take far more. */
const MAX_COMPOSED = 64 * 1024 * 1024;
/** Errors of one set are reported up to here. */
const MOST = 50;

/** Every finding. A set that is not enabled is read as well, but its rules are in nobody's way. */
export function checkRuleSets(sets: readonly RuleSet[]): RuleFinding[] {
  const findings: RuleFinding[] = [];
  const owners = new Map<number, { name: string; line: number }>();
  for (const { metadata, spec } of [...sets].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))) {
    const { name } = metadata;
    const text = readRules(spec.rules, MOST);
    const inLine = ({ line, message, hint }: RuleError): RuleFinding => ({
      name,
      path: '/spec/rules',
      message: `line ${line}: ${message}`,
      ...(hint === undefined ? {} : { hint }),
    });
    findings.push(...text.errors.map(inLine));
    const known = new Set(text.rules.map(({ sid }) => sid));
    const disabled = new Set(spec.disable);
    for (const list of ['enable', 'drop'] as const)
      spec[list]?.forEach((sid, i) => {
        if (!known.has(sid) && text.errors.length === 0)
          findings.push({
            name,
            path: `/spec/${list}/${i}`,
            message: `no rule of this set has sid ${sid}`,
            hint: `take it out of ${list}`,
          });
        else if (list === 'enable' && disabled.has(sid))
          findings.push({
            name,
            path: `/spec/enable/${i}`,
            message: `sid ${sid} is enabled and disabled`,
            hint: 'take it out of one of the two',
          });
      });
    const seen = new Map<number, number>();
    let twice = 0;
    for (const { sid, line } of rulesOn(text, spec)) {
      const before = seen.get(sid);
      const other = spec.enabled === false ? undefined : owners.get(sid);
      if (before === undefined) seen.set(sid, line);
      if (before === undefined && other === undefined) continue;
      if (twice++ >= MOST) continue;
      findings.push(
        inLine({
          line,
          message:
            before === undefined
              ? `sid ${sid} is in rule set ${other?.name} as well, line ${other?.line}`
              : `sid ${sid} is in line ${before} as well`,
          hint:
            before === undefined
              ? 'disable it in one of the two, or give it another sid'
              : 'remove one of the two, or give it another sid',
        }),
      );
    }
    if (spec.enabled !== false)
      for (const [sid, line] of seen) if (!owners.has(sid)) owners.set(sid, { name, line });
  }
  if (findings.length === 0) findings.push(...tooMuch(sets));
  return findings;
}

/** All that is on travels to a host in one message. */
function tooMuch(sets: readonly RuleSet[]): RuleFinding[] {
  const composed = compose(sets);
  if (!composed || (composed.text.length <= MAX_COMPOSED && fitsLink(composed.text))) return [];
  const largest = sets
    .filter(({ spec }) => spec.enabled !== false)
    .reduce((a, b) => (b.spec.rules.length > a.spec.rules.length ? b : a));
  return [
    {
      name: largest.metadata.name,
      path: '/spec/rules',
      message: `with it the rule sets that are enabled are ${composed.text.length} characters, more than gateways can be sent`,
      hint: 'disable a rule set, or take out what it has off',
    },
  ];
}
