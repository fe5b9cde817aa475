// Which rule sets have a rule: looked up when asked, because rule sets are long.
import { Button } from '@patternfly/react-core';
import type { RuleSetSpec } from '@wocloud/protocol/resources/rule-set.ts';
import { useState } from 'react';
import { Link } from 'react-router';
import { usePages } from '../api/calls.ts';
import { documentPath } from '../documents/describe.tsx';
import { useWords } from '../i18n/language.ts';
import { useAddress } from '../screen/address.ts';
import { Failure } from '../screen/Answers.tsx';
import { findRule } from './rules.ts';

export function RuleSetsOf({ sid }: { sid: number }) {
  const { t } = useWords();
  const address = useAddress();
  const [asked, setAsked] = useState(false);
  const sets = usePages('rule-sets.list', { query: { limit: 1000 } }, { enabled: asked, upTo: 10_000 });
  if (!asked)
    return (
      <Button variant="secondary" onClick={() => setAsked(true)}>
        {t('inspection.ruleSet')}
      </Button>
    );
  if (sets.error) return <Failure error={sets.error} retry={sets.retry} />;
  if (sets.pending || sets.hasMore)
    return (
      <Button variant="secondary" isLoading isDisabled>
        {t('inspection.ruleSet')}
      </Button>
    );
  const having = sets.items.filter((d) => findRule((d.spec as RuleSetSpec).rules, sid) !== null);
  return (
    <div role="status" data-testid="rule-sets">
      {having.length === 0 ? (
        <span className="subtle">{t('ruleSets.inNone')}</span>
      ) : (
        <>
          {t('ruleSets.inSets')}:{' '}
          {having.map((d, i) => (
            <span key={d.metadata.uid}>
              {i > 0 ? ' · ' : ''}
              <Link
                to={address(documentPath('RuleSet', null, d.metadata.name), {
                  tab: 'document',
                  sid: String(sid),
                })}
              >
                {d.metadata.name}
              </Link>
            </span>
          ))}
        </>
      )}
    </div>
  );
}
