// Members' rights on VMs: who may do what, given by whom.
import { Button, Checkbox, FormGroup } from '@patternfly/react-core';
import { GRANT_RIGHTS, type Grant } from '@wocloud/protocol/views.ts';
import { useMemo, useState } from 'react';
import { useAct, usePages } from '../api/calls.ts';
import { Choice } from '../filter/Choice.tsx';
import { useWords } from '../i18n/language.ts';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { Empty } from '../screen/Answers.tsx';
import { Dialog } from '../screen/Dialog.tsx';
import { useMay } from '../session/session.tsx';
import type { Column } from '../table/table.ts';
import { ListTable } from '../table/ListTable.tsx';
import { Age } from '../time/Age.tsx';

function Rights({ of }: { of: Grant['rights'] }) {
  const { t, language } = useWords();
  return <>{of.map((r) => t(`users.right_${r}`)).join(language === 'en' ? ', ' : '、')}</>;
}

export function GrantsTab() {
  const { t } = useWords();
  const may = useMay();
  const [editing, setEditing] = useState<Grant | 'new' | null>(null);
  const grants = usePages('grants.list', { query: { limit: 1000 } }, { upTo: 10_000 });
  const vms = usePages('vms.list', { query: { limit: 1000 } }, { upTo: 10_000, enabled: may('vm.read') });
  const nameOf = useMemo(() => new Map(vms.items.map((v) => [v.id, v.name])), [vms.items]);
  const writes = may('grant.write');
  const columns: readonly Column<Grant>[] = [
    {
      key: 'user',
      title: 'users.user',
      width: 130,
      grow: 1,
      always: true,
      cell: (g) => g.user,
      sort: (g) => g.user,
    },
    {
      key: 'vm',
      title: 'users.vm',
      width: 150,
      grow: 1,
      cell: (g) => (
        <ObjectLink kind="vm" id={g.vm} inGrid>
          {nameOf.get(g.vm) ?? g.vm}
        </ObjectLink>
      ),
      sort: (g) => nameOf.get(g.vm) ?? g.vm,
    },
    { key: 'rights', title: 'users.rights', width: 260, grow: 2, cell: (g) => <Rights of={g.rights} /> },
    { key: 'by', title: 'users.by', width: 110, cell: (g) => g.by, sort: (g) => g.by },
    { key: 'at', title: 'users.at', width: 120, cell: (g) => <Age at={g.at} />, sort: (g) => g.at },
  ];
  const add = writes ? <Button onClick={() => setEditing('new')}>{t('users.grantAdd')}</Button> : undefined;
  return (
    <div className="tab-fill">
      {grants.items.length > 0 ? <div className="screen-toolbar">{add}</div> : null}
      <ListTable
        label={t('users.tabGrants')}
        columns={columns}
        pages={grants}
        rowKey={(g) => `${g.user}/${g.vm}`}
        rowName={(g) => g.user}
        {...(writes ? { onOpen: (g: Grant) => setEditing(g) } : {})}
        empty={
          <Empty
            title={t('users.grantsEmpty')}
            cli={writes ? 'wocloud grant web-1 bob view power' : 'wocloud get grants'}
            action={add}
          >
            {t('users.grantsEmptyBody')} {writes ? null : t('users.grantsWho')}
          </Empty>
        }
      />
      {editing ? (
        <GrantDialog
          grant={editing === 'new' ? null : editing}
          vms={nameOf}
          onClose={() => setEditing(null)}
        />
      ) : null}
    </div>
  );
}

interface DialogProps {
  grant: Grant | null;
  vms: ReadonlyMap<string, string>;
  onClose: () => void;
}

function GrantDialog({ grant, vms, onClose }: DialogProps) {
  const { t } = useWords();
  const users = usePages('users.list', { query: { limit: 1000 } });
  const [user, setUser] = useState(grant?.user ?? '');
  const [vm, setVm] = useState(grant?.vm ?? '');
  const [rights, setRights] = useState<readonly Grant['rights'][number][]>(grant?.rights ?? ['view']);
  const put = useAct('grants.put', ['grants.list']);
  return (
    <Dialog
      title={t('users.grantAdd')}
      act={t('screen.save')}
      ready={user !== '' && vm !== ''}
      pending={put.isPending}
      error={put.error}
      onAct={() => put.mutate({ body: { user, vm, rights: [...rights] } }, { onSuccess: onClose })}
      cli={`wocloud grant ${vms.get(vm) ?? 'VM'} ${user || 'USER'} ${rights.join(' ') || 'none'}`}
      onClose={onClose}
    >
      {grant ? (
        <p>
          {grant.user} · {vms.get(grant.vm) ?? grant.vm}
        </p>
      ) : (
        <>
          <FormGroup label={t('users.user')} fieldId="grant-user">
            <Choice
              label={t('users.user')}
              all="–"
              value={user}
              options={users.items.filter((u) => u.tenantRole === 'member').map((u) => [u.name, u.name])}
              onChoose={setUser}
            />
          </FormGroup>
          <FormGroup label={t('users.vm')} fieldId="grant-vm">
            <Choice label={t('users.vm')} all="–" value={vm} options={[...vms]} onChoose={setVm} />
          </FormGroup>
        </>
      )}
      <FormGroup label={t('users.rights')} role="group" fieldId="grant-rights">
        {GRANT_RIGHTS.map((r) => (
          <Checkbox
            key={r}
            id={`right-${r}`}
            label={t(`users.right_${r}`)}
            isChecked={rights.includes(r)}
            onChange={(_, on) => setRights(on ? [...rights, r] : rights.filter((x) => x !== r))}
          />
        ))}
      </FormGroup>
      {rights.length === 0 ? <p>{t('users.grantNone')}</p> : null}
    </Dialog>
  );
}
