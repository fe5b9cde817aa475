// Deletes a document after showing what goes and when that takes effect.
import { KINDS, type Kind } from '@wocloud/protocol/resources/kinds.ts';
import type { Stored } from '@wocloud/protocol/views.ts';
import { useNavigate } from 'react-router';
import { useAct, useCall } from '../api/calls.ts';
import { UnifiedDiff } from '../editor/UnifiedDiff.tsx';
import { useWords } from '../i18n/language.ts';
import { useAddress } from '../screen/address.ts';
import { Answer } from '../screen/Answers.tsx';
import { Confirm } from '../screen/Confirm.tsx';

export function DeleteDialog({ kind, stored, onClose }: { kind: Kind; stored: Stored; onClose: () => void }) {
  const { t } = useWords();
  const navigate = useNavigate();
  const address = useAddress();
  const { plural, published } = KINDS[kind];
  const { name, tenant, version } = stored.metadata;
  const query = tenant ? { tenant } : {};
  const id = `${plural}.delete` as 'policies.delete';
  const dry = useCall(id, { params: { name }, query: { ...query, dryRun: true } });
  const remove = useAct(id, [`${plural}.list` as 'policies.list', 'changes.list', 'status.get']);
  return (
    <Confirm
      title={t('documents.removeTitle', { name })}
      undo={t('documents.undoHistory')}
      cli={`wocloud delete ${kind.toLowerCase()} ${name}${tenant ? ` --tenant ${tenant}` : ''}`}
      act={t('documents.removeDo')}
      danger
      pending={remove.isPending}
      error={remove.error}
      disabled={dry.error !== null}
      onAct={() =>
        remove.mutate(
          { params: { name }, query, ifMatch: version },
          { onSuccess: () => void navigate(address(published ? '/publications' : `/${plural}`)) },
        )
      }
      onClose={onClose}
    >
      <p>{t('documents.removeWhat')}</p>
      <Answer of={dry} lines={4}>
        {(result) => <UnifiedDiff text={result.diff} label={t('documents.removeWhat')} />}
      </Answer>
      <p>{published ? t('documents.removeLater') : t('documents.removeNow')}</p>
    </Confirm>
  );
}
