// All rule sets in force as what gateways load: the rules that are on, in one text, and Suricata's threshold.config.
// Pure and the same whatever order the sets come in, so that the digest says whether a gateway has them.
import { createHash } from 'node:crypto';
import type { InspectionRules } from '@wocloud/protocol/gateway.ts';
import type { RuleSet, Threshold } from '@wocloud/protocol/resources/rule-set.ts';
import { readRules, rulesOn } from './rules.ts';

export interface Composed {
  /** JSON text of InspectionRules. */
  text: string;
  /** sha256 of the text, hex. */
  digest: string;
  /** Rules that are on. */
  rules: number;
}

const byName = (a: RuleSet, b: RuleSet): number =>
  a.metadata.name < b.metadata.name ? -1 : a.metadata.name > b.metadata.name ? 1 : 0;

/** undefined: nothing is on, gateways are to look for nothing. */
export function compose(sets: readonly RuleSet[]): Composed | undefined {
  const enabled = sets.filter(({ spec }) => spec.enabled !== false).sort(byName);
  const rules = enabled.flatMap(({ spec }) => rulesOn(readRules(spec.rules), spec).map(({ text }) => text));
  if (rules.length === 0) return undefined;
  const made: InspectionRules = {
    rules: `${rules.join('\n')}\n`,
    thresholds: enabled
      .flatMap(({ spec }) => spec.thresholds ?? [])
      .map((threshold) => `${thresholdLine(threshold)}\n`)
      .join(''),
  };
  const text = JSON.stringify(made);
  return { text, digest: createHash('sha256').update(text).digest('hex'), rules: rules.length };
}

const thresholdLine = ({ sid, type, track, count, seconds }: Threshold): string =>
  `threshold gen_id 1, sig_id ${sid}, type ${type}, track ${track}, count ${count}, seconds ${seconds}`;
