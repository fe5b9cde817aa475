// Who did what in the time range, and whether the log is whole.
import { Alert, Button, Checkbox } from '@patternfly/react-core';
import { OPERATIONS, type OperationId } from '@wocloud/protocol/api.ts';
import type { AuditEntry } from '@wocloud/protocol/views.ts';
import { useMemo, useState } from 'react';
import { useCall, usePages } from '../api/calls.ts';
import { Find } from '../filter/Find.tsx';
import { count } from '../format/bytes.ts';
import { useWords } from '../i18n/language.ts';
import { useChange, useParam } from '../screen/address.ts';
import { Empty, Failure, Loading } from '../screen/Answers.tsx';
import { Screen } from '../screen/Screen.tsx';
import { StateWord } from '../state/StateWord.tsx';
import { ColumnChooser, useColumns } from '../table/ColumnChooser.tsx';
import type { Column } from '../table/table.ts';
import { ListTable } from '../table/ListTable.tsx';
import { Clock } from '../time/Age.tsx';
import { rangeQuery } from '../time/range.ts';
import { useRange } from '../time/useRange.ts';

/** Details as `name value`, the way people write them down. */
const detailText = (e: AuditEntry) =>
  Object.entries(e.detail)
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(' · ');

/** Looking is audited as well; most questions are about what was changed, or tried in vain. */
const isRead = (e: AuditEntry) => {
  // A page that is opened asks who one is; not being signed in yet is no attempt at anything.
  if (e.operation === 'session.get') return true;
  if (e.outcome !== 'allowed' || !Object.hasOwn(OPERATIONS, e.operation)) return false;
  return e.operation === 'trace.create' || OPERATIONS[e.operation as OperationId].method === 'GET';
};

/** So many entries are read to find those that changed something. */
const READ_THROUGH = 5000;

const COLUMNS: readonly Column<AuditEntry>[] = [
  { key: 'index', title: 'audit.index', width: 80, align: 'end', always: true, cell: (e) => e.index },
  { key: 'at', title: 'audit.at', width: 130, cell: (e) => <Clock at={e.at} /> },
  {
    key: 'who',
    title: 'audit.who',
    width: 110,
    cell: (e) => e.who,
    filter: (e) => ({ field: 'who', value: e.who }),
  },
  {
    key: 'operation',
    title: 'audit.operation',
    width: 170,
    grow: 1,
    cell: (e) => <span className="mono">{e.operation}</span>,
    filter: (e) => ({ field: 'operation', value: e.operation }),
  },
  {
    key: 'object',
    title: 'audit.object',
    width: 170,
    grow: 1,
    cell: (e) => (
      <span className="mono" title={e.object}>
        {e.object || '–'}
      </span>
    ),
    filter: (e) => (e.object ? { field: 'object', value: e.object } : null),
  },
  {
    key: 'outcome',
    title: 'audit.outcome',
    width: 110,
    cell: (e) => <StateWord state={e.outcome === 'allowed' ? 'done' : e.outcome} />,
  },
  { key: 'status', title: 'audit.status', width: 76, align: 'end', cell: (e) => e.status },
  {
    key: 'detail',
    title: 'audit.detail',
    width: 170,
    grow: 1,
    cell: (e) => (
      <span className="mono" title={detailText(e)}>
        {detailText(e)}
      </span>
    ),
  },
  { key: 'via', title: 'audit.via', width: 90, optional: true, cell: (e) => e.via },
  { key: 'tenant', title: 'audit.tenant', width: 110, optional: true, cell: (e) => e.tenant ?? '–' },
  {
    key: 'hash',
    title: 'audit.hash',
    width: 180,
    optional: true,
    cell: (e) => (
      <span className="mono" title={e.hash}>
        {e.hash.slice(0, 16)}…
      </span>
    ),
  },
];

const FIELDS = [
  ['who', 'audit.findWho'],
  ['operation', 'audit.findOperation'],
  ['object', 'audit.findObject'],
] as const;

export default function AuditScreen() {
  const { t } = useWords();
  const change = useChange();
  const [range] = useRange();
  const [verifying, setVerifying] = useState(false);
  const values = { who: useParam('who'), operation: useParam('operation'), object: useParam('object') };
  const onlyChanges = useParam('changes') === '1';
  const given = Object.fromEntries(FIELDS.flatMap(([f]) => (values[f] ? [[f, values[f]]] : [])));
  const pages = usePages(
    'audit.list',
    { query: { ...rangeQuery(range), ...given, limit: 200 } },
    { keep: true, ...(onlyChanges ? { upTo: READ_THROUGH } : {}) },
  );
  const rows = useMemo(
    () => (onlyChanges ? pages.items.filter((e) => !isRead(e)) : pages.items),
    [onlyChanges, pages.items],
  );
  const { shown, choose } = useColumns('audit', COLUMNS);
  const filtered = onlyChanges || Object.keys(given).length > 0;
  const clear = () => change({ who: null, operation: null, object: null, changes: null });
  const flags = FIELDS.flatMap(([f]) => (values[f] ? [` --${f} ${values[f]}`] : [])).join('');
  return (
    <Screen
      title={t('audit.title')}
      answer={t('audit.answer')}
      cli={
        verifying
          ? 'wocloud audit verify'
          : `wocloud audit list${onlyChanges ? ' --changes' : ''}${flags} --since ${range.since}`
      }
      fill
      actions={
        <>
          <Button variant="secondary" onClick={() => setVerifying(true)}>
            {t('audit.verify')}
          </Button>
          <ColumnChooser columns={COLUMNS} shown={shown} choose={choose} />
        </>
      }
      toolbar={
        <>
          {FIELDS.map(([field, label]) => (
            <Find
              key={field}
              value={values[field]}
              label={t(label)}
              onFind={(text) => change({ [field]: text }, { replace: true })}
            />
          ))}
          <Checkbox
            id="only-changes"
            label={t('audit.changes')}
            isChecked={onlyChanges}
            onChange={(_, on) => change({ changes: on ? '1' : null }, { replace: true })}
          />
        </>
      }
    >
      {verifying ? <Verification /> : null}
      <ListTable
        label={t('audit.title')}
        columns={COLUMNS}
        shown={shown}
        pages={pages}
        rows={rows}
        rowKey={(e) => String(e.index)}
        rowName={(e) => `${e.who} ${e.operation}`}
        onFilter={(field, value, exclude) => (exclude ? undefined : change({ [field]: value }))}
        fixedOrder
        empty={
          <Empty
            title={filtered ? t('documents.nothingFits') : t('audit.empty')}
            cli="wocloud audit list --since 24h"
            action={filtered ? <Button onClick={clear}>{t('documents.clear')}</Button> : undefined}
          >
            {filtered ? t('documents.nothingFitsBody') : t('audit.emptyBody')}
          </Empty>
        }
      />
    </Screen>
  );
}

function Verification() {
  const { t, language } = useWords();
  const verify = useCall('audit.verify');
  if (verify.error) return <Failure error={verify.error} retry={() => void verify.refetch()} />;
  if (!verify.data) return <Loading lines={1} />;
  const { intact, entries, head, brokenAt } = verify.data;
  return (
    <div role="status" data-testid="verified">
      {intact ? (
        <Alert
          component="p"

          isInline
          variant="success"
          title={t('audit.verified', { entries: count(entries, language), head: head.slice(0, 16) })}
        />
      ) : (
        <Alert component="p" isInline variant="danger" title={t('audit.broken', { at: brokenAt ?? 0 })} />
      )}
    </div>
  );
}
