// The editor of a document with saving: mistakes are shown as one types, a version saved meanwhile is not overwritten.
import { Alert, AlertActionLink, Button, TextInput } from '@patternfly/react-core';
import { useQueryClient } from '@tanstack/react-query';
import { parseDocuments } from '@wocloud/protocol/documents.ts';
import type { ProblemDetail } from '@wocloud/protocol/problem.ts';
import { KINDS, type Document, type Kind } from '@wocloud/protocol/resources/kinds.ts';
import type { Stored } from '@wocloud/protocol/views.ts';
import { Suspense, lazy, useState } from 'react';
import { Link } from 'react-router';
import { refresh, useAct } from '../api/calls.ts';
import { useWords } from '../i18n/language.ts';
import { useAddress, useChange } from '../screen/address.ts';
import { Failure, Loading } from '../screen/Answers.tsx';
import { Cli } from '../screen/Cli.tsx';
import { RulesFile } from '../rule-sets/RulesFile.tsx';
import { completed } from './text.ts';
import { useNames } from './useNames.ts';
import './documents.css';

const YamlEditor = lazy(() => import('../editor/YamlEditor.tsx'));

export interface Draft {
  text: string;
  base: number;
  saved: string;
  /** Rises with each text that did not come from the editor. */
  revision: number;
}
interface Props {
  kind: Kind;
  /** Null for a new document. */
  stored: Stored | null;
  draft: Draft;
  setText: (text: string) => void;
  /** Takes a text that did not come from the editor into it. */
  replaceText: (text: string) => void;
  readOnly?: boolean;
  onSaved: (text: string, version: number, document: Document) => void;
  onTakeTheirs?: () => void;
}

interface Done {
  version: number | null;
  unchanged: boolean;
  warnings: readonly string[];
}

export function EditorTab(props: Props) {
  const { kind, stored, draft, setText, replaceText, readOnly = false, onSaved, onTakeTheirs } = props;
  const { t } = useWords();
  const address = useAddress();
  const change = useChange();
  const names = useNames();
  const { plural, published } = KINDS[kind];
  const put = useAct(`${plural}.put` as 'policies.put', [
    `${plural}.list` as 'policies.list',
    `${plural}.get` as 'policies.get',
    `${plural}.versions` as 'policies.versions',
    'changes.list',
    'status.get',
    'vms.list',
  ]);
  const [errors, setErrors] = useState<ProblemDetail[]>([]);
  const [reason, setReason] = useState('');
  const [done, setDone] = useState<Done | null>(null);
  const cache = useQueryClient();
  // The draft was begun from a version that is no longer the last.
  const stale = stored !== null && draft.text !== draft.saved && stored.metadata.version !== draft.base;
  const refusedAsStale = put.error?.code === 'stale-version';
  const refused = put.error?.problem.errors;
  const save = (over?: number) => {
    const parsed = parseDocuments(draft.text);
    const [written] = parsed.documents;
    setErrors(parsed.errors);
    if (!written || parsed.errors.length > 0) return;
    const document = completed(written);
    // What stands for the rules stands for none: the file beside the editor says so.
    if (!document) return;
    const base = over ?? draft.base;
    const { text } = draft;
    put.mutate(
      {
        params: { name: document.metadata.name },
        query: {
          ...(document.metadata.tenant ? { tenant: document.metadata.tenant } : {}),
          ...(reason ? { reason } : {}),
        },
        body: document,
        ...(stored ? { ifMatch: base } : {}),
      },
      {
        onError: (error) => {
          // The newer version is read, so that it can be compared.
          if (error.code === 'stale-version') void refresh(cache, [`${plural}.get` as 'policies.get']);
        },
        onSuccess: (result) => {
          setDone({
            version: result.version,
            unchanged: result.action === 'unchanged',
            warnings: result.warnings ?? [],
          });
          setReason('');
          onSaved(text, result.version ?? base, document);
        },
      },
    );
  };
  const dirty = draft.text !== draft.saved;
  return (
    <div className="editor-tab">
      {kind === 'RuleSet' ? (
        <RulesFile
          text={draft.text}
          name={stored?.metadata.name ?? 'new'}
          readOnly={readOnly}
          onText={(text) => {
            replaceText(text);
            setDone(null);
          }}
        />
      ) : null}
      <Suspense fallback={<Loading lines={14} />}>
        <YamlEditor
          kind={kind}
          text={draft.text}
          revision={draft.revision}
          onText={(text) => {
            setText(text);
            setDone(null);
          }}
          onErrors={setErrors}
          onSave={() => save()}
          names={names}
          {...(refused ? { refused } : {})}
          readOnly={readOnly}
        />
      </Suspense>
      <div aria-live="polite" className="editor-says">
        {errors.length > 0 ? (
          <ul className="plain-list editor-errors">
            {errors.slice(0, 6).map((e) => (
              <li key={`${e.path}${e.message}`}>
                <strong>{t('editor.line', { line: e.line ?? 1 })}</strong> <code>{e.path}</code> {e.message}{' '}
                {e.hint ?? ''}
              </li>
            ))}
          </ul>
        ) : (
          <span className="subtle">
            {t('editor.valid')} · {t('editor.help')}
          </span>
        )}
        {done ? (
          <Alert
            component="p"
            isInline
            variant="success"
            title={
              done.unchanged
                ? t('documents.savedUnchanged')
                : t('documents.saved', { version: done.version ?? 0 })
            }
            {...(published && !done.unchanged
              ? {
                  actionLinks: (
                    <AlertActionLink component={(props) => <Link {...props} to={address('/publications')} />}>
                      {t('documents.publish')}
                    </AlertActionLink>
                  ),
                }
              : {})}
          >
            {published ? t('documents.savedDraft') : t('documents.savedNow')}
          </Alert>
        ) : null}
        {done && done.warnings.length > 0 ? (
          <Alert component="p" isInline variant="warning" title={t('documents.warnings')}>
            {done.warnings.map((warning) => (
              <p key={warning}>{warning}</p>
            ))}
          </Alert>
        ) : null}
        {stale ? (
          <Alert
            component="p"
            isInline
            variant="warning"
            title={t('documents.stale', { version: stored.metadata.version })}
            actionLinks={
              <>
                <AlertActionLink onClick={() => change({ tab: 'diff' })}>
                  {t('documents.staleShow')}
                </AlertActionLink>
                <AlertActionLink onClick={() => save(stored.metadata.version)}>
                  {t('documents.staleKeep')}
                </AlertActionLink>
                <AlertActionLink
                  onClick={() => {
                    put.reset();
                    onTakeTheirs?.();
                  }}
                >
                  {t('documents.staleTake')}
                </AlertActionLink>
              </>
            }
          >
            {t('documents.staleBody')}
          </Alert>
        ) : put.error && !refusedAsStale ? (
          <Failure error={put.error} title={t('screen.actFailed')} />
        ) : null}
      </div>
      {readOnly ? null : (
        <div className="editor-save">
          <TextInput
            aria-label={t('documents.reason')}
            placeholder={t('documents.reason')}
            value={reason}
            onChange={(_, v) => setReason(v)}
          />
          <Button onClick={() => save()} isDisabled={!dirty || errors.length > 0} isLoading={put.isPending}>
            {published ? t('documents.save') : t('documents.saveNow')}
          </Button>
        </div>
      )}
      {readOnly ? null : <Cli command={`wocloud apply -f ${kind.toLowerCase()}.yaml`} />}
    </div>
  );
}
