// All policies.
import { TIERS } from '@wocloud/protocol/resources/policy.ts';
import type { Stored } from '@wocloud/protocol/views.ts';
import { DocumentsScreen } from '../documents/DocumentsScreen.tsx';
import { useWords } from '../i18n/language.ts';
import { StateWord } from '../state/StateWord.tsx';
import type { Column } from '../table/table.ts';
import { policySpec } from './phrase.ts';
import { Target } from './Target.tsx';

function Tier({ stored }: { stored: Stored }) {
  const { t } = useWords();
  return <>{t(`policies.tier_${policySpec(stored).tier}`)}</>;
}

const COLUMNS: readonly Column<Stored>[] = [
  {
    key: 'tier',
    title: 'policies.tier',
    width: 100,
    cell: (d) => <Tier stored={d} />,
    sort: (d) => TIERS.indexOf(policySpec(d).tier),
  },
  {
    key: 'priority',
    title: 'policies.priority',
    width: 84,
    align: 'end',
    cell: (d) => policySpec(d).priority,
    sort: (d) => policySpec(d).priority,
  },
  {
    key: 'mode',
    title: 'policies.mode',
    width: 110,
    cell: (d) => <StateWord state={policySpec(d).mode} />,
    sort: (d) => policySpec(d).mode,
  },
  { key: 'appliesTo', title: 'policies.appliesTo', width: 150, grow: 1, cell: (d) => <Target stored={d} /> },
  {
    key: 'rules',
    title: 'policies.rules',
    width: 72,
    align: 'end',
    cell: (d) => policySpec(d).rules.length,
    sort: (d) => policySpec(d).rules.length,
  },
];

export default function PoliciesScreen() {
  return <DocumentsScreen kind="Policy" room="policies" own={COLUMNS} />;
}
