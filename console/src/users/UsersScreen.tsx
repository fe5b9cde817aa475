// Who may do what: users with their roles, and members' rights on VMs.
import { Button, ToggleGroup, ToggleGroupItem } from '@patternfly/react-core';
import type { User } from '@wocloud/protocol/views.ts';
import { useState } from 'react';
import { usePages } from '../api/calls.ts';
import { Find } from '../filter/Find.tsx';
import { useWords, type Words } from '../i18n/language.ts';
import { useChange, useParam } from '../screen/address.ts';
import { Empty } from '../screen/Answers.tsx';
import { Screen } from '../screen/Screen.tsx';
import { useMay } from '../session/session.tsx';
import { StateWord } from '../state/StateWord.tsx';
import type { Column } from '../table/table.ts';
import { ListTable } from '../table/ListTable.tsx';
import { Age } from '../time/Age.tsx';
import { GrantsTab } from './GrantsTab.tsx';
import { UserDialog } from './UserDialog.tsx';
import './users.css';

export const rolesText = (user: User, t: Words['t']) =>
  [
    ...user.roles.map((r) => t(`users.${r}`)),
    ...(user.tenantRole ? [t(`users.${user.tenantRole}`)] : []),
  ].join(t('screen.all') === 'All' ? ', ' : '、') || t('users.noRole');

function Roles({ user }: { user: User }) {
  const { t } = useWords();
  return <>{rolesText(user, t)}</>;
}

function LastSignIn({ user }: { user: User }) {
  const { t } = useWords();
  return user.lastSignIn ? <Age at={user.lastSignIn} /> : <span className="subtle">{t('users.never')}</span>;
}

const COLUMNS: readonly Column<User>[] = [
  {
    key: 'name',
    title: 'users.name',
    width: 140,
    grow: 1,
    always: true,
    cell: (u) => u.name,
    sort: (u) => u.name,
  },
  {
    key: 'state',
    title: 'users.state',
    width: 110,
    cell: (u) => <StateWord state={u.disabled ? 'disabled' : 'active'} />,
    sort: (u) => Number(u.disabled),
  },
  { key: 'roles', title: 'users.roles', width: 220, grow: 2, cell: (u) => <Roles user={u} /> },
  { key: 'tenant', title: 'users.tenant', width: 120, cell: (u) => u.tenant ?? '–', sort: (u) => u.tenant },
  {
    key: 'lastSignIn',
    title: 'users.lastSignIn',
    width: 130,
    cell: (u) => <LastSignIn user={u} />,
    sort: (u) => u.lastSignIn,
  },
  {
    key: 'created',
    title: 'users.created',
    width: 120,
    optional: true,
    cell: (u) => <Age at={u.createdAt} />,
    sort: (u) => u.createdAt,
  },
];

export default function UsersScreen() {
  const { t } = useWords();
  const may = useMay();
  const change = useChange();
  const tab = useParam('tab') || 'users';
  const q = useParam('q');
  const editing = useParam('user');
  const [adding, setAdding] = useState(false);
  const users = usePages(
    'users.list',
    { query: { limit: 1000, ...(q ? { q } : {}) } },
    { upTo: 10_000, keep: true },
  );
  const edited = users.items.find((u) => u.id === editing);
  const writes = may('user.write');
  return (
    <Screen
      title={t('users.title')}
      answer={t('users.answer')}
      cli={tab === 'grants' ? 'wocloud get grants' : 'wocloud get users'}
      fill
      actions={
        writes && tab === 'users' ? <Button onClick={() => setAdding(true)}>{t('users.add')}</Button> : null
      }
    >
      <ToggleGroup aria-label={t('users.title')}>
        {(may('grant.read') ? (['users', 'grants'] as const) : (['users'] as const)).map((key) => (
          <ToggleGroupItem
            key={key}
            buttonId={`tab-${key}`}
            text={key === 'users' ? t('users.tabUsers') : t('users.tabGrants')}
            isSelected={tab === key}
            onChange={() => change({ tab: key === 'users' ? null : key })}
          />
        ))}
      </ToggleGroup>
      {tab === 'grants' ? (
        <GrantsTab />
      ) : (
        <div className="tab-fill">
          <div className="screen-toolbar">
            <Find
              value={q}
              label={t('users.find')}
              onFind={(text) => change({ q: text }, { replace: true })}
            />
          </div>
          <ListTable
            label={t('users.tabUsers')}
            columns={COLUMNS}
            pages={users}
            rowKey={(u) => u.id}
            rowName={(u) => u.name}
            {...(writes ? { onOpen: (u: User) => change({ user: u.id }) } : {})}
            empty={
              <Empty title={t('users.empty')} cli="wocloud user add alice --tenant acme --tenant-role owner">
                {t('users.emptyBody')}
              </Empty>
            }
          />
        </div>
      )}
      {adding ? <UserDialog user={null} onClose={() => setAdding(false)} /> : null}
      {edited && writes ? (
        <UserDialog key={edited.id} user={edited} onClose={() => change({ user: null })} />
      ) : null}
    </Screen>
  );
}
