// The editor of a document: completion and hover from the kind's schema, mistakes marked as one types.
import { autocompletion, completionKeymap, type CompletionContext } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap, indentWithTab } from '@codemirror/commands';
import { yaml } from '@codemirror/lang-yaml';
import { bracketMatching, indentOnInput, indentUnit } from '@codemirror/language';
import { lintGutter, linter, lintKeymap, setDiagnostics, type Diagnostic } from '@codemirror/lint';
import { Compartment, EditorState } from '@codemirror/state';
import {
  EditorView,
  drawSelection,
  highlightActiveLine,
  hoverTooltip,
  keymap,
  lineNumbers,
} from '@codemirror/view';
import { parseDocuments } from '@wocloud/protocol/documents.ts';
import type { ProblemDetail } from '@wocloud/protocol/problem.ts';
import type { Kind } from '@wocloud/protocol/resources/kinds.ts';
import { useEffect, useRef } from 'react';
import { useWords } from '../i18n/language.ts';
import { explain, suggest, type Names } from './schema-completion.ts';
import { shadowPlace } from './shadow.ts';
import { appearance } from './theme.ts';
import './editor.css';

interface Props {
  kind: Kind;
  text: string;
  /** Changes when `text` was replaced from outside: what is typed here is never overwritten by its own echo. */
  revision: number;
  onText: (text: string) => void;
  /** What is wrong with the text, each time that changed. */
  onErrors?: (errors: ProblemDetail[]) => void;
  onSave?: () => void;
  names: Names;
  /** Mistakes that the platform found, for the text as it was sent. */
  refused?: readonly ProblemDetail[];
  readOnly?: boolean;
}

export default function YamlEditor(props: Props) {
  const { t } = useWords();
  const place = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const label = t('editor.label');
  useEffect(() => {
    const editable = new Compartment();
    const { parent, root, remove } = shadowPlace(place.current!);
    const made = new EditorView({
      parent,
      root,
      state: EditorState.create({
        doc: latest.current.text,
        extensions: [
          lineNumbers(),
          history(),
          drawSelection(),
          highlightActiveLine(),
          indentOnInput(),
          bracketMatching(),
          indentUnit.of('  '),
          yaml(),
          lintGutter(),
          linter((v) => lint(v, latest.current), { delay: 250 }),
          autocompletion({ override: [(c) => complete(c, latest.current)] }),
          hoverTooltip((v, at) => hover(v, at, latest.current.kind)),
          keymap.of([
            {
              key: 'Mod-s',
              run: () => {
                latest.current.onSave?.();
                return true;
              },
            },
            ...completionKeymap,
            ...defaultKeymap,
            ...historyKeymap,
            ...lintKeymap,
            indentWithTab,
          ]),
          editable.of(EditorState.readOnly.of(latest.current.readOnly ?? false)),
          EditorView.contentAttributes.of({ 'aria-label': label }),
          EditorView.updateListener.of((u) => {
            if (u.docChanged) latest.current.onText(u.state.doc.toString());
          }),
          appearance,
        ],
      }),
    });
    view.current = made;
    return () => {
      made.destroy();
      remove();
    };
  }, [label]);
  useEffect(() => {
    const v = view.current;
    const { text } = latest.current;
    if (v && v.state.doc.toString() !== text)
      v.dispatch({ changes: { from: 0, to: v.state.doc.length, insert: text } });
  }, [props.revision]);
  useEffect(() => {
    const v = view.current;
    if (v && props.refused?.length)
      v.dispatch(
        setDiagnostics(
          v.state,
          props.refused.map((e) => diagnostic(v, e)),
        ),
      );
  }, [props.refused]);
  return <div ref={place} className="yaml-editor" data-testid="editor" />;
}

function lint(view: EditorView, props: Props): Diagnostic[] {
  const { errors } = parseDocuments(view.state.doc.toString());
  props.onErrors?.(errors);
  return errors.map((e) => diagnostic(view, e));
}

function diagnostic(view: EditorView, e: ProblemDetail): Diagnostic {
  const line = view.state.doc.line(Math.min(Math.max(1, e.line ?? 1), view.state.doc.lines));
  const from = Math.min(line.from + (e.column ?? 1) - 1, line.to);
  return {
    from,
    to: line.to,
    severity: 'error',
    message: [e.path, e.message, e.hint].filter(Boolean).join(' '),
  };
}

function complete(context: CompletionContext, props: Props) {
  const { from, options } = suggest(context.state.doc.toString(), context.pos, props.kind, props.names);
  if (
    options.length === 0 ||
    (!context.explicit &&
      from === context.pos &&
      !/[\s[{,:-]$/.test(context.state.sliceDoc(Math.max(0, from - 1), from)))
  )
    return null;
  return {
    from,
    validFor: /^[\w./-]*$/,
    options: options.map((o) => ({
      label: o.label,
      apply: o.insert,
      detail: o.detail,
      ...(o.info ? { info: o.info } : {}),
      type: o.insert.endsWith(': ') ? 'property' : 'constant',
      boost: o.required ? 1 : 0,
    })),
  };
}

function hover(view: EditorView, at: number, kind: Kind) {
  const text = explain(view.state.doc.toString(), at, kind);
  if (!text) return null;
  return {
    pos: at,
    create: () => {
      const dom = document.createElement('div');
      dom.textContent = text;
      return { dom };
    },
  };
}
