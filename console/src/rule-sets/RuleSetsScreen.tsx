// All rule sets, and making one of a file.
import type { RuleSetSpec } from '@wocloud/protocol/resources/rule-set.ts';
import type { Stored } from '@wocloud/protocol/views.ts';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { DocumentsScreen } from '../documents/DocumentsScreen.tsx';
import { templateText } from '../documents/text.ts';
import { bytes, count } from '../format/bytes.ts';
import { InspectionTabs } from '../gateways/InspectionTabs.tsx';
import { useWords } from '../i18n/language.ts';
import { StateWord } from '../state/StateWord.tsx';
import type { Column } from '../table/table.ts';
import { ChooseRules, WrongFile } from './ChooseRules.tsx';
import { countRules, nameOfFile, type RuleCount } from './rules.ts';
import { withRules } from './text.ts';

export const specOf = (stored: Stored) => stored.spec as RuleSetSpec;

/** Counting takes a moment where there are tens of thousands: once for each document read. */
const counts = new WeakMap<object, RuleCount>();
function countOf(stored: Stored): RuleCount {
  const spec = specOf(stored);
  const known = counts.get(spec) ?? countRules(spec.rules);
  counts.set(spec, known);
  return known;
}

function Rules({ of, which }: { of: Stored; which: keyof RuleCount }) {
  return <>{count(countOf(of)[which], useWords().language)}</>;
}

function Size({ of }: { of: Stored }) {
  return <>{bytes(specOf(of).rules.length, useWords().language)}</>;
}

function Changes({ of }: { of: Stored }) {
  const { t } = useWords();
  const { enable = [], disable = [], drop = [] } = specOf(of);
  if (enable.length + disable.length + drop.length === 0) return <>–</>;
  return <>{t('ruleSets.changed', { enable: enable.length, disable: disable.length, drop: drop.length })}</>;
}

const isEnabled = (stored: Stored) => specOf(stored).enabled !== false;

const COLUMNS: readonly Column<Stored>[] = [
  {
    key: 'enabled',
    title: 'ruleSets.enabled',
    width: 100,
    cell: (d) => <StateWord state={isEnabled(d) ? 'active' : 'disabled'} />,
    sort: (d) => Number(isEnabled(d)),
  },
  {
    key: 'on',
    title: 'ruleSets.on',
    width: 100,
    align: 'end',
    cell: (d) => <Rules of={d} which="on" />,
    sort: (d) => countOf(d).on,
  },
  {
    key: 'off',
    title: 'ruleSets.off',
    width: 100,
    align: 'end',
    cell: (d) => <Rules of={d} which="off" />,
    sort: (d) => countOf(d).off,
  },
  {
    key: 'size',
    title: 'ruleSets.size',
    width: 100,
    align: 'end',
    cell: (d) => <Size of={d} />,
    sort: (d) => specOf(d).rules.length,
  },
  { key: 'changes', title: 'ruleSets.changes', width: 210, cell: (d) => <Changes of={d} /> },
  {
    key: 'description',
    title: 'documents.description',
    width: 160,
    grow: 1,
    cell: (d) => specOf(d).description ?? '',
  },
];

export default function RuleSetsScreen() {
  const { t } = useWords();
  const navigate = useNavigate();
  const [wrong, setWrong] = useState<string | null>(null);
  return (
    <DocumentsScreen
      kind="RuleSet"
      room="ruleSets"
      own={COLUMNS}
      tabs={<InspectionTabs at="ruleSets" />}
      notice={<WrongFile message={wrong} onClose={() => setWrong(null)} />}
      actions={
        <ChooseRules
          title={t('ruleSets.upload')}
          variant="secondary"
          onWrong={setWrong}
          // The rules themselves stay on this page, kept aside; what goes along in the address' state is short.
          onRules={(rules, file) =>
            void navigate('/rule-sets/new', {
              state: { start: withRules(templateText('RuleSet', null), rules, nameOfFile(file)) },
            })
          }
        />
      }
    />
  );
}
