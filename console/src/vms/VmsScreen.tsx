// All VMs: what runs where and how it is protected, however many there are.
import { Button, Checkbox } from '@patternfly/react-core';
import { PROTECTION, VM_STATES } from '@wocloud/protocol/reports.ts';
import { usePages } from '../api/calls.ts';
import { useWords } from '../i18n/language.ts';
import { usePanel } from '../panel/object.ts';
import { useChange, useParam } from '../screen/address.ts';
import { Empty, Failure, Loading } from '../screen/Answers.tsx';
import { Screen } from '../screen/Screen.tsx';
import { ColumnChooser, useColumns } from '../table/ColumnChooser.tsx';
import { Choice } from '../filter/Choice.tsx';
import { Find } from '../filter/Find.tsx';
import { DataTable } from '../table/DataTable.tsx';
import { VM_COLUMNS } from './columns.tsx';

const FILTERS = ['q', 'tenant', 'host', 'state', 'protection'] as const;
/** The table holds so many; the API gives a thousand at a time. */
const MOST = 20_000;

export default function VmsScreen() {
  const { t } = useWords();
  const change = useChange();
  const { object, open } = usePanel();
  const values = {
    q: useParam('q'),
    tenant: useParam('tenant'),
    host: useParam('host'),
    state: useParam('state'),
    protection: useParam('protection'),
  };
  const given = Object.fromEntries(FILTERS.flatMap((f) => (values[f] ? [[f, values[f]]] : [])));
  const gone = useParam('gone') === '1';
  const pages = usePages(
    'vms.list',
    { query: { ...given, ...(gone ? { gone } : {}), limit: 1000 } },
    { upTo: MOST, keep: true },
  );
  const { shown, choose } = useColumns('vms', VM_COLUMNS);
  const filtered = Object.keys(given).length > 0;
  const clear = () => change(Object.fromEntries(FILTERS.map((f) => [f, null])));
  return (
    <Screen
      title={t('vms.title')}
      answer={t('vms.answer')}
      cli={commandFor(values)}
      fill
      actions={<ColumnChooser columns={VM_COLUMNS} shown={shown} choose={choose} />}
      toolbar={
        <>
          <Find value={values.q} onFind={(q) => change({ q }, { replace: true })} />
          <Choice
            label={t('vms.state')}
            all={t('vms.anyState')}
            value={values.state}
            options={VM_STATES.map((s) => [s, t(`state.${s}`)])}
            onChoose={(state) => change({ state })}
          />
          <Choice
            label={t('vms.protection')}
            all={t('vms.anyProtection')}
            value={values.protection}
            options={PROTECTION.map((p) => [p, t(`state.${p}`)])}
            onChoose={(protection) => change({ protection })}
          />
          <Checkbox
            id="gone"
            label={t('vms.gone')}
            isChecked={gone}
            onChange={(_, on) => change({ gone: on ? '1' : null })}
          />
          {filtered ? (
            <Button variant="link" isInline onClick={clear}>
              {[values.tenant, values.host].filter(Boolean).join(' · ')} {t('vms.clear')}
            </Button>
          ) : null}
        </>
      }
    >
      {pages.error ? <Failure error={pages.error} retry={pages.retry} /> : null}
      {pages.pending ? (
        <Loading lines={12} />
      ) : pages.error && pages.items.length === 0 ? null : (
        <DataTable
          label={t('vms.title')}
          columns={VM_COLUMNS}
          shown={shown}
          rows={pages.items}
          rowKey={(v) => v.id}
          rowName={(v) => v.name}
          onOpen={(v) => open('vm', v.id)}
          openKey={object?.kind === 'vm' ? object.id : null}
          onFilter={(field, value, exclude) => (exclude ? undefined : change({ [field]: value }))}
          empty={
            <Empty
              title={filtered ? t('vms.emptyFiltered') : t('vms.empty')}
              cli="virsh list --all"
              action={filtered ? <Button onClick={clear}>{t('vms.clear')}</Button> : undefined}
            >
              {filtered ? t('vms.emptyFilteredBody') : t('vms.emptyBody')}
            </Empty>
          }
        />
      )}
      <div className="table-foot" role="status">
        {pages.hasMore
          ? t('table.rowsMore', { shown: pages.items.length })
          : t('table.rows', { count: pages.items.length, shown: pages.items.length })}
      </div>
    </Screen>
  );
}

/** The command that lists the same: by tenant itself, by the rest through jq. */
function commandFor(values: Record<(typeof FILTERS)[number], string>): string {
  const tests = [
    values.state && `.state=="${values.state}"`,
    values.protection && `.protection=="${values.protection}"`,
    values.host && `.hostName=="${values.host}"`,
    values.q && `(.name|contains("${values.q}"))`,
  ].filter(Boolean);
  const list = `wocloud get vms${values.tenant ? ` --tenant ${values.tenant}` : ''}`;
  return tests.length > 0 ? `${list} -o jsonl | jq 'select(${tests.join(' and ')})'` : list;
}
