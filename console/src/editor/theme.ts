// The editor's looks, from PatternFly's tokens, so that light and dark follow the page.
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { EditorView } from '@codemirror/view';
import { tags } from '@lezer/highlight';

const token = (name: string) => `var(--pf-t--global--${name})`;

const look = EditorView.theme({
  '&': {
    backgroundColor: token('background--color--primary--default'),
    color: token('text--color--regular'),
    border: `1px solid ${token('border--color--default')}`,
    borderRadius: token('border--radius--small'),
    fontSize: token('font--size--body--sm'),
    maxHeight: '62vh',
    minHeight: '12rem',
  },
  '&.cm-focused': { outline: `2px solid ${token('border--color--brand--default')}`, outlineOffset: '-1px' },
  '.cm-scroller': { fontFamily: token('font--family--mono'), lineHeight: '1.6' },
  '.cm-content': { caretColor: token('text--color--regular') },
  '.cm-cursor': { borderLeftColor: token('text--color--regular') },
  '.cm-gutters': {
    backgroundColor: token('background--color--secondary--default'),
    color: token('text--color--subtle'),
    border: 'none',
  },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'transparent' },
  '&.cm-focused .cm-activeLine': { backgroundColor: token('background--color--primary--hover') },
  '&.cm-focused .cm-selectionBackground, .cm-selectionBackground, .cm-content ::selection': {
    backgroundColor: 'light-dark(#b9dafc, #004d99) !important',
  },
  '.cm-tooltip': {
    backgroundColor: token('background--color--floating--default'),
    color: token('text--color--regular'),
    border: `1px solid ${token('border--color--default')}`,
  },
  '.cm-tooltip-autocomplete ul li[aria-selected]': {
    backgroundColor: token('color--brand--default'),
    color: token('text--color--on-brand--default'),
  },
  '.cm-completionDetail': { color: 'inherit', opacity: '0.75', marginLeft: '1em' },
  '.cm-tooltip-hover': { padding: '4px 8px', maxWidth: '40em', whiteSpace: 'pre-wrap' },
  '.cm-insertedLine, .cm-changedLine': { backgroundColor: 'light-dark(#e9f7df, #1d3a0f) !important' },
  '.cm-deletedChunk': { backgroundColor: 'light-dark(#fbe7e4, #4a1a12) !important' },
  '.cm-changedText': { background: 'light-dark(#c9ebb2, #2f5a1b) !important' },
  '.cm-deletedChunk .cm-deletedText': { background: 'light-dark(#f5bdb4, #74291c) !important' },
});

const colours = syntaxHighlighting(
  HighlightStyle.define([
    { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'light-dark(#004d99, #92c5f9)' },
    { tag: [tags.string, tags.content], color: 'light-dark(#1f1f1f, #e0e0e0)' },
    { tag: [tags.number, tags.bool, tags.null, tags.keyword], color: 'light-dark(#5e40be, #b6a6e9)' },
    { tag: [tags.lineComment, tags.comment, tags.meta], color: 'light-dark(#5c5c5c, #a3a3a3)' },
    { tag: [tags.punctuation, tags.separator, tags.bracket], color: 'light-dark(#4d4d4d, #c7c7c7)' },
  ]),
);

export const appearance = [look, colours];
