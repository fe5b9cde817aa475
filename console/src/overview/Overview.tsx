// Is everything well? One sentence, then what needs a person, traffic over time, and what was refused last.
import { Button, Card, CardBody, CardTitle } from '@patternfly/react-core';
import type { Overview as Status } from '@wocloud/protocol/views.ts';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { useCall } from '../api/calls.ts';
import { alertTitle } from '../alerts/titles.ts';
import { FlowHistogram } from '../flows/FlowHistogram.tsx';
import { FlowLines } from '../flows/FlowLines.tsx';
import { count } from '../format/bytes.ts';
import { useWords } from '../i18n/language.ts';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { useAddress } from '../screen/address.ts';
import { Answer, Empty } from '../screen/Answers.tsx';
import { Screen } from '../screen/Screen.tsx';
import { useMay, useSession } from '../session/session.tsx';
import { StateWord } from '../state/StateWord.tsx';
import { Age } from '../time/Age.tsx';
import { rangeQuery } from '../time/range.ts';
import { useRange } from '../time/useRange.ts';
import { Sentence } from './Sentence.tsx';
import './overview.css';

export default function Overview() {
  const { t } = useWords();
  const session = useSession();
  const status = useCall('status.get', {}, { every: 30_000 });
  return (
    <Screen title={t('overview.title')} cli="wocloud status">
      <Answer of={status}>
        {(of) => (of.hosts.total > 0 ? <Board of={of} /> : session.user.tenant ? <NoVms /> : <NoHosts />)}
      </Answer>
    </Screen>
  );
}

/** To someone of a tenant hosts are none of theirs to add: what is missing is a VM, or a grant on one. */
function NoVms() {
  const { t } = useWords();
  const { user } = useSession();
  return (
    <Empty title={t('overview.noVms')} cli="wocloud get vms">
      {user.tenantRole === 'owner' ? t('overview.noVmsOwner') : t('overview.noVmsMember')}
    </Empty>
  );
}

function NoHosts() {
  const { t } = useWords();
  const address = useAddress();
  return (
    <Empty
      title={t('overview.empty')}
      cli="wocloud host token"
      action={
        <Button component={(props) => <Link {...props} to={address('/hosts', { add: '1' })} />}>
          {t('overview.addHost')}
        </Button>
      }
    >
      {t('overview.emptyBody')}
    </Empty>
  );
}

function Board({ of }: { of: Status }) {
  const { t, rich } = useWords();
  const may = useMay();
  const address = useAddress();
  return (
    <div className="board">
      <Sentence of={of} />
      <div className="board-numbers">
        <Numbers
          title={t('overview.protection')}
          rows={[
            [t('overview.total'), of.vms.total, address('/vms')],
            [t('overview.runningVms'), of.vms.running, address('/vms', { state: 'running' })],
            [<StateWord state="enforced" />, of.vms.enforced, address('/vms', { protection: 'enforced' })],
            [<StateWord state="observed" />, of.vms.observed, address('/vms', { protection: 'observed' })],
            [
              <StateWord state="unprotected" />,
              of.vms.unprotected,
              address('/vms', { protection: 'unprotected' }),
            ],
          ]}
        />
        {may('host.read') ? (
          <Numbers
            title={t('overview.hosts')}
            rows={[
              [t('overview.total'), of.hosts.total, address('/hosts')],
              [t('overview.hostsConnected'), of.hosts.connected, address('/hosts')],
              [t('overview.hostsBehind'), of.hosts.behind, address('/hosts')],
            ]}
          />
        ) : null}
        {of.gateways && of.gateways.total > 0 && may('gateway.read') ? (
          <Numbers
            title={t('overview.gateways')}
            rows={[
              [t('overview.total'), of.gateways.total, address('/gateways')],
              [t('overview.gatewaysBroken'), of.gateways.failed, address('/gateways', { state: 'failed' })],
            ]}
          />
        ) : null}
        <Numbers
          title={t('overview.flows')}
          rows={[
            [t('overview.lastMinute'), of.flows.lastMinute, address('/flows', { since: '1m', until: null })],
            [
              t('overview.dropped'),
              of.flows.dropped,
              address('/flows', { since: '1m', until: null, q: 'verdict:dropped,rejected' }),
            ],
            ...(may('host.read') ? [[t('overview.lost'), of.flows.lost, address('/hosts')] as const] : []),
          ]}
        />
        <Numbers
          title={t('overview.policies')}
          rows={[
            [t('overview.policiesTotal'), of.policies.total, address('/policies')],
            [t('overview.unpublished'), of.policies.unpublished, address('/publications')],
          ]}
        >
          {of.lastPublication ? (
            <p className="subtle">
              {rich(
                'overview.lastPublication',
                { who: of.lastPublication.by },
                { ago: <Age at={of.lastPublication.at} /> },
              )}
            </p>
          ) : null}
        </Numbers>
      </div>
      {may('alert.read') && of.alerts.open > 0 ? <OpenAlerts /> : null}
      {may('flow.read') ? <Traffic /> : null}
    </div>
  );
}

interface NumbersProps {
  title: string;
  rows: readonly (readonly [name: ReactNode, value: number, to: string])[];
  children?: ReactNode;
}

function Numbers({ title, rows, children }: NumbersProps) {
  const { language } = useWords();
  return (
    <Card isCompact>
      <CardTitle component="h2">{title}</CardTitle>
      <CardBody>
        <dl className="numbers">
          {rows.map(([name, value, to]) => (
            <div key={to + String(value) + (typeof name === 'string' ? name : '')}>
              <dt>{name}</dt>
              <dd>
                <Link to={to}>{count(value, language)}</Link>
              </dd>
            </div>
          ))}
        </dl>
        {children}
      </CardBody>
    </Card>
  );
}

function Traffic() {
  const { t } = useWords();
  const [range] = useRange();
  const drops = useCall(
    'flows.list',
    { query: { ...rangeQuery(range), verdict: ['dropped', 'rejected'], limit: 8 } },
    { every: 15_000, keep: true },
  );
  return (
    <>
      <Card isCompact>
        <CardTitle component="h2">{t('time.histogram')}</CardTitle>
        <CardBody>
          <FlowHistogram filter={{}} every={15_000} />
        </CardBody>
      </Card>
      <Card isCompact>
        <CardTitle component="h2">{t('overview.drops')}</CardTitle>
        <CardBody>
          <Answer of={drops} lines={3}>
            {(page) =>
              page.items.length > 0 ? (
                <FlowLines flows={page.items} />
              ) : (
                <p className="subtle">{t('overview.noDrops')}</p>
              )
            }
          </Answer>
        </CardBody>
      </Card>
    </>
  );
}

function OpenAlerts() {
  const { t, language } = useWords();
  const alerts = useCall('alerts.list', { query: { state: 'open', limit: 5 } });
  return (
    <Card isCompact>
      <CardTitle component="h2">{t('overview.alertsTitle')}</CardTitle>
      <CardBody>
        <Answer of={alerts} lines={2}>
          {(page) => (
            <ul className="lines">
              {page.items.map((a) => (
                <li key={a.id}>
                  <StateWord state={a.severity} />
                  <ObjectLink kind="alert" id={a.id}>
                    {alertTitle(a, language)}
                  </ObjectLink>
                  <span className="subtle">
                    {a.vmName ?? a.hostName ?? ''} · <Age at={a.lastSeen} />
                  </span>
                </li>
              ))}
            </ul>
          )}
        </Answer>
      </CardBody>
    </Card>
  );
}
