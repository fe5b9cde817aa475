// What the text in the editor would change of what is in force, or of what is saved.
import { ApiError } from '@wocloud/protocol/client.ts';
import { KINDS, type Kind } from '@wocloud/protocol/resources/kinds.ts';
import type { Stored } from '@wocloud/protocol/views.ts';
import { Suspense, lazy } from 'react';
import { useCall } from '../api/calls.ts';
import { useWords } from '../i18n/language.ts';
import { Failure, Loading } from '../screen/Answers.tsx';
import { documentText } from './text.ts';

const MergedView = lazy(() => import('../editor/MergedView.tsx'));

export function DiffTab({ kind, stored, text }: { kind: Kind; stored: Stored; text: string }) {
  const { t } = useWords();
  const { name, tenant, published } = stored.metadata;
  const drafts = KINDS[kind].published;
  const inForce = useCall(
    `${KINDS[kind].plural}.get` as 'policies.get',
    { params: { name }, query: { ...(tenant ? { tenant } : {}), published: true } },
    { enabled: drafts && published !== null },
  );
  const missing = inForce.error instanceof ApiError && inForce.error.problem.status === 404;
  if (drafts && published !== null && !missing) {
    if (inForce.error) return <Failure error={inForce.error} retry={() => void inForce.refetch()} />;
    if (!inForce.data) return <Loading />;
  }
  const before = drafts ? (inForce.data ? documentText(inForce.data) : '') : documentText(stored);
  const label = !drafts
    ? t('documents.diffSaved')
    : published === null
      ? t('documents.diffNone')
      : t('documents.diffPublished', { version: published });
  return (
    <>
      <p>{label}</p>
      <Suspense fallback={<Loading />}>
        <MergedView before={before} after={text} label={label} />
      </Suspense>
    </>
  );
}
