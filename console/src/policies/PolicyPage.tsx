// One policy: its rules, its document, what differs from what is in force, its history.
import { DocumentPage } from '../documents/DocumentPage.tsx';
import { useWords } from '../i18n/language.ts';
import { RulesTab } from './RulesTab.tsx';

export default function PolicyPage() {
  const { t } = useWords();
  return (
    <DocumentPage
      kind="Policy"
      extra={(stored) => [
        { key: 'rules', title: t('documents.tabRules'), body: <RulesTab stored={stored} /> },
      ]}
    />
  );
}
