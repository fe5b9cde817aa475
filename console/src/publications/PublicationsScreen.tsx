// What waits to be put in force, and what was put in force when, with each host's receipt.
import { Button, Title } from '@patternfly/react-core';
import type { Publication } from '@wocloud/protocol/views.ts';
import { useState } from 'react';
import { usePages } from '../api/calls.ts';
import { useWords } from '../i18n/language.ts';
import { usePanel } from '../panel/object.ts';
import { Empty, Failure, Loading } from '../screen/Answers.tsx';
import { Screen } from '../screen/Screen.tsx';
import { useMay } from '../session/session.tsx';
import { StateWord } from '../state/StateWord.tsx';
import type { Column } from '../table/table.ts';
import { ListTable } from '../table/ListTable.tsx';
import { Age } from '../time/Age.tsx';
import { ChangeList } from './ChangeList.tsx';
import { PublishDialog } from './PublishDialog.tsx';
import './publications.css';

function Message({ of }: { of: Publication }) {
  const { t } = useWords();
  const rollback = of.rollbackOf === null ? '' : t('publications.rollbackOf', { id: of.rollbackOf });
  return (
    <>
      {[of.message, rollback].filter(Boolean).join(' · ') || (
        <span className="subtle">{t('publications.noMessage')}</span>
      )}
    </>
  );
}

const proven = (p: Publication) => p.hosts.filter((h) => h.state === 'applied').length;

const COLUMNS: readonly Column<Publication>[] = [
  { key: 'number', title: 'publications.number', width: 64, align: 'end', always: true, cell: (p) => p.id },
  { key: 'state', title: 'publications.state', width: 150, cell: (p) => <StateWord state={p.state} /> },
  { key: 'when', title: 'publications.when', width: 120, cell: (p) => <Age at={p.at} /> },
  { key: 'who', title: 'publications.who', width: 110, cell: (p) => p.by },
  { key: 'what', title: 'publications.what', width: 200, grow: 1, cell: (p) => <Message of={p} /> },
  { key: 'count', title: 'publications.count', width: 80, align: 'end', cell: (p) => p.changes.length },
  {
    key: 'hosts',
    title: 'publications.hosts',
    width: 90,
    align: 'end',
    cell: (p) => `${proven(p)} / ${p.hosts.length}`,
  },
];

export default function PublicationsScreen() {
  const { t } = useWords();
  const may = useMay();
  const { object, open } = usePanel();
  const changes = usePages('changes.list');
  const history = usePages('publications.list', { query: { limit: 50 } });
  const [publishing, setPublishing] = useState(false);
  return (
    <Screen
      title={t('publications.title')}
      answer={t('publications.answer')}
      cli={changes.items.length > 0 ? 'wocloud changes' : 'wocloud get publications'}
      fill
    >
      <div className="publications">
        <section className="publications-waiting" aria-label={t('publications.changes')}>
          <div className="publications-head">
            <Title headingLevel="h2" size="lg">
              {t('publications.changes')}
            </Title>
            {may('publication.write') && changes.items.length > 0 ? (
              <Button onClick={() => setPublishing(true)}>{t('publications.publish')}</Button>
            ) : null}
          </div>
          {changes.pending ? <Loading lines={2} /> : null}
          {changes.error ? <Failure error={changes.error} retry={changes.retry} /> : null}
          {changes.loaded && changes.items.length === 0 ? (
            <p className="subtle">{t('publications.noChanges')}</p>
          ) : null}
          <ChangeList of={changes.items} />
        </section>
        <Title headingLevel="h2" size="lg">
          {t('publications.history')}
        </Title>
        <ListTable
          label={t('publications.history')}
          columns={COLUMNS}
          pages={history}
          rowKey={(p) => String(p.id)}
          rowName={(p) => t('publications.titleOf', { id: p.id })}
          openKey={object?.kind === 'publication' ? object.id : null}
          onOpen={(p) => open('publication', String(p.id))}
          fixedOrder
          empty={
            <Empty title={t('publications.empty')} cli="wocloud publish -m 'first policies'">
              {t('publications.emptyBody')}
            </Empty>
          }
        />
      </div>
      {publishing ? (
        <PublishDialog
          changes={changes.items}
          onClose={() => setPublishing(false)}
          onPublished={(p) => {
            setPublishing(false);
            open('publication', String(p.id));
          }}
        />
      ) : null}
    </Screen>
  );
}
