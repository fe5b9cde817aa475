// Changes with what differs, one under the other; each can be unfolded.
import { ExpandableSection } from '@patternfly/react-core';
import type { Change } from '@wocloud/protocol/views.ts';
import { KINDS, type Kind } from '@wocloud/protocol/resources/kinds.ts';
import { useId, useState } from 'react';
import { Link } from 'react-router';
import { documentPath } from '../documents/describe.tsx';
import { UnifiedDiff } from '../editor/UnifiedDiff.tsx';
import { useWords } from '../i18n/language.ts';
import { useAddress } from '../screen/address.ts';
import { StateWord } from '../state/StateWord.tsx';
import { Age } from '../time/Age.tsx';

const KIND_NAMES = Object.keys(KINDS) as Kind[];

/** `open`: what differs is shown from the start, where there is little of it. */
export function ChangeList({ of, open }: { of: readonly Change[]; open?: boolean }) {
  return (
    <ul className="plain-list">
      {of.map((c) => (
        <ChangeItem
          key={`${c.kind} ${c.tenant ?? '-'}/${c.name}`}
          of={c}
          startsOpen={open === true && of.length <= FEW}
        />
      ))}
    </ul>
  );
}
const FEW = 5;

function ChangeItem({ of: c, startsOpen }: { of: Change; startsOpen: boolean }) {
  const { t } = useWords();
  const address = useAddress();
  const id = useId();
  const [open, setOpen] = useState(startsOpen);
  const kind = KIND_NAMES.find((k) => k === c.kind);
  const name = `${kind ? t(`documents.kind_${kind}`) : c.kind} ${c.tenant ? `${c.tenant}/` : ''}${c.name}`;
  return (
    <li className="change">
      <div className="change-head">
        <StateWord state={c.action} />
        {kind && c.action !== 'deleted' ? (
          <Link to={address(documentPath(kind, c.tenant, c.name))}>{name}</Link>
        ) : (
          <strong>{name}</strong>
        )}
        <span className="subtle">
          {c.by} · <Age at={c.at} />
        </span>
      </div>
      {c.diff ? (
        <ExpandableSection
          toggleText={t('documents.tabDiff')}
          toggleAriaLabel={`${t('documents.tabDiff')} ${name}`}
          isExpanded={open}
          onToggle={(_, on) => setOpen(on)}
          contentId={`${id}-diff`}
          toggleId={`${id}-toggle`}
        >
          <UnifiedDiff text={c.diff} label={name} />
        </ExpandableSection>
      ) : null}
    </li>
  );
}
