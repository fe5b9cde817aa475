// One VM: state, protection and its reason, network cards, groups, what was refused, alerts, and what one can do.
import { Alert, Button } from '@patternfly/react-core';
import type { VmView } from '@wocloud/protocol/views.ts';
import { useState } from 'react';
import { Link } from 'react-router';
import { alertTitle } from '../alerts/titles.ts';
import { useCall } from '../api/calls.ts';
import { EnforcementSwitch } from '../enforcement/EnforcementSwitch.tsx';
import { FlowLines } from '../flows/FlowLines.tsx';
import { memory } from '../format/bytes.ts';
import { useWords } from '../i18n/language.ts';
import { Facts, Section } from '../panel/Facts.tsx';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { useAddress } from '../screen/address.ts';
import { Answer } from '../screen/Answers.tsx';
import { Cli } from '../screen/Cli.tsx';
import { useMay, useSession } from '../session/session.tsx';
import { StateWord } from '../state/StateWord.tsx';
import { Age } from '../time/Age.tsx';
import { rangeQuery } from '../time/range.ts';
import { useRange } from '../time/useRange.ts';
import { LabelList, labelsOf } from './columns.tsx';
import { LabelsDialog } from './LabelsDialog.tsx';
import './vms.css';

export default function VmPanel({ id }: { id: string }) {
  const vm = useCall('vms.get', { params: { id } });
  return <Answer of={vm}>{(of) => <Vm of={of} />}</Answer>;
}

function Vm({ of: vm }: { of: VmView }) {
  const { t, language } = useWords();
  const { user } = useSession();
  const may = useMay();
  const address = useAddress();
  const [labels, setLabels] = useState(false);
  return (
    <>
      <div className="panel-title">
        <h2>{vm.name}</h2>
        <StateWord state={vm.gone ? 'gone' : vm.state} />
        <StateWord state={vm.protection} />
      </div>
      {vm.gone ? <Alert component="p" isInline variant="info" title={t('vms.lost')} /> : null}
      {vm.reason ? (
        <Alert
          component="p"
          isInline
          variant={vm.protection === 'unprotected' ? 'warning' : 'info'}
          title={vm.reason}
        />
      ) : null}
      <div className="panel-actions">
        {vm.gone ? null : <EnforcementSwitch scope="vm" id={vm.id} name={vm.name} mode={vm.mode} vms={1} />}
        {may('vm.write') ? (
          <Button variant="secondary" onClick={() => setLabels(true)}>
            {t(user.tenant === null ? 'vms.editLabels' : 'vms.editOnlyLabels')}
          </Button>
        ) : null}
        {may('flow.trace') ? (
          <Button
            variant="secondary"
            component={(props) => <Link {...props} to={address('/trace', { src: vm.name })} />}
          >
            {t('vms.trace')}
          </Button>
        ) : null}
      </div>
      <Facts
        of={[
          vm.title ? [t('vms.titleColumn'), vm.title] : null,
          [
            t('vms.mode'),
            <>
              <StateWord state={vm.mode} /> <span className="subtle">{t(`vms.modeFrom_${vm.modeFrom}`)}</span>
            </>,
          ],
          [
            t('vms.tenant'),
            vm.tenant ? (
              <Link to={address(`/tenants/-/${vm.tenant}`)}>{vm.tenant}</Link>
            ) : (
              t('screen.noTenant')
            ),
          ],
          [
            t('vms.host'),
            <ObjectLink kind="host" id={vm.host}>
              {vm.hostName}
            </ObjectLink>,
          ],
          [t('vms.groups'), <Groups vm={vm} />],
          [t('vms.labels'), labelsOf(vm).length ? <LabelList of={labelsOf(vm)} /> : t('vms.noLabels')],
          [t('vms.vcpus'), `${vm.vcpus} · ${memory(vm.memoryKiB, language)}`],
          [t('vms.lastSeen'), <Age at={vm.lastSeen} />],
          [t('vms.firstSeen'), <Age at={vm.firstSeen} />],
          [t('vms.id'), <span className="mono">{vm.id}</span>],
        ]}
      />
      <Section title={t('vms.nics')}>
        <Nics of={vm.nics} />
      </Section>
      {may('flow.read') ? <Refused vm={vm} /> : null}
      {may('alert.read') ? <Alerts vm={vm} /> : null}
      <Cli command={`wocloud describe vm ${vm.name}`} />
      {labels ? <LabelsDialog vm={vm} onClose={() => setLabels(false)} /> : null}
    </>
  );
}

