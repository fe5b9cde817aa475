// The gateways of all hosts: what runs and how it is, the worst first; and what was declared.
import { Button } from '@patternfly/react-core';
import { INSTANCE_STATES } from '@wocloud/protocol/reports.ts';
import type { GatewayView } from '@wocloud/protocol/views.ts';
import { useMemo } from 'react';
import { Link } from 'react-router';
import { usePages } from '../api/calls.ts';
import { Choice } from '../filter/Choice.tsx';
import { Find } from '../filter/Find.tsx';
import { useWords } from '../i18n/language.ts';
import { usePanel } from '../panel/object.ts';
import { useAddress, useChange, useParam } from '../screen/address.ts';
import { Empty } from '../screen/Answers.tsx';
import { quoted } from '../screen/quoted.ts';
import { Screen } from '../screen/Screen.tsx';
import { useMay } from '../session/session.tsx';
import { ColumnChooser, useColumns } from '../table/ColumnChooser.tsx';
import { ListTable } from '../table/ListTable.tsx';
import { INSTANCE_COLUMNS } from './columns.tsx';
import { Declared } from './Declared.tsx';
import { InspectionTabs } from './InspectionTabs.tsx';
import { byUrgency, instanceKey, stateOf } from './instance.ts';

export default function GatewaysScreen() {
  return useParam('tab') === 'declared' ? <Declared /> : <Instances />;
}

const FILTERS = ['q', 'host', 'state'] as const;

const contains = (i: GatewayView, q: string) =>
  [i.id, i.hostName, i.reason, i.image].join(' ').toLowerCase().includes(q.toLowerCase());

function Instances() {
  const { t } = useWords();
  const may = useMay();
  const address = useAddress();
  const change = useChange();
  const { object, open } = usePanel();
  const q = useParam('q');
  const host = useParam('host');
  const state = useParam('state');
  // The whole list is read: it is short, and the numbers in it come live.
  const pages = usePages('instances.list', {}, { keep: true });
  const { shown, choose } = useColumns('instances', INSTANCE_COLUMNS);
  const rows = useMemo(
    () =>
      pages.items
        .filter(
          (i) =>
            contains(i, q) &&
            (!host || i.hostName === host || i.host === host) &&
            (!state || (!i.stale && i.state === state)),
        )
        .toSorted(byUrgency),
    [pages.items, q, host, state],
  );
  const filtered = q !== '' || host !== '' || state !== '';
  const clear = () => change(Object.fromEntries(FILTERS.map((f) => [f, null])));
  const create = may('gateway.write') ? (
    <Button component={(props) => <Link {...props} to={address('/gateways/new')} />}>
      {t('gateways.create')}
    </Button>
  ) : undefined;
  return (
    <Screen
      title={t('gateways.title')}
      answer={t('gateways.answer')}
      cli={`wocloud gateways${host ? ` --host ${quoted(host)}` : ''}`}
      fill
      actions={
        <>
          <ColumnChooser columns={INSTANCE_COLUMNS} shown={shown} choose={choose} />
          {create}
        </>
      }
      toolbar={
        <>
          <InspectionTabs at="instances" />
          <Find
            value={q}
            label={t('gateways.find')}
            onFind={(text) => change({ q: text }, { replace: true })}
          />
          <Choice
            label={t('gateways.state')}
            all={t('gateways.anyState')}
            value={state}
            options={INSTANCE_STATES.map((s) => [s, t(`state.${stateOf({ state: s, stale: false })}`)])}
            onChoose={(value) => change({ state: value })}
          />
          {filtered ? (
            <Button variant="link" isInline onClick={clear}>
              {host} {t('documents.clear')}
            </Button>
          ) : null}
        </>
      }
    >
      <ListTable
        label={t('gateways.title')}
        columns={INSTANCE_COLUMNS}
        shown={shown}
        pages={pages}
        rows={rows}
        rowKey={instanceKey}
        rowName={(i) => i.id}
        openKey={object?.kind === 'gateway' ? object.id : null}
        onOpen={(i) => open('gateway', instanceKey(i))}
        onFilter={(field, value, exclude) => (exclude ? undefined : change({ [field]: value }))}
        empty={
          filtered && pages.items.length > 0 ? (
            <Empty
              title={t('documents.nothingFits')}
              action={<Button onClick={clear}>{t('documents.clear')}</Button>}
            >
              {t('documents.nothingFitsBody')}
            </Empty>
          ) : (
            <Empty title={t('gateways.empty')} cli="wocloud apply -f gateway.yaml" action={create}>
              {t('gateways.emptyBody')}
            </Empty>
          )
        }
      />
    </Screen>
  );
}
