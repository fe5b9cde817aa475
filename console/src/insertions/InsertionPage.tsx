// One insertion: the VMs it applies to, its document, what differs from what is in force, its history.
import { DocumentPage } from '../documents/DocumentPage.tsx';
import { useWords } from '../i18n/language.ts';
import { useMay } from '../session/session.tsx';
import { Reached } from './Reached.tsx';

export default function InsertionPage() {
  const { t } = useWords();
  const may = useMay();
  return (
    <DocumentPage
      kind="Insertion"
      extra={(stored) =>
        may('vm.read')
          ? [{ key: 'vms', title: t('insertions.tabVms'), body: <Reached stored={stored} /> }]
          : []
      }
    />
  );
}
