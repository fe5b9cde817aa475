// Two ends, one answer: how the judgements at the source's and the destination's NIC make a verdict.
import type { StagedVerdict, Verdict } from '@wocloud/protocol/flow.ts';
import type { FailureMode } from '@wocloud/protocol/resources/insertion.ts';
import type { Action } from '@wocloud/protocol/resources/policy.ts';

export interface Match {
  /** Rule id; empty for traffic that always passes (DHCP, neighbour discovery). */
  rule: string;
  action: Action;
  log: boolean;
  /** Of `inspect`. */
  failure?: FailureMode;
}

/** What one chain says about one packet. */
export interface Judgement {
  /** First enforced rule that matches. */
  enforced: Match;
  /** First rule of all, staged ones included, when that is a staged one. */
  staged: Match | null;
}

export interface Side extends Judgement {
  mode: 'observe' | 'enforce';
}

export interface Outcome {
  /** `observed` when neither end is enforced. */
  verdict: Verdict;
  /** `inspect`: passes, and goes through a gateway. */
  action: Action;
  /** Rule that decided at each enforced end; empty where none was asked. */
  ruleOut: string;
  ruleIn: string;
  /** With staged policies, and for observed VMs all policies, in force. `none`: nothing would differ in who decides. */
  stagedVerdict: StagedVerdict;
  stagedRule: string;
}

const refuses = (action: Action): action is 'drop' | 'reject' => action === 'drop' || action === 'reject';
const word = (action: 'drop' | 'reject') => (action === 'drop' ? 'dropped' : 'rejected');

/** `null`: that end is no VM of ours. */
export function combine(out: Side | null, into: Side | null): Outcome {
  const staged = combineStaged(out, into);
  const first = out?.mode === 'enforce' ? out.enforced : null;
  const second = into?.mode === 'enforce' ? into.enforced : null;
  if (first && refuses(first.action))
    return { verdict: word(first.action), action: first.action, ruleOut: first.rule, ruleIn: '', ...staged };
  const ruleOut = first?.rule ?? '';
  const ruleIn = second?.rule ?? '';
  if (second && refuses(second.action))
    return { verdict: word(second.action), action: second.action, ruleOut, ruleIn, ...staged };
  const inspect = first?.action === 'inspect' || second?.action === 'inspect';
  const verdict = first || second ? 'allowed' : 'observed';
  return { verdict, action: inspect ? 'inspect' : 'allow', ruleOut, ruleIn, ...staged };
}

function combineStaged(out: Side | null, into: Side | null): Pick<Outcome, 'stagedVerdict' | 'stagedRule'> {
  const sides = [out, into].filter((side) => side !== null);
  const hypothetical = sides.filter((side) => side.mode === 'observe' || side.staged !== null);
  if (hypothetical.length === 0) return { stagedVerdict: 'none', stagedRule: '' };
  for (const side of sides) {
    const match = side.staged ?? side.enforced;
    if (refuses(match.action)) return { stagedVerdict: word(match.action), stagedRule: match.rule };
  }
  const [side] = hypothetical;
  const match = side?.staged ?? side?.enforced;
  return { stagedVerdict: 'allowed', stagedRule: match?.rule ?? '' };
}
