// One host: its state, what stands in the way of protection, what it applied and its proof, what it counted.
import { Alert, Button, ExpandableSection } from '@patternfly/react-core';
import type { HostView } from '@wocloud/protocol/views.ts';
import { useState } from 'react';
import { Link } from 'react-router';
import { useAct, useCall } from '../api/calls.ts';
import { EnforcementSwitch } from '../enforcement/EnforcementSwitch.tsx';
import { bytes, count, memory } from '../format/bytes.ts';
import { duration } from '../format/moment.ts';
import { useWords } from '../i18n/language.ts';
import { Facts, Section } from '../panel/Facts.tsx';
import { usePanel } from '../panel/object.ts';
import { useAddress } from '../screen/address.ts';
import { Answer } from '../screen/Answers.tsx';
import { Cli } from '../screen/Cli.tsx';
import { Confirm } from '../screen/Confirm.tsx';
import { useMay } from '../session/session.tsx';
import { StateWord } from '../state/StateWord.tsx';
import { Age } from '../time/Age.tsx';

export default function HostPanel({ id }: { id: string }) {
  const host = useCall('hosts.get', { params: { id } });
  return <Answer of={host}>{(of) => <Host of={of} />}</Answer>;
}

function Host({ of: host }: { of: HostView }) {
  const { t, language } = useWords();
  const may = useMay();
  const address = useAddress();
  const [forgetting, setForgetting] = useState(false);
  const { facts, generation } = host;
  const behind = generation.desired - generation.applied;
  return (
    <>
      <div className="panel-title">
        <h2>{host.name}</h2>
        <StateWord state={host.state} />
        {behind > 0 ? <StateWord state="behind" /> : null}
      </div>
      {facts && !facts.libvirtUp ? (
        <Alert component="p" isInline variant="danger" title={t('hosts.libvirtDown')} />
      ) : null}
      {facts?.notices.map((n) => (
        <Alert component="p" key={n.code + n.message} isInline variant="warning" title={n.message}>
          {n.action} <small className="mono">{n.code}</small>
        </Alert>
      ))}
      {generation.error ? <Alert component="p" isInline variant="danger" title={generation.error} /> : null}
      <div className="panel-actions">
        <EnforcementSwitch scope="host" id={host.name} name={host.name} mode={host.mode} vms={host.vms} />
        {may('host.write') ? (
          <Button variant="secondary" isDanger onClick={() => setForgetting(true)}>
            {t('hosts.forget')}
          </Button>
        ) : null}
      </div>
      <Facts
        of={[
          [
            t('hosts.vms'),
            <Link to={address('/vms', { host: host.name })}>{count(host.vms, language)}</Link>,
          ],
          [t('hosts.mode'), <StateWord state={host.mode} />],
          [
            t('hosts.generation'),
            `${generation.applied} / ${generation.desired} ${behind > 0 ? t('hosts.behind', { count: behind }) : t('hosts.current')}`,
          ],
          [t('hosts.applied'), <Age at={generation.appliedAt} />],
          [t('hosts.lastSeen'), <Age at={host.lastSeen} />],
          [t('hosts.since'), <Age at={host.since} />],
          facts ? [t('hosts.kernel'), facts.kernel] : null,
          facts ? [t('hosts.libvirt'), `${facts.libvirt} / ${facts.qemu}`] : null,
          facts
            ? [
                t('hosts.hardware'),
                t('hosts.cpus', { cpus: facts.cpus, memory: memory(facts.memoryKiB, language) }),
              ]
            : null,
          may('gateway.read')
            ? [
                t('hosts.gateways'),
                <Link to={address('/gateways', { host: host.name })}>{t('hosts.gatewaysOf')}</Link>,
              ]
            : null,
          host.images && host.images.length > 0
            ? [t('hosts.images'), <span className="mono">{host.images.join(' ')}</span>]
            : null,
          [
            t('hosts.engine'),
            `${host.engine}${host.residentBytes === null ? '' : ` · ${bytes(host.residentBytes, language)}`}`,
          ],
        ]}
      />
      <Receipts host={host} />
      <ExpandableSection toggleText={t('hosts.counters')} className="panel-section" isIndented>
        <dl className="counters mono">
          {Object.entries(host.counters)
            .toSorted(([a], [b]) => a.localeCompare(b))
            .map(([name, n]) => (
              <div key={name}>
                <dt>{name}</dt>
                <dd>{count(n, language)}</dd>
              </div>
            ))}
        </dl>
      </ExpandableSection>
      <Cli command={`wocloud host check ${host.name}`} />
      {forgetting ? <Forget host={host} onClose={() => setForgetting(false)} /> : null}
    </>
  );
}

function Receipts({ host }: { host: HostView }) {
  const { t, language } = useWords();
  const receipts = useCall('hosts.receipts', { params: { id: host.id }, query: { limit: 10 } });
  return (
    <Section title={t('hosts.receipts')}>
      <Answer of={receipts} lines={3}>
        {(page) =>
          page.items.length === 0 ? (
            <p className="subtle">{t('hosts.noReceipts')}</p>
          ) : (
            <ul className="plain-list">
              {page.items.map((r) => (
                <li key={`${r.generation}-${r.at}`}>
                  <StateWord state={r.result} /> {t('publications.generation')} {r.generation} ·{' '}
                  {duration(r.took, language)} · <Age at={r.at / 1000} />{' '}
                  <span className="mono subtle" title={r.digest}>
                    {r.digest.slice(0, 12)}
                  </span>
                  {r.error ? <div className="receipt-error">{r.error}</div> : null}
                </li>
              ))}
            </ul>
          )
        }
      </Answer>
    </Section>
  );
}

function Forget({ host, onClose }: { host: HostView; onClose: () => void }) {
  const { t } = useWords();
  const { close } = usePanel();
  const forget = useAct('hosts.delete', ['hosts.list', 'status.get', 'vms.list']);
  return (
    <Confirm
      title={t('hosts.forgetTitle', { name: host.name })}
      undo={t('hosts.forgetUndo')}
      cli={`wocloud host forget ${host.name}`}
      act={t('hosts.forgetDo')}
      danger
      pending={forget.isPending}
      error={forget.error}
      onAct={() => forget.mutate({ params: { id: host.id } }, { onSuccess: close })}
      onClose={onClose}
    >
      <p>
        {t('hosts.forgetWhat')} {t('enforcement.touches', { count: host.vms })}
      </p>
    </Confirm>
  );
}
