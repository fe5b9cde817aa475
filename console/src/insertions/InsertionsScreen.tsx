// All insertions.
import type { InsertionSpec } from '@wocloud/protocol/resources/insertion.ts';
import type { Stored } from '@wocloud/protocol/views.ts';
import { DocumentsScreen } from '../documents/DocumentsScreen.tsx';
import { InspectionTabs } from '../gateways/InspectionTabs.tsx';
import { useWords } from '../i18n/language.ts';
import { Target } from '../policies/Target.tsx';
import { StateWord } from '../state/StateWord.tsx';
import type { Column } from '../table/table.ts';

const specOf = (stored: Stored) => stored.spec as InsertionSpec;

function Mode({ of }: { of: InsertionSpec }) {
  const { t } = useWords();
  return <StateWord state={of.mode} title={t(`insertions.modeHelp_${of.mode}`)} />;
}

export function Failure({ of }: { of: InsertionSpec }) {
  const { t } = useWords();
  if (of.mode === 'mirror') return <span className="subtle">{t('insertions.notInline')}</span>;
  const failure = of.failure ?? 'open';
  return <StateWord state={`fails-${failure}`} title={t(`insertions.failureHelp_${failure}`)} />;
}

function Services({ of }: { of: InsertionSpec }) {
  const { t } = useWords();
  return of.services ? (
    <span className="mono" title={of.services.join('\n')}>
      {of.services.join(', ')}
    </span>
  ) : (
    <span className="subtle">{t('insertions.everything')}</span>
  );
}

const COLUMNS: readonly Column<Stored>[] = [
  { key: 'appliesTo', title: 'policies.appliesTo', width: 150, grow: 1, cell: (d) => <Target stored={d} /> },
  {
    key: 'mode',
    title: 'insertions.mode',
    width: 110,
    cell: (d) => <Mode of={specOf(d)} />,
    sort: (d) => specOf(d).mode,
  },
  {
    key: 'failure',
    title: 'insertions.failure',
    width: 170,
    cell: (d) => <Failure of={specOf(d)} />,
    sort: (d) => (specOf(d).mode === 'mirror' ? '' : (specOf(d).failure ?? 'open')),
  },
  {
    key: 'services',
    title: 'insertions.services',
    width: 180,
    grow: 1,
    cell: (d) => <Services of={specOf(d)} />,
  },
  {
    key: 'description',
    title: 'documents.description',
    width: 160,
    optional: true,
    cell: (d) => specOf(d).description ?? '',
  },
];

export default function InsertionsScreen() {
  return (
    <DocumentsScreen
      kind="Insertion"
      room="insertions"
      own={COLUMNS}
      tabs={<InspectionTabs at="insertions" />}
    />
  );
}
