// A place of its own for an editor: CodeMirror adds its rules to a document as style elements, which the page's
// policy forbids, but to a shadow root as constructed sheets, which it allows.

/** An empty element inside `host`'s shadow root, and how to take it away. */
export function shadowPlace(host: HTMLElement): {
  parent: HTMLElement;
  root: ShadowRoot;
  remove: () => void;
} {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
  const parent = document.createElement('div');
  root.append(parent);
  return { parent, root, remove: () => parent.remove() };
}
