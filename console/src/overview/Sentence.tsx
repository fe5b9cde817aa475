// The answer first: one sentence that says whether things are well, each number a link to its list.
import { Title } from '@patternfly/react-core';
import CheckCircleIcon from '@patternfly/react-icons/dist/esm/icons/check-circle-icon';
import ExclamationTriangleIcon from '@patternfly/react-icons/dist/esm/icons/exclamation-triangle-icon';
import type { Overview } from '@wocloud/protocol/views.ts';
import { Fragment, type ReactNode } from 'react';
import { Link } from 'react-router';
import { age } from '../format/moment.ts';
import { useWords } from '../i18n/language.ts';
import { useNow } from '../live/now.ts';
import { useAddress } from '../screen/address.ts';

export function Sentence({ of }: { of: Overview }) {
  const { t, rich, language } = useWords();
  const address = useAddress();
  const now = useNow();
  const to = (path: string, params?: Record<string, string>) => <Link to={address(path, params)} />;
  const protection = (['enforced', 'observed', 'unprotected'] as const).filter((p) => of.vms[p] > 0);
  const parts: ReactNode[] = [
    <>
      {rich('overview.vms', { count: of.vms.total }, { vms: to('/vms') })}
      {language === 'en' ? ' ' : ''}
      {rich('overview.hosts', { count: of.hosts.total }, { hosts: to('/hosts') })}
    </>,
    ...(of.vms.enforced === of.vms.total && of.vms.total > 0
      ? [t('overview.enforcedAll')]
      : protection.map((p) =>
          rich(`overview.${p}`, { number: of.vms[p] }, { to: to('/vms', { protection: p }) }),
        )),
    of.lastPublication
      ? rich(
          'overview.published',
          { ago: age(Date.parse(of.lastPublication.at), now, language) },
          { to: to('/publications', { panel: `publication:${of.lastPublication.id}` }) },
        )
      : rich('overview.neverPublished', {}, { to: to('/publications') }),
  ];
  const comma = language === 'en' ? ', ' : '，';
  return (
    <div className={`sentence ${of.healthy ? 'sentence-well' : 'sentence-bad'}`} data-testid="sentence">
      {of.healthy ? <CheckCircleIcon aria-hidden="true" /> : <ExclamationTriangleIcon aria-hidden="true" />}
      <div>
        <Title headingLevel="h2" size="lg">
          {of.healthy ? t('overview.well') : t('overview.notWell')}
        </Title>
        <p>
          {parts.map((part, i) => (
            <Fragment key={i}>
              {i > 0 ? comma : ''}
              {part}
            </Fragment>
          ))}
          {language === 'en' ? '. ' : '。'}
          {of.alerts.open === 0
            ? t('overview.alertsNone')
            : rich('overview.alerts', { count: of.alerts.open }, { to: to('/alerts', { state: 'open' }) })}
        </p>
      </div>
    </div>
  );
}
