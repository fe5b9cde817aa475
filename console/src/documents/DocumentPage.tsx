// One document: its editor, what differs from what is in force, its history; saved only over the version it began from.
import { Button, Tab, TabTitleText, Tabs } from '@patternfly/react-core';
import { ApiError } from '@wocloud/protocol/client.ts';
import { KINDS, type Kind } from '@wocloud/protocol/resources/kinds.ts';
import type { Stored } from '@wocloud/protocol/views.ts';
import { useState, type ReactNode } from 'react';
import { useParams } from 'react-router';
import { useCall } from '../api/calls.ts';
import { useWords } from '../i18n/language.ts';
import { useChange, useParam } from '../screen/address.ts';
import { Answer } from '../screen/Answers.tsx';
import { Screen } from '../screen/Screen.tsx';
import { useMay } from '../session/session.tsx';
import NotFound from '../shell/NotFound.tsx';
import { StateWord } from '../state/StateWord.tsx';
import { Age } from '../time/Age.tsx';
import { DeleteDialog } from './DeleteDialog.tsx';
import { statusOf } from './describe.tsx';
import { DiffTab } from './DiffTab.tsx';
import { EditorTab, type Draft } from './EditorTab.tsx';
import { HistoryTab } from './HistoryTab.tsx';
import { LeaveDialog } from './LeaveDialog.tsx';
import { documentText } from './text.ts';

interface Props {
  kind: Kind;
  /** Tabs of the kind's own, before the common ones. */
  extra?: (stored: Stored) => { key: string; title: string; body: ReactNode }[];
  /** What can be done with it besides, in the head. */
  actions?: (stored: Stored) => ReactNode;
}

export function DocumentPage(props: Props) {
  const { tenant: owner = '-', name = '' } = useParams();
  const tenant = owner === '-' ? null : owner;
  const id = `${KINDS[props.kind].plural}.get` as 'policies.get';
  const stored = useCall(id, { params: { name }, query: tenant ? { tenant } : {} });
  if (stored.error instanceof ApiError && stored.error.problem.status === 404) return <NotFound />;
  return (
    <Answer of={stored} lines={12}>
      {(of) => <Page key={of.metadata.uid} {...props} stored={of} />}
    </Answer>
  );
}

function commandFor(kind: Kind, { metadata }: Stored, tab: string): string {
  const scope = metadata.tenant ? ` --tenant ${metadata.tenant}` : '';
  const what = `${kind.toLowerCase()} ${metadata.name}${scope}`;
  if (tab === 'history') return `wocloud history ${what}`;
  if (tab === 'diff' && KINDS[kind].published) return `wocloud changes${scope}`;
  return `wocloud get ${what} -o yaml`;
}

function Page({ kind, stored, extra, actions }: Props & { stored: Stored }) {
  const { t } = useWords();
  const may = useMay();
  const change = useChange();
  const saved = documentText(stored);
  // What is edited, and the version it was begun from: a version saved meanwhile must not be overwritten unseen.
  const [draft, setDraft] = useState<Draft>({
    text: saved,
    base: stored.metadata.version,
    saved,
    revision: 0,
  });
  const [deleting, setDeleting] = useState(false);
  const { metadata } = stored;
  const dirty = draft.text !== draft.saved;
  const takeTheirs = () =>
    setDraft((d) => ({ text: saved, base: metadata.version, saved, revision: d.revision + 1 }));
  if (!dirty && metadata.version !== draft.base) takeTheirs();
  const setText = (text: string) => setDraft((d) => ({ ...d, text }));
  const replaceText = (text: string) => setDraft((d) => ({ ...d, text, revision: d.revision + 1 }));
  const own = extra?.(stored) ?? [];
  const writes = may(`${kind.toLowerCase()}.write`);
  const tabs = [
    ...own,
    {
      key: 'document',
      title: t('documents.tabDocument'),
      body: (
        <EditorTab
          kind={kind}
          stored={stored}
          draft={draft}
          setText={setText}
          replaceText={replaceText}
          readOnly={!writes}
          onSaved={(text, version) => setDraft((d) => ({ ...d, base: version, saved: text }))}
          onTakeTheirs={takeTheirs}
        />
      ),
    },
    {
      key: 'diff',
      title: t('documents.tabDiff'),
      body: <DiffTab kind={kind} stored={stored} text={draft.text} />,
    },
    {
      key: 'history',
      title: t('documents.tabHistory'),
      body: (
        <HistoryTab
          kind={kind}
          stored={stored}
          text={draft.text}
          onTake={(text) => {
            replaceText(text);
            change({ tab: 'document' });
          }}
        />
      ),
    },
  ];
  const wanted = useParam('tab');
  const tab = tabs.find((x) => x.key === wanted)?.key ?? tabs[0]!.key;
  return (
    <Screen
      title={metadata.name}
      answer={
        <>
          {t(`documents.kind_${kind}`)} · {metadata.tenant ?? t('documents.everyone')} ·{' '}
          {KINDS[kind].published ? <StateWord state={statusOf(stored)} /> : null}{' '}
          {t('documents.historyAt', { version: metadata.version })} · {metadata.updatedBy} ·{' '}
          <Age at={metadata.updatedAt} />
        </>
      }
      cli={commandFor(kind, stored, tab)}
      actions={
        <>
          {actions?.(stored)}
          {writes ? (
            <Button variant="secondary" isDanger onClick={() => setDeleting(true)}>
              {t('documents.remove')}
            </Button>
          ) : null}
        </>
      }
    >
      <Tabs
        activeKey={tab}
        onSelect={(_, key) => change({ tab: String(key) }, { replace: true })}
        aria-label={metadata.name}
      >
        {tabs.map((x) => (
          <Tab key={x.key} eventKey={x.key} title={<TabTitleText>{x.title}</TabTitleText>}>
            <div className="tab-body">{x.key === tab ? x.body : null}</div>
          </Tab>
        ))}
      </Tabs>
      <LeaveDialog dirty={dirty} />
      {deleting ? <DeleteDialog kind={kind} stored={stored} onClose={() => setDeleting(false)} /> : null}
    </Screen>
  );
}
