// A new document of a kind, from a template that is valid as it stands.
import { KINDS, type Document, type Kind } from '@wocloud/protocol/resources/kinds.ts';
import { useEffect, useState } from 'react';
import { useLocation, useNavigate } from 'react-router';
import { useWords } from '../i18n/language.ts';
import { useAddress, useParam } from '../screen/address.ts';
import { Screen } from '../screen/Screen.tsx';
import { useSession } from '../session/session.tsx';
import { documentPath } from './describe.tsx';
import { EditorTab } from './EditorTab.tsx';
import { LeaveDialog } from './LeaveDialog.tsx';
import { templateText } from './text.ts';

/** What the address' state may carry: a text to begin with instead of the template. */
const startOf = (state: unknown): string | null => {
  const start: unknown = (state as { start?: unknown } | null)?.start;
  return typeof start === 'string' ? start : null;
};

export function NewDocument({ kind }: { kind: Kind }) {
  const { t } = useWords();
  const { user } = useSession();
  const navigate = useNavigate();
  const address = useAddress();
  const asked = useParam('tenant') || user.tenant;
  const template = templateText(kind, KINDS[kind].scope === 'platform' ? null : asked);
  const { state } = useLocation();
  const [{ text, revision }, setDraft] = useState({ text: startOf(state) ?? template, revision: 0 });
  const [made, setMade] = useState<Document | null>(null);
  // Once saved there is nothing left to lose, and the document has a page of its own.
  useEffect(() => {
    if (made)
      void navigate(address(documentPath(kind, made.metadata.tenant, made.metadata.name)), { replace: true });
  }, [made, navigate, address, kind]);
  return (
    <Screen
      title={t('documents.newTitle', { kind: t(`documents.kind_${kind}`) })}
      cli={`wocloud apply -f ${kind.toLowerCase()}.yaml`}
    >
      <EditorTab
        kind={kind}
        stored={null}
        draft={{ text, base: 0, saved: '', revision }}
        setText={(next) => setDraft((d) => ({ ...d, text: next }))}
        replaceText={(next) => setDraft((d) => ({ text: next, revision: d.revision + 1 }))}
        onSaved={(_, __, document) => setMade(document)}
      />
      <LeaveDialog dirty={made === null && text !== template} />
    </Screen>
  );
}
