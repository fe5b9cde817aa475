// Why a packet fares as it does, said from the facts of the answer: the platform's own sentence is English.
import type { ResponseOf } from '@wocloud/protocol/api.ts';
import { readRule } from '../flows/ends.ts';
import type { Words } from '../i18n/language.ts';
import { isGateway, readGateway, type Step } from './gateway.ts';

type Trace = ResponseOf<'trace.create'>;
type T = Words['t'];

const DEFAULTS = ['within', 'between', 'ingress', 'egress'] as const;

const defaultName = (what: string, t: T) => {
  const known = DEFAULTS.find((d) => d === what);
  return known ? t(`flows.default_${known}`) : what;
};

/** What the whole comes down to. */
export function why(trace: Trace, t: T): string {
  const verdict = t(`state.${trace.verdict}`);
  const rule = readRule(trace.rule);
  const refusing = trace.steps.find((step) => isGateway(step) && step.action === 'drop');
  const obstacle = refusing ? readGateway(refusing).obstacle : null;
  if (obstacle) return t('trace.whyUnseen', { what: t(`trace.obstacle_${obstacle}`) });
  if (trace.verdict === 'unprotected') return t('trace.whyUnprotected');
  if (trace.verdict === 'observed') return t('trace.whyObserved');
  if (rule?.kind === 'default') return t('trace.whyDefault', { verdict, what: defaultName(rule.what, t) });
  if (rule) return t('trace.whyRule', { verdict, rule: trace.rule });
  return trace.verdict === 'allowed' ? t('trace.whyNothing') : t('trace.whyHidden', { verdict });
}

/** What one step did. */
export function stepWhy(step: Step, t: T): string {
  if (isGateway(step)) {
    const { mode, failure, obstacle } = readGateway(step);
    return [
      obstacle
        ? t('trace.stepUnseen', { what: t(`trace.obstacle_${obstacle}`) })
        : t(`insertions.modeHelp_${mode}`),
      failure ? t(`insertions.failureHelp_${failure}`) : '',
      step.rule ? '' : t('trace.byOther'),
    ]
      .filter(Boolean)
      .join(t('trace.semicolon'));
  }
  const rule = readRule(step.rule);
  const asked = /first to match of (\d+) asked/.exec(step.why)?.[1];
  return [
    rule?.kind === 'default'
      ? t('trace.stepDefault', { what: defaultName(rule.what, t) })
      : asked
        ? t('trace.stepRule', { count: Number(asked) })
        : '',
    step.staged ? t('trace.stepStaged') : '',
    /nothing is enforced here/.test(step.why) ? t('trace.stepObserved') : '',
    /stay within the tenant/.test(step.why) ? t('trace.stepMulticast') : '',
    /always passes/.test(step.why) ? t('trace.stepAlways') : '',
  ]
    .filter(Boolean)
    .join(t('trace.semicolon'));
}
