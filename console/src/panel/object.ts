// Which object the side panel shows, as it stands in the address: `panel=vm:web-1`.
import { useCallback } from 'react';
import { useChange, useParam } from '../screen/address.ts';

export const OBJECTS = [
  'vm',
  'flow',
  'rule',
  'alert',
  'host',
  'group',
  'publication',
  'gateway',
  'event',
] as const;
export type ObjectKind = (typeof OBJECTS)[number];
export interface ObjectRef {
  kind: ObjectKind;
  id: string;
}

/** Reads `kind:id`; null when it names no kind we know. */
export function readObject(text: string): ObjectRef | null {
  const at = text.indexOf(':');
  const kind = OBJECTS.find((k) => k === text.slice(0, at));
  const id = text.slice(at + 1);
  return kind && id ? { kind, id } : null;
}

export const writeObject = (object: ObjectRef) => `${object.kind}:${object.id}`;

/** The panel's object, and how to open another or close it. */
export function usePanel() {
  const object = readObject(useParam('panel'));
  const change = useChange();
  const open = useCallback(
    (kind: ObjectKind, id: string) => change({ panel: writeObject({ kind, id }) }),
    [change],
  );
  const close = useCallback(() => change({ panel: null }), [change]);
  return { object, open, close };
}
