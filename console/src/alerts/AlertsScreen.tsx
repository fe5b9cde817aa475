// What needs a person, worst first; each opens with its evidence.
import { Button, ToggleGroup, ToggleGroupItem } from '@patternfly/react-core';
import { SEVERITIES } from '@wocloud/protocol/reports.ts';
import { ALERT_STATES, type Alert } from '@wocloud/protocol/views.ts';
import { usePages } from '../api/calls.ts';
import { Find } from '../filter/Find.tsx';
import { count } from '../format/bytes.ts';
import { useWords } from '../i18n/language.ts';
import { usePanel } from '../panel/object.ts';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { useChange, useParam } from '../screen/address.ts';
import { Empty } from '../screen/Answers.tsx';
import { quoted } from '../screen/quoted.ts';
import { Screen } from '../screen/Screen.tsx';
import { StateWord } from '../state/StateWord.tsx';
import type { Column } from '../table/table.ts';
import { ListTable } from '../table/ListTable.tsx';
import { Age } from '../time/Age.tsx';
import { alertTitle } from './titles.ts';

function Times({ value }: { value: number }) {
  return <>{count(value, useWords().language)}</>;
}

function What({ of: alert }: { of: Alert }) {
  const title = alertTitle(alert, useWords().language);
  return (
    <ObjectLink kind="alert" id={alert.id} inGrid title={title}>
      {title}
    </ObjectLink>
  );
}

const COLUMNS: readonly Column<Alert>[] = [
  {
    key: 'severity',
    title: 'alerts.severity',
    width: 110,
    always: true,
    cell: (a) => <StateWord state={a.severity} />,
    sort: (a) => SEVERITIES.indexOf(a.severity),
  },
  {
    key: 'state',
    title: 'alerts.state',
    width: 130,
    cell: (a) => <StateWord state={a.state} />,
    sort: (a) => a.state,
  },
  {
    key: 'what',
    title: 'alerts.what',
    width: 260,
    grow: 3,
    cell: (a) => <What of={a} />,
    sort: (a) => a.title,
  },
  {
    key: 'kind',
    title: 'alerts.kind',
    width: 150,
    cell: (a) => <span className="mono">{a.kind}</span>,
    sort: (a) => a.kind,
    filter: (a) => ({ field: 'kind', value: a.kind }),
  },
  {
    key: 'where',
    title: 'alerts.where',
    width: 170,
    cell: (a) => [a.vmName, a.hostName].filter(Boolean).join(' · '),
    sort: (a) => a.vmName ?? a.hostName,
  },
  {
    key: 'count',
    title: 'alerts.count',
    width: 76,
    align: 'end',
    cell: (a) => <Times value={a.count} />,
    sort: (a) => a.count,
  },
  {
    key: 'last',
    title: 'alerts.last',
    width: 110,
    cell: (a) => <Age at={a.lastSeen} />,
    sort: (a) => a.lastSeen,
  },
  {
    key: 'handledBy',
    title: 'alerts.handledBy',
    width: 110,
    optional: true,
    cell: (a) => a.handledBy ?? '–',
    sort: (a) => a.handledBy,
  },
];

/** One state at a time needs no column for it. */
const SHOWN = COLUMNS.filter((c) => !c.optional).map((c) => c.key);

export default function AlertsScreen() {
  const { t } = useWords();
  const change = useChange();
  const { object, open } = usePanel();
  const q = useParam('q');
  const kind = useParam('kind');
  const asked = useParam('state');
  const all = asked === 'all';
  const state = all ? null : (ALERT_STATES.find((s) => s === asked) ?? 'open');
  const pages = usePages(
    'alerts.list',
    { query: { ...(state ? { state } : {}), ...(kind ? { kind } : {}), ...(q ? { q } : {}), limit: 200 } },
    { keep: true },
  );
  const filtered = q !== '' || kind !== '';
  return (
    <Screen
      title={t('alerts.title')}
      answer={t('alerts.answer')}
      cli={`wocloud alerts${all ? ' --all' : state === 'open' ? '' : ` --state ${state}`}${kind ? ` --kind ${kind}` : ''}${q ? ` --find ${quoted(q)}` : ''}`}
      fill
      toolbar={
        <>
          <ToggleGroup aria-label={t('alerts.state')}>
            {[...ALERT_STATES, 'all' as const].map((s) => (
              <ToggleGroupItem
                key={s}
                buttonId={`alerts-${s}`}
                text={s === 'all' ? t('screen.all') : t(`state.${s}`)}
                isSelected={s === (state ?? 'all')}
                onChange={() => change({ state: s === 'open' ? null : s })}
              />
            ))}
          </ToggleGroup>
          <Find
            value={q}
            label={t('alerts.find')}
            onFind={(text) => change({ q: text }, { replace: true })}
          />
          {kind ? (
            <Button variant="link" isInline onClick={() => change({ kind: null })}>
              {kind} · {t('documents.clear')}
            </Button>
          ) : null}
        </>
      }
    >
      <ListTable
        label={t('alerts.title')}
        columns={COLUMNS}
        shown={all ? SHOWN : SHOWN.filter((key) => key !== 'state')}
        pages={pages}
        rows={state ? pages.items.filter((a) => a.state === state) : pages.items}
        rowKey={(a) => a.id}
        rowName={(a) => a.title}
        openKey={object?.kind === 'alert' ? object.id : null}
        onOpen={(a) => open('alert', a.id)}
        onFilter={(field, value, exclude) => (exclude ? undefined : change({ [field]: value }))}
        empty={
          filtered ? (
            <Empty
              title={t('documents.nothingFits')}
              action={<Button onClick={() => change({ q: null, kind: null })}>{t('documents.clear')}</Button>}
            >
              {t('documents.nothingFitsBody')}
            </Empty>
          ) : (
            <Empty
              title={state === 'open' ? t('alerts.emptyOpen') : t('alerts.empty')}
              cli="wocloud alerts --all"
            >
              {state === 'open' ? t('alerts.emptyOpenBody') : t('alerts.emptyBody')}
            </Empty>
          )
        }
      />
    </Screen>
  );
}
