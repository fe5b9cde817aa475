// Changes with what differs, one under the other; each can be unfolded.
import { ExpandableSection } from '@patternfly/react-core';
import type { Change } from '@wocloud/protocol/views.ts';
import { KINDS, type Kind } from '@wocloud/protocol/resources/kinds.ts';
import { useId } from 'react';
import { Link } from 'react-router';
import { documentPath } from '../documents/describe.tsx';
import { UnifiedDiff } from '../editor/UnifiedDiff.tsx';
import { useWords } from '../i18n/language.ts';
import { useAddress } from '../screen/address.ts';
import { StateWord } from '../state/StateWord.tsx';
import { Age } from '../time/Age.tsx';

export function ChangeList({ of, open }: { of: readonly Change[]; open?: boolean }) {
  const { t } = useWords();
  const address = useAddress();
  const id = useId();
  return (
    <ul className="plain-list">
      {of.map((c, i) => {
        const name = `${c.kind} ${c.tenant ?? '-'}/${c.name}`;
        const known = Object.hasOwn(KINDS, c.kind) && c.action !== 'deleted';
        return (
          <li key={name} className="change">
            <div className="change-head">
              <StateWord state={c.action} />
              {known ? (
                <Link to={address(documentPath(c.kind as Kind, c.tenant, c.name))}>{name}</Link>
              ) : (
                <strong>{name}</strong>
              )}
              <span className="subtle">
                {c.by}, <Age at={c.at} />
              </span>
            </div>
            {c.diff ? (
              <ExpandableSection
                toggleText={t('documents.tabDiff')}
                toggleAriaLabel={`${t('documents.tabDiff')} ${name}`}
                {...(open ? { isExpanded: true } : {})}
                contentId={`${id}-diff-${i}`}
                toggleId={`${id}-toggle-${i}`}
              >
                <UnifiedDiff text={c.diff} label={name} />
              </ExpandableSection>
            ) : null}
          </li>
        );
      })}
    </ul>
  );
}
