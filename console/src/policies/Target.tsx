// Whom a policy applies to, in words.
import type { Stored } from '@wocloud/protocol/views.ts';
import { useWords } from '../i18n/language.ts';
import { policySpec, targetText } from './phrase.ts';

export function Target({ stored }: { stored: Stored }) {
  const { t } = useWords();
  const { appliesTo } = policySpec(stored);
  if (appliesTo === 'all')
    return <>{stored.metadata.tenant ? t('policies.all') : t('policies.allEverywhere')}</>;
  return <span className="mono">{targetText(appliesTo)}</span>;
}
