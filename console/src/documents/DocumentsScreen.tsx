// The list of one kind's documents.
import { Button } from '@patternfly/react-core';
import { KINDS, type Kind } from '@wocloud/protocol/resources/kinds.ts';
import type { Stored } from '@wocloud/protocol/views.ts';
import { useMemo, type ReactNode } from 'react';
import { Link, useNavigate } from 'react-router';
import { usePages } from '../api/calls.ts';
import { Choice } from '../filter/Choice.tsx';
import { Find } from '../filter/Find.tsx';
import { useWords, type Key } from '../i18n/language.ts';
import { usePanel, type ObjectKind } from '../panel/object.ts';
import { useAddress, useChange, useParam } from '../screen/address.ts';
import { Empty } from '../screen/Answers.tsx';
import { Screen } from '../screen/Screen.tsx';
import { useMay } from '../session/session.tsx';
import { ColumnChooser, useColumns } from '../table/ColumnChooser.tsx';
import type { Column } from '../table/table.ts';
import { ListTable } from '../table/ListTable.tsx';
import { documentColumns, documentPath } from './describe.tsx';

type Room =
  | 'policies'
  | 'groups'
  | 'services'
  | 'tenants'
  | 'networks'
  | 'gateways'
  | 'insertions'
  | 'ruleSets'
  | 'limits';
interface Props {
  kind: Kind;
  room: Room;
  own: readonly Column<Stored>[];
  /** A row opens in this panel instead of on its page. */
  panel?: ObjectKind;
  /** What an empty list says, where the room has another for itself. */
  empty?: readonly [title: Key, body: Key];
  /** The ways to its neighbours, before the filters. */
  tabs?: ReactNode;
  /** More ways to make one. */
  actions?: ReactNode;
  /** What is to be said above the list. */
  notice?: ReactNode;
}

export function DocumentsScreen(props: Props) {
  const { kind, room, own, panel, empty, tabs, actions, notice } = props;
  const { t } = useWords();
  const may = useMay();
  const navigate = useNavigate();
  const address = useAddress();
  const change = useChange();
  const { object, open } = usePanel();
  const q = useParam('q');
  const tenant = useParam('tenant');
  const { plural, scope } = KINDS[kind];
  const id = `${plural}.list` as 'policies.list';
  const pages = usePages(
    id,
    { query: { limit: 1000, ...(q ? { q } : {}), ...(tenant ? { tenant } : {}) } },
    { upTo: 10_000, keep: true },
  );
  const tenants = usePages(
    'tenants.list',
    { query: { limit: 1000 } },
    { enabled: scope !== 'platform' && may('tenant.read') },
  );
  const columns = useMemo(() => documentColumns(kind, own), [kind, own]);
  const { shown, choose } = useColumns(plural, columns);
  const title = t(`${room}.title`);
  const writes = may(`${kind.toLowerCase()}.write`);
  const filtered = q !== '' || tenant !== '';
  const create = (
    <Button
      component={(props) => <Link {...props} to={address(`/${plural}/new`, tenant ? { tenant } : {})} />}
    >
      {t('documents.create')}
    </Button>
  );
  const objectId = (d: Stored) => `${d.metadata.tenant ?? '-'}/${d.metadata.name}`;
  return (
    <Screen
      title={title}
      answer={t(`${room}.answer`)}
      cli={`wocloud get ${plural}${tenant ? ` --tenant ${tenant}` : ''}`}
      fill
      actions={
        <>
          <ColumnChooser columns={columns} shown={shown} choose={choose} />
          {writes ? actions : null}
          {writes ? create : null}
        </>
      }
      toolbar={
        <>
          {tabs}
          <Find
            value={q}
            label={t('documents.find')}
            onFind={(text) => change({ q: text }, { replace: true })}
          />
          {scope === 'platform' ? null : (
            <Choice
              label={t('documents.tenant')}
              all={t('screen.allTenants')}
              value={tenant}
              options={[
                ...new Set([...tenants.items.map((x) => x.metadata.name), ...(tenant ? [tenant] : [])]),
              ].map((n) => [n, n])}
              onChoose={(value) => change({ tenant: value })}
            />
          )}
        </>
      }
    >
      {notice}
      <ListTable
        label={title}
        columns={columns}
        shown={shown}
        pages={pages}
        rowKey={objectId}
        rowName={(d) => d.metadata.name}
        openKey={object && object.kind === panel ? object.id : null}
        onOpen={(d) => {
          if (panel) open(panel, objectId(d));
          else void navigate(address(documentPath(kind, d.metadata.tenant, d.metadata.name)));
        }}
        onFilter={(field, value, exclude) => (exclude ? undefined : change({ [field]: value }))}
        empty={
          filtered ? (
            <Empty
              title={t('documents.nothingFits')}
              action={
                <Button onClick={() => change({ q: null, tenant: null })}>{t('documents.clear')}</Button>
              }
            >
              {t('documents.nothingFitsBody')}
            </Empty>
          ) : (
            <Empty
              title={t(empty?.[0] ?? (`${room}.empty` as Key))}
              cli={`wocloud apply -f ${kind.toLowerCase()}.yaml`}
              action={writes ? create : undefined}
            >
              {t(empty?.[1] ?? (`${room}.emptyBody` as Key))}
            </Empty>
          )
        }
      />
    </Screen>
  );
}
