// A rule by its name, leading to what it says: of a policy, a default, or a gateway's signature.
import { useWords } from '../i18n/language.ts';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { readRule } from './ends.ts';

export function RuleName({ id }: { id: string }) {
  const { t } = useWords();
  const rule = readRule(id);
  if (!rule) return <span className="subtle">{id || t('flows.noRule')}</span>;
  return (
    <ObjectLink kind="rule" id={id} className="mono">
      {rule.kind === 'signature' && rule.sid !== null ? t('inspection.signatureName', { sid: rule.sid }) : id}
    </ObjectLink>
  );
}
