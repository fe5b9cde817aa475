// A new document of a kind, from a template that is valid as it stands.
import { KINDS, type Document, type Kind } from '@wocloud/protocol/resources/kinds.ts';
import { useEffect, useState } from 'react';
import { useNavigate } from 'react-router';
import { useWords } from '../i18n/language.ts';
import { useAddress, useParam } from '../screen/address.ts';
import { Screen } from '../screen/Screen.tsx';
import { useSession } from '../session/session.tsx';
import { documentPath } from './describe.tsx';
import { EditorTab } from './EditorTab.tsx';
import { LeaveDialog } from './LeaveDialog.tsx';
import { templateText } from './text.ts';

export function NewDocument({ kind }: { kind: Kind }) {
  const { t } = useWords();
  const { user } = useSession();
  const navigate = useNavigate();
  const address = useAddress();
  const asked = useParam('tenant') || user.tenant;
  const template = templateText(kind, KINDS[kind].scope === 'platform' ? null : asked);
  const [text, setText] = useState(template);
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
        draft={{ text, base: 0, saved: '', revision: 0 }}
        setText={setText}
        onSaved={(_, __, document) => setMade(document)}
      />
      <LeaveDialog dirty={made === null && text !== template} />
    </Screen>
  );
}
