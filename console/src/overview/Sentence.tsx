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
import { useMay } from '../session/session.tsx';

export function Sentence({ of }: { of: Overview }) {
  const { t, rich, language } = useWords();
  const address = useAddress();
  const now = useNow();
  const may = useMay();
  const to = (path: string, params?: Record<string, string>) => <Link to={address(path, params)} />;
  const toHosts = may('host.read') ? to('/hosts') : <span />;
  const { vms, hosts, alerts, lastPublication: last } = of;
  const silent = hosts.total - hosts.connected;
  const stopped = vms.total - vms.enforced - vms.observed - vms.unprotected;
  const all = vms.total > 0 && vms.enforced === vms.total;
  // "As published" is said only when every host has proven it.
  const proven = all && silent === 0 && hosts.behind === 0 && last?.state === 'published';
  const there = [
    rich('overview.vms', { count: vms.total }, { vms: to('/vms') }),
    rich('overview.hosts', { count: hosts.total }, { hosts: toHosts }),
  ];
  const parts: ReactNode[] = [
    <>
      {language === 'en' ? there[0] : there[1]} {language === 'en' ? there[1] : there[0]}
    </>,
    ...(all
      ? [t('overview.enforcedAll')]
      : (['enforced', 'observed', 'unprotected'] as const)
          .filter((p) => vms[p] > 0)
          .map((p) => rich(`overview.${p}`, { number: vms[p] }, { to: to('/vms', { protection: p }) }))),
    ...(stopped > 0 ? [t('overview.stopped', { number: stopped })] : []),
    last
      ? rich(
          proven ? 'overview.published' : 'overview.lastPublished',
          { ago: age(Date.parse(last.at), now, language) },
          { to: to('/publications', { panel: `publication:${last.id}` }) },
        )
      : rich('overview.neverPublished', {}, { to: to('/publications') }),
  ];
  const needs: ReactNode[] = [
    ...(silent > 0 ? [rich('overview.silent', { count: silent }, { to: toHosts })] : []),
    ...(hosts.behind > 0 ? [rich('overview.behind', { count: hosts.behind }, { to: toHosts })] : []),
    ...(of.gateways && of.gateways.failed > 0
      ? [
          rich(
            'overview.gatewaysFailed',
            { count: of.gateways.failed },
            { to: to('/gateways', { state: 'failed' }) },
          ),
        ]
      : []),
    alerts.open === 0
      ? t('overview.alertsNone')
      : rich('overview.alerts', { count: alerts.open }, { to: to('/alerts', { state: 'open' }) }),
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
          {needs.map((need, i) => (
            <Fragment key={i}>
              {need}
              {language === 'en' ? ' ' : ''}
            </Fragment>
          ))}
        </p>
      </div>
    </div>
  );
}
