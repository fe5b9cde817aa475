// All versions of a document: who, when and why; any can be compared and taken into the editor.
import { Button, Label } from '@patternfly/react-core';
import { KINDS, type Kind } from '@wocloud/protocol/resources/kinds.ts';
import type { Stored, StoredVersion } from '@wocloud/protocol/views.ts';
import { Suspense, lazy, useEffect, useState } from 'react';
import { useCall, usePages } from '../api/calls.ts';
import { useWords } from '../i18n/language.ts';
import { Failure, Loading } from '../screen/Answers.tsx';
import { Age } from '../time/Age.tsx';
import { documentText } from './text.ts';

const MergedView = lazy(() => import('../editor/MergedView.tsx'));

interface Props {
  kind: Kind;
  stored: Stored;
  text: string;
  onTake: (text: string) => void;
}

export function HistoryTab({ kind, stored, text, onTake }: Props) {
  const { name, tenant, published } = stored.metadata;
  const versions = usePages(`${KINDS[kind].plural}.versions` as 'policies.versions', {
    params: { name },
    query: tenant ? { tenant } : {},
  });
  const [shown, setShown] = useState<number | null>(null);
  if (versions.pending) return <Loading />;
  return (
    <>
      {versions.error ? <Failure error={versions.error} retry={versions.retry} /> : null}
      <ol className="history">
        {versions.items.map((v) => (
          <li key={v.version}>
            <Version
              kind={kind}
              of={v}
              stored={stored}
              inForce={v.version === published}
              open={shown === v.version}
              onToggle={() => setShown(shown === v.version ? null : v.version)}
              text={text}
              onTake={onTake}
            />
          </li>
        ))}
      </ol>
    </>
  );
}

interface VersionProps {
  kind: Kind;
  of: StoredVersion;
  stored: Stored;
  inForce: boolean;
  open: boolean;
  onToggle: () => void;
  text: string;
  onTake: (text: string) => void;
}

function Version(props: VersionProps) {
  const { kind, of, stored, inForce, open, onToggle, text, onTake } = props;
  const { t } = useWords();
  const { name, tenant } = stored.metadata;
  const [asked, setAsked] = useState(false);
  // A list of long versions leaves some of them out: such a one is read by itself, when it is wanted.
  const leftOut = !of.deleted && of.document === null;
  const alone = useCall(
    `${KINDS[kind].plural}.versions` as 'policies.versions',
    { params: { name }, query: { ...(tenant ? { tenant } : {}), version: of.version } },
    { enabled: leftOut && (asked || open) },
  );
  const document = leftOut ? alone.data?.items[0]?.document : of.document;
  const old = document ? documentText(document) : null;
  useEffect(() => {
    if (!asked || old === null) return;
    setAsked(false);
    onTake(old);
  }, [asked, old, onTake]);
  return (
    <>
      <div className="history-head">
        <strong>{t('documents.historyAt', { version: of.version })}</strong>
        {inForce ? (
          <Label isCompact color="green">
            {t('documents.inForce')}
          </Label>
        ) : null}
        {of.deleted ? (
          <Label isCompact color="red">
            {t('documents.historyDeleted')}
          </Label>
        ) : null}
        <span className="subtle">
          {of.by} · <Age at={of.at} />
        </span>
        <span>{of.reason}</span>
        {of.deleted ? null : (
          <>
            <Button variant="link" isInline aria-expanded={open} onClick={onToggle}>
              {t('documents.historyCompare')}
            </Button>
            <Button variant="link" isInline isLoading={asked} onClick={() => setAsked(true)}>
              {t('documents.historyTake')}
            </Button>
          </>
        )}
      </div>
      {alone.error ? <Failure error={alone.error} retry={() => void alone.refetch()} /> : null}
      {open && old === null && !of.deleted ? <Loading /> : null}
      {open && old !== null ? (
        <Suspense fallback={<Loading />}>
          <MergedView before={old} after={text} label={t('documents.historyCompare')} />
        </Suspense>
      ) : null}
    </>
  );
}
