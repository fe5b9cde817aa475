// One's own API tokens: made with a secret that is shown once, revoked at any time.
import { Alert, Button, FormGroup, NumberInput, TextInput } from '@patternfly/react-core';
import type { Token } from '@wocloud/protocol/views.ts';
import { useState } from 'react';
import { useAct, usePages } from '../api/calls.ts';
import { useWords } from '../i18n/language.ts';
import { Empty } from '../screen/Answers.tsx';
import { Cli } from '../screen/Cli.tsx';
import { quoted } from '../screen/quoted.ts';
import { Confirm } from '../screen/Confirm.tsx';
import { Dialog } from '../screen/Dialog.tsx';
import { Screen } from '../screen/Screen.tsx';
import type { Column } from '../table/table.ts';
import { ListTable } from '../table/ListTable.tsx';
import { exact } from '../format/moment.ts';
import { Age } from '../time/Age.tsx';

function Expires({ of }: { of: Token }) {
  const { t, language } = useWords();
  return <>{of.expiresAt ? exact(Date.parse(of.expiresAt), language) : t('tokens.neverExpires')}</>;
}

function LastUsed({ of }: { of: Token }) {
  const { t } = useWords();
  return of.lastUsed ? <Age at={of.lastUsed} /> : <span className="subtle">{t('tokens.never')}</span>;
}

const COLUMNS: readonly Column<Token>[] = [
  {
    key: 'name',
    title: 'tokens.name',
    width: 180,
    grow: 1,
    always: true,
    cell: (x) => x.name,
    sort: (x) => x.name,
  },
  {
    key: 'created',
    title: 'tokens.created',
    width: 130,
    cell: (x) => <Age at={x.createdAt} />,
    sort: (x) => x.createdAt,
  },
  {
    key: 'expires',
    title: 'tokens.expires',
    width: 200,
    cell: (x) => <Expires of={x} />,
    sort: (x) => x.expiresAt,
  },
  {
    key: 'lastUsed',
    title: 'tokens.lastUsed',
    width: 130,
    cell: (x) => <LastUsed of={x} />,
    sort: (x) => x.lastUsed,
  },
];

export default function TokensScreen() {
  const { t } = useWords();
  const tokens = usePages('tokens.list');
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState<Token | null>(null);
  const [secret, setSecret] = useState('');
  const add = <Button onClick={() => setMaking(true)}>{t('tokens.add')}</Button>;
  return (
    <Screen title={t('tokens.title')} answer={t('tokens.answer')} cli="wocloud get tokens" fill actions={add}>
      {secret ? (
        <Alert component="p" isInline variant="success" title={t('tokens.once')}>
          <Cli label={t('tokens.secret')} command={secret} />
        </Alert>
      ) : null}
      <ListTable
        label={t('tokens.title')}
        columns={COLUMNS}
        pages={tokens}
        rowKey={(x) => x.id}
        rowName={(x) => x.name}
        onOpen={setRevoking}
        empty={
          <Empty title={t('tokens.empty')} cli="wocloud login" action={add}>
            {t('tokens.emptyBody')}
          </Empty>
        }
      />
      {making ? (
        <Make
          onClose={() => setMaking(false)}
          onMade={(made) => {
            setSecret(made);
            setMaking(false);
          }}
        />
      ) : null}
      {revoking ? <Revoke token={revoking} onClose={() => setRevoking(null)} /> : null}
    </Screen>
  );
}

function Make({ onClose, onMade }: { onClose: () => void; onMade: (secret: string) => void }) {
  const { t } = useWords();
  const [name, setName] = useState('');
  const [days, setDays] = useState(90);
  const make = useAct('tokens.create', ['tokens.list']);
  return (
    <Dialog
      title={t('tokens.add')}
      cli={`wocloud token create ${quoted(name || 'NAME')} --days ${days}`}
      act={t('tokens.add')}
      ready={name !== '' && days >= 1 && days <= 3650}
      pending={make.isPending}
      error={make.error}
      onAct={() =>
        make.mutate({ body: { name, expiresInDays: days } }, { onSuccess: (made) => onMade(made.secret) })
      }
      onClose={onClose}
    >
      <FormGroup label={t('tokens.name')} fieldId="token-name" isRequired>
        <TextInput id="token-name" value={name} onChange={(_, v) => setName(v)} />
      </FormGroup>
      <FormGroup label={t('tokens.days')} fieldId="token-days">
        <NumberInput
          inputAriaLabel={t('tokens.days')}
          value={days}
          min={1}
          max={3650}
          onMinus={() => setDays(days - 1)}
          onPlus={() => setDays(days + 1)}
          onChange={(e) => setDays(Number((e.target as HTMLInputElement).value))}
          minusBtnAriaLabel="−1"
          plusBtnAriaLabel="+1"
        />
      </FormGroup>
    </Dialog>
  );
}

function Revoke({ token, onClose }: { token: Token; onClose: () => void }) {
  const { t } = useWords();
  const revoke = useAct('tokens.delete', ['tokens.list']);
  return (
    <Confirm
      title={t('tokens.revokeTitle', { name: token.name })}
      undo={t('tokens.revokeUndo')}
      cli={`wocloud token revoke ${token.id}`}
      act={t('tokens.revoke')}
      danger
      pending={revoke.isPending}
      error={revoke.error}
      onAct={() => revoke.mutate({ params: { id: token.id } }, { onSuccess: onClose })}
      onClose={onClose}
    >
      <p>{t('tokens.revokeWhat')}</p>
    </Confirm>
  );
}
