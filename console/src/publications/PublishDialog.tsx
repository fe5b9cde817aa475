// Publishes: shows what changes and where, takes a message, and hands over to the receipts.
import { Alert, FormGroup, TextInput } from '@patternfly/react-core';
import type { Change, Publication } from '@wocloud/protocol/views.ts';
import { useState } from 'react';
import { useAct, useCall } from '../api/calls.ts';
import { useWords } from '../i18n/language.ts';
import { Confirm } from '../screen/Confirm.tsx';
import { quoted } from '../screen/quoted.ts';
import { ChangeList } from './ChangeList.tsx';

interface Props {
  changes: readonly Change[];
  onClose: () => void;
  onPublished: (publication: Publication) => void;
}

export function PublishDialog({ changes, onClose, onPublished }: Props) {
  const { t } = useWords();
  const [message, setMessage] = useState('');
  const status = useCall('status.get');
  const publish = useAct('publications.create', [
    'changes.list',
    'publications.list',
    'policies.list',
    'policies.get',
    'groups.list',
    'services.list',
    'status.get',
  ]);
  return (
    <Confirm
      title={t('publications.publishTitle', { count: changes.length })}
      undo={t('publications.publishUndo')}
      cli={`wocloud publish${message ? ` -m ${quoted(message)}` : ''}`}
      act={t('publications.publishDo')}
      disabled={changes.length === 0}
      pending={publish.isPending}
      error={publish.error}
      onAct={() => publish.mutate({ body: message ? { message } : {} }, { onSuccess: onPublished })}
      onClose={onClose}
      wide
    >
      {changes.length === 0 ? (
        <Alert component="p" isInline variant="info" title={t('publications.publishedMeanwhile')} />
      ) : null}
      <p>{t('publications.publishWhat', { count: status.data?.hosts.connected ?? 0 })}</p>
      <ChangeList of={changes} open />
      <FormGroup label={t('publications.message')} fieldId="message">
        <TextInput id="message" value={message} onChange={(_, v) => setMessage(v)} />
      </FormGroup>
    </Confirm>
  );
}
