// Two versions of a document as one text: what went is struck, what came is marked.
import { yaml } from '@codemirror/lang-yaml';
import { unifiedMergeView } from '@codemirror/merge';
import { EditorState } from '@codemirror/state';
import { EditorView, lineNumbers } from '@codemirror/view';
import { useEffect, useRef } from 'react';
import { useWords } from '../i18n/language.ts';
import { shadowPlace } from './shadow.ts';
import { appearance } from './theme.ts';
import './editor.css';

export default function MergedView({
  before,
  after,
  label,
}: {
  before: string;
  after: string;
  label: string;
}) {
  const { t } = useWords();
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const { parent, root, remove } = shadowPlace(place.current!);
    const view = new EditorView({
      parent,
      root,
      state: EditorState.create({
        doc: after,
        extensions: [
          lineNumbers(),
          yaml(),
          EditorState.readOnly.of(true),
          EditorView.editable.of(false),
          EditorView.contentAttributes.of({ 'aria-label': label, tabindex: '0' }),
          unifiedMergeView({
            original: before,
            mergeControls: false,
            collapseUnchanged: { margin: 4, minSize: 8 },
          }),
          appearance,
        ],
      }),
    });
    return () => {
      view.destroy();
      remove();
    };
  }, [before, after, label]);
  return (
    <>
      {before === after ? <p className="subtle">{t('editor.diffSame')}</p> : null}
      <div ref={place} className="yaml-editor" data-testid="diff" />
    </>
  );
}
