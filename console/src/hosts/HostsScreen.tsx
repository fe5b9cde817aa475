// All hosts: whether each does what it should, proven; and how to add one.
import { Button } from '@patternfly/react-core';
import type { HostView } from '@wocloud/protocol/views.ts';
import { usePages } from '../api/calls.ts';
import { Find } from '../filter/Find.tsx';
import { bytes, count } from '../format/bytes.ts';
import { useWords } from '../i18n/language.ts';
import { usePanel } from '../panel/object.ts';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { useChange, useParam } from '../screen/address.ts';
import { Empty } from '../screen/Answers.tsx';
import { Screen } from '../screen/Screen.tsx';
import { useMay } from '../session/session.tsx';
import { StateWord } from '../state/StateWord.tsx';
import type { Column } from '../table/table.ts';
import { ListTable } from '../table/ListTable.tsx';
import { Age } from '../time/Age.tsx';
import { AddHostDialog } from './AddHostDialog.tsx';

export const lostRecords = (h: HostView) =>
  Object.entries(h.counters).reduce((sum, [name, n]) => (/lost|dropped/i.test(name) ? sum + n : sum), 0);

function Generation({ of }: { of: HostView }) {
  const { t } = useWords();
  const { desired, applied, error } = of.generation;
  return (
    <span title={error}>
      {applied} / {desired}{' '}
      {error ? (
        <StateWord state="failed" />
      ) : applied < desired ? (
        <span className="subtle">{t('hosts.behind', { count: desired - applied })}</span>
      ) : null}
    </span>
  );
}

function Count({ value }: { value: number }) {
  return <>{count(value, useWords().language)}</>;
}

function Memory({ value }: { value: number | null }) {
  const { language } = useWords();
  return <>{value === null ? '–' : bytes(value, language)}</>;
}

const COLUMNS: readonly Column<HostView>[] = [
  {
    key: 'name',
    title: 'hosts.name',
    width: 150,
    grow: 1,
    always: true,
    cell: (h) => (
      <ObjectLink kind="host" id={h.id} inGrid>
        {h.name}
      </ObjectLink>
    ),
    sort: (h) => h.name,
  },
  {
    key: 'state',
    title: 'hosts.state',
    width: 130,
    cell: (h) => <StateWord state={h.state} />,
    sort: (h) => h.state,
  },
  {
    key: 'mode',
    title: 'hosts.mode',
    width: 160,
    cell: (h) => <StateWord state={h.mode} />,
    sort: (h) => h.mode,
  },
  {
    key: 'vms',
    title: 'hosts.vms',
    width: 84,
    align: 'end',
    cell: (h) => <Count value={h.vms} />,
    sort: (h) => h.vms,
  },
  {
    key: 'generation',
    title: 'hosts.generation',
    width: 220,
    cell: (h) => <Generation of={h} />,
    sort: (h) => h.generation.applied - h.generation.desired,
  },
  {
    key: 'notices',
    title: 'hosts.notices',
    width: 84,
    align: 'end',
    cell: (h) => h.facts?.notices.length ?? 0,
    sort: (h) => h.facts?.notices.length ?? 0,
  },
  {
    key: 'lost',
    title: 'hosts.lost',
    width: 110,
    align: 'end',
    cell: (h) => <Count value={lostRecords(h)} />,
    sort: lostRecords,
  },
  {
    key: 'lastSeen',
    title: 'hosts.lastSeen',
    width: 120,
    cell: (h) => <Age at={h.lastSeen} />,
    sort: (h) => h.lastSeen,
  },
  {
    key: 'memory',
    title: 'hosts.memory',
    width: 110,
    align: 'end',
    optional: true,
    cell: (h) => <Memory value={h.residentBytes} />,
    sort: (h) => h.residentBytes,
  },
  {
    key: 'engine',
    title: 'hosts.engine',
    width: 90,
    optional: true,
    cell: (h) => h.engine,
    sort: (h) => h.engine,
  },
  {
    key: 'kernel',
    title: 'hosts.kernel',
    width: 160,
    optional: true,
    cell: (h) => h.facts?.kernel ?? '–',
    sort: (h) => h.facts?.kernel ?? null,
  },
];

export default function HostsScreen() {
  const { t } = useWords();
  const may = useMay();
  const change = useChange();
  const { object, open } = usePanel();
  const q = useParam('q');
  const adding = useParam('add') === '1';
  const pages = usePages(
    'hosts.list',
    { query: { limit: 1000, ...(q ? { q } : {}) } },
    { upTo: 10_000, keep: true },
  );
  const add = may('host.write') ? (
    <Button onClick={() => change({ add: '1' })}>{t('hosts.add')}</Button>
  ) : undefined;
  return (
    <Screen
      title={t('hosts.title')}
      answer={t('hosts.answer')}
      cli="wocloud get hosts"
      fill
      actions={add}
      toolbar={
        <Find value={q} label={t('hosts.find')} onFind={(text) => change({ q: text }, { replace: true })} />
      }
    >
      <ListTable
        label={t('hosts.title')}
        columns={COLUMNS}
        pages={pages}
        rowKey={(h) => h.id}
        rowName={(h) => h.name}
        openKey={object?.kind === 'host' ? object.id : null}
        onOpen={(h) => open('host', h.id)}
        empty={
          q ? (
            <Empty
              title={t('documents.nothingFits')}
              action={<Button onClick={() => change({ q: null })}>{t('documents.clear')}</Button>}
            >
              {t('documents.nothingFitsBody')}
            </Empty>
          ) : (
            <Empty title={t('hosts.empty')} cli="wocloud host token" action={add}>
              {t('hosts.emptyBody')}
            </Empty>
          )
        }
      />
      {adding && may('host.write') ? <AddHostDialog onClose={() => change({ add: null })} /> : null}
    </Screen>
  );
}
