// Adds a user, or changes one: roles, tenant role, password, disabled; or deletes.
import {
  Button,
  Checkbox,
  FormGroup,
  FormHelperText,
  HelperText,
  HelperTextItem,
  Switch,
  TextInput,
} from '@patternfly/react-core';
import type { User } from '@wocloud/protocol/views.ts';
import { useState } from 'react';
import { useAct } from '../api/calls.ts';
import { useNames } from '../documents/useNames.ts';
import { Choice } from '../filter/Choice.tsx';
import { useWords } from '../i18n/language.ts';
import { Confirm } from '../screen/Confirm.tsx';
import { Dialog } from '../screen/Dialog.tsx';

const ROLES = ['system-admin', 'security-admin', 'auditor'] as const;
const NAME = /^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$/;
const LEAST = 12;

export function UserDialog({ user, onClose }: { user: User | null; onClose: () => void }) {
  const { t } = useWords();
  const names = useNames();
  const [name, setName] = useState(user?.name ?? '');
  const [password, setPassword] = useState('');
  const [roles, setRoles] = useState<readonly User['roles'][number][]>(user?.roles ?? []);
  const [tenant, setTenant] = useState(user?.tenant ?? '');
  const [tenantRole, setTenantRole] = useState<'owner' | 'member'>(user?.tenantRole ?? 'member');
  const [disabled, setDisabled] = useState(user?.disabled ?? false);
  const [removing, setRemoving] = useState(false);
  const create = useAct('users.create', ['users.list']);
  const update = useAct('users.update', ['users.list', 'users.get']);
  const act = user ? update : create;
  const roleParts = tenant ? { tenantRole } : { roles: [...roles] };
  const save = () => {
    if (user)
      update.mutate(
        { params: { id: user.id }, body: { ...roleParts, disabled, ...(password ? { password } : {}) } },
        { onSuccess: onClose },
      );
    else
      create.mutate(
        { body: { name, password, ...roleParts, ...(tenant ? { tenant } : {}) } },
        { onSuccess: onClose },
      );
  };
  const roleFlags = tenant
    ? `${user ? '' : ` --tenant ${tenant}`} --tenant-role ${tenantRole}`
    : ` --role ${roles.join(' ') || 'none'}`;
  const passwordFits = password.length >= LEAST || (user !== null && password === '');
  if (removing && user) return <Remove user={user} onClose={onClose} />;
  return (
    <Dialog
      title={user ? t('users.edit', { name: user.name }) : t('users.add')}
      act={user ? t('screen.save') : t('users.add')}
      ready={NAME.test(name) && passwordFits}
      pending={act.isPending}
      error={act.error}
      onAct={save}
      onClose={onClose}
      cli={`wocloud user ${user ? 'set' : 'add'} ${name || 'NAME'}${roleFlags}${
        user ? (disabled === user.disabled ? '' : disabled ? ' --disable' : ' --enable') : ''
      }`}
    >
      {user ? null : (
        <FormGroup label={t('users.name')} fieldId="user-name" isRequired>
          <TextInput id="user-name" value={name} autoComplete="off" onChange={(_, v) => setName(v)} />
        </FormGroup>
      )}
      <FormGroup
        label={user ? t('users.newPassword') : t('users.password')}
        fieldId="user-password"
        isRequired={!user}
      >
        <TextInput
          id="user-password"
          type="password"
          autoComplete="new-password"
          value={password}
          onChange={(_, v) => setPassword(v)}
        />
        <FormHelperText>
          <HelperText>
            <HelperTextItem variant={password && !passwordFits ? 'error' : 'default'}>
              {t('session.atLeast')}
            </HelperTextItem>
          </HelperText>
        </FormHelperText>
      </FormGroup>
      {user ? null : (
        <FormGroup label={t('users.belongsTo')} fieldId="user-tenant">
          <Choice
            label={t('users.belongsTo')}
            all={t('users.platformUser')}
            value={tenant}
            options={(names.tenant ?? []).map((n) => [n, n])}
            onChoose={setTenant}
          />
        </FormGroup>
      )}
      {tenant ? (
        <FormGroup label={t('users.tenantRole')} role="radiogroup" fieldId="user-tenant-role">
          <Choice
            label={t('users.tenantRole')}
            value={tenantRole}
            options={(['owner', 'member'] as const).map((r) => [r, t(`users.${r}`)])}
            onChoose={(v) => setTenantRole(v === 'owner' ? 'owner' : 'member')}
          />
        </FormGroup>
      ) : (
        <FormGroup label={t('users.roles')} role="group" fieldId="user-roles">
          {ROLES.map((r) => (
            <Checkbox
              key={r}
              id={`role-${r}`}
              label={t(`users.${r}`)}
              isChecked={roles.includes(r)}
              onChange={(_, on) => setRoles(on ? [...roles, r] : roles.filter((x) => x !== r))}
            />
          ))}
        </FormGroup>
      )}
      {user ? (
        <>
          <Switch
            id="user-disabled"
            label={t('users.disable')}
            isChecked={disabled}
            onChange={(_, on) => setDisabled(on)}
          />
          <Button variant="link" isDanger isInline onClick={() => setRemoving(true)}>
            {t('documents.remove')}
          </Button>
        </>
      ) : null}
    </Dialog>
  );
}

function Remove({ user, onClose }: { user: User; onClose: () => void }) {
  const { t } = useWords();
  const remove = useAct('users.delete', ['users.list', 'grants.list']);
  return (
    <Confirm
      title={t('users.removeTitle', { name: user.name })}
      undo={t('users.removeUndo')}
      cli={`wocloud user delete ${user.name}`}
      act={t('users.remove')}
      danger
      pending={remove.isPending}
      error={remove.error}
      onAct={() => remove.mutate({ params: { id: user.id } }, { onSuccess: onClose })}
      onClose={onClose}
    >
      <p>{t('users.removeWhat')}</p>
    </Confirm>
  );
}
