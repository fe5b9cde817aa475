// One publication: each host's receipt as it comes in, what changed, and the way back to it.
import { Button, Progress } from '@patternfly/react-core';
import type { Publication } from '@wocloud/protocol/views.ts';
import { useState } from 'react';
import { useAct, useCall } from '../api/calls.ts';
import { duration } from '../format/moment.ts';
import { useWords } from '../i18n/language.ts';
import { Facts, Section } from '../panel/Facts.tsx';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { usePanel } from '../panel/object.ts';
import { Answer } from '../screen/Answers.tsx';
import { Cli } from '../screen/Cli.tsx';
import { Confirm } from '../screen/Confirm.tsx';
import { useMay } from '../session/session.tsx';
import { StateWord } from '../state/StateWord.tsx';
import { Age } from '../time/Age.tsx';
import { ChangeList } from './ChangeList.tsx';
import './publications.css';

export default function PublicationPanel({ id }: { id: string }) {
  // Events tell of each receipt; the poll is for receipts that came while the stream was away.
  const publication = useCall('publications.get', { params: { id } }, { every: 5000 });
  return <Answer of={publication}>{(of) => <Shown of={of} />}</Answer>;
}

function Shown({ of }: { of: Publication }) {
  const { t, language } = useWords();
  const may = useMay();
  const [rolling, setRolling] = useState(false);
  const done = of.hosts.filter((h) => h.state === 'applied').length;
  return (
    <>
      <div className="panel-title">
        <h2>{t('publications.titleOf', { id: of.id })}</h2>
        <StateWord state={of.state} />
      </div>
      <Facts
        of={[
          [t('publications.when'), <Age at={of.at} />],
          [t('publications.who'), of.by],
          [t('publications.what'), of.message || t('publications.noMessage')],
          of.rollbackOf === null
            ? null
            : [
                t('publications.rollbackDo'),
                <ObjectLink kind="publication" id={String(of.rollbackOf)}>
                  {t('publications.rollbackOf', { id: of.rollbackOf })}
                </ObjectLink>,
              ],
        ]}
      />
      {may('publication.write') && of.state !== 'publishing' ? (
        <div className="panel-actions">
          <Button variant="secondary" onClick={() => setRolling(true)}>
            {t('publications.rollback')}
          </Button>
        </div>
      ) : null}
      <Section title={t('publications.receipts')}>
        <Progress
          value={of.hosts.length === 0 ? 100 : (done / of.hosts.length) * 100}
          title={t('publications.receiptsOf', { done, all: of.hosts.length })}
          measureLocation="none"
          size="sm"
        />
        <ul className="plain-list receipts" aria-live="polite">
          {of.hosts.map((h) => (
            <li key={h.host}>
              <ObjectLink kind="host" id={h.host}>
                {h.name}
              </ObjectLink>
              <StateWord state={h.state} />
              <span className="subtle">
                {t('publications.generation')} {h.generation}
                {h.took === null ? '' : ` · ${t('publications.took')} ${duration(h.took, language)}`}
              </span>
              {h.error ? <span className="receipt-error">{h.error}</span> : null}
            </li>
          ))}
        </ul>
      </Section>
      {of.changes.length > 0 ? (
        <Section title={t('publications.changed')}>
          <ChangeList of={of.changes} />
        </Section>
      ) : null}
      <Cli command={`wocloud get publications ${of.id} -o yaml`} />
      {rolling ? <Rollback to={of} onClose={() => setRolling(false)} /> : null}
    </>
  );
}

function Rollback({ to, onClose }: { to: Publication; onClose: () => void }) {
  const { t } = useWords();
  const { open } = usePanel();
  const rollback = useAct('publications.rollback', [
    'publications.list',
    'changes.list',
    'policies.list',
    'status.get',
  ]);
  return (
    <Confirm
      title={t('publications.rollbackTitle', { id: to.id })}
      undo={t('publications.rollbackUndo')}
      cli={`wocloud rollback ${to.id}`}
      act={t('publications.rollbackDo')}
      danger
      pending={rollback.isPending}
      error={rollback.error}
      onAct={() =>
        rollback.mutate(
          { params: { id: String(to.id) }, body: {} },
          {
            onSuccess: (made) => {
              onClose();
              open('publication', String(made.id));
            },
          },
        )
      }
      onClose={onClose}
    >
      <p>{t('publications.rollbackWhat', { id: to.id })}</p>
    </Confirm>
  );
}
