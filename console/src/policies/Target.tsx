// Whom a policy, an insertion or a limit applies to, in words.
import type { AppliesTo } from '@wocloud/protocol/resources/policy.ts';
import type { Stored } from '@wocloud/protocol/views.ts';
import { useWords } from '../i18n/language.ts';
import { targetText } from './phrase.ts';

export function Target({ stored }: { stored: Stored }) {
  const { t } = useWords();
  const { appliesTo } = stored.spec as { appliesTo: AppliesTo };
  if (appliesTo === 'all')
    return <>{stored.metadata.tenant ? t('policies.all') : t('policies.allEverywhere')}</>;
  return <span className="mono">{targetText(appliesTo)}</span>;
}
