// A policy's rules in order, each with the way to its flows.
import type { Rule } from '@wocloud/protocol/resources/policy.ts';
import type { Stored } from '@wocloud/protocol/views.ts';
import { Link } from 'react-router';
import { useWords } from '../i18n/language.ts';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { useAddress } from '../screen/address.ts';
import { StateWord } from '../state/StateWord.tsx';
import { peersText, policySpec, ruleId } from './phrase.ts';
import { Target } from './Target.tsx';
import './policies.css';

export function RulesTab({ stored }: { stored: Stored }) {
  const { t } = useWords();
  const address = useAddress();
  const spec = policySpec(stored);
  const any = <span className="subtle">{t('policies.any')}</span>;
  return (
    <>
      <p className="policy-says">
        <StateWord state={spec.mode} />
        <span>
          {t('policies.appliesTo')}: <Target stored={stored} />
        </span>
        <span>
          {t('policies.tier')}: {t(`policies.tier_${spec.tier}`)} · {t('policies.priority')}: {spec.priority}
        </span>
        {spec.mode === 'staged' ? <span className="subtle">{t('policies.stagedSays')}</span> : null}
      </p>
      <div className="rules-scroller" role="region" aria-label={t('documents.tabRules')} tabIndex={0}>
        <table className="pf-v6-c-table pf-m-compact rules">
          <thead className="pf-v6-c-table__thead">
            <tr className="pf-v6-c-table__tr">
              {(
                ['order', 'rule', 'direction', 'action', 'from', 'to', 'services', 'log', 'flows'] as const
              ).map((key) => (
                <th key={key} scope="col" className="pf-v6-c-table__th">
                  {t(`policies.${key}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody className="pf-v6-c-table__tbody">
            {spec.rules.map((rule: Rule, i) => (
              <tr key={rule.name} className="pf-v6-c-table__tr">
                <td className="pf-v6-c-table__td">{i + 1}</td>
                <td className="pf-v6-c-table__td">
                  <ObjectLink kind="rule" id={ruleId(stored, rule)}>
                    {rule.name}
                  </ObjectLink>
                  {rule.description ? <div className="subtle">{rule.description}</div> : null}
                </td>
                <td className="pf-v6-c-table__td">{t(`policies.direction_${rule.direction}`)}</td>
                <td className="pf-v6-c-table__td">
                  <StateWord state={rule.action} />
                </td>
                <td className="pf-v6-c-table__td mono">{peersText(rule.from) || any}</td>
                <td className="pf-v6-c-table__td mono">{peersText(rule.to) || any}</td>
                <td className="pf-v6-c-table__td mono">{rule.services?.join(', ') ?? any}</td>
                <td className="pf-v6-c-table__td">{rule.log ? t('screen.yes') : t('screen.no')}</td>
                <td className="pf-v6-c-table__td">
                  <Link to={address('/flows', { q: `rule:${ruleId(stored, rule)}` })}>
                    {t('policies.flows')}
                  </Link>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}