function Groups({ vm }: { vm: VmView }) {
  const { t } = useWords();
  if (vm.groups.length === 0) return <span className="subtle">{t('vms.noGroups')}</span>;
  return (
    <>
      {vm.groups.map((g, i) => (
        <span key={g}>
          {i > 0 ? ' · ' : ''}
          <ObjectLink kind="group" id={g.includes('/') ? g : `-/${g}`}>
            {g}
          </ObjectLink>
        </span>
      ))}
    </>
  );
}

function Nics({ of }: { of: VmView['nics'] }) {
  const { t } = useWords();
  if (of.length === 0) return <p className="subtle">{t('vms.noNics')}</p>;
  return (
    <ul className="plain-list">
      {of.map((n) => (
        <li key={n.mac} className="nic">
          <div>
            <span className="mono">{n.mac}</span> <StateWord state={n.protection} />
          </div>
          <div className="subtle">
            {[n.network, n.bridge, n.vlan === null ? null : `VLAN ${n.vlan}`, n.tap, n.link, n.model]
              .filter(Boolean)
              .join(' · ')}
          </div>
          {n.reason ? <div>{n.reason}</div> : null}
          <div>
            {n.addresses.length === 0 ? <span className="subtle">{t('vms.noAddress')}</span> : null}
            {n.addresses.map((a) => (
              <span key={a.ip} className="nic-address">
                <span className="mono">{a.ip}</span>{' '}
                <span className="subtle">{t(`vms.source_${a.source}`)}</span>
              </span>
            ))}
          </div>
        </li>
      ))}
    </ul>
  );
}

function Refused({ vm }: { vm: VmView }) {
  const { t } = useWords();
  const may = useMay();
  const address = useAddress();
  const [range] = useRange();
  const flows = useCall('flows.list', {
    query: { ...rangeQuery(range), vm: [vm.id], verdict: ['dropped', 'rejected'], limit: 6 },
  });
  return (
    <Section title={t('vms.whatStopped')}>
      <Answer of={flows} lines={2}>
        {(page) =>
          page.items.length ? (
            <FlowLines flows={page.items} />
          ) : (
            <p className="subtle">{t('vms.nothingStopped')}</p>
          )
        }
      </Answer>
      <Link to={address('/flows', { q: `vm:${vm.name}` })}>{t('vms.allFlows')}</Link>
      {may('inspection.read') ? (
        <Link to={address('/inspection', { q: `vm:${vm.name}` })}>{t('vms.events')}</Link>
      ) : null}
    </Section>
  );
}

function Alerts({ vm }: { vm: VmView }) {
  const { t, language } = useWords();
  const alerts = useCall('alerts.list', { query: { vm: vm.id, state: 'open', limit: 5 } });
  return (
    <Section title={t('vms.alerts')}>
      <Answer of={alerts} lines={1}>
        {(page) =>
          page.items.length === 0 ? (
            <p className="subtle">{t('vms.noAlerts')}</p>
          ) : (
            <ul className="plain-list">
              {page.items.map((a) => (
                <li key={a.id}>
                  <StateWord state={a.severity} />{' '}
                  <ObjectLink kind="alert" id={a.id}>
                    {alertTitle(a, language)}
                  </ObjectLink>{' '}
                  <span className="subtle">
                    <Age at={a.lastSeen} />
                  </span>
                </li>
              ))}
            </ul>
          )
        }
      </Answer>
    </Section>
  );
}
