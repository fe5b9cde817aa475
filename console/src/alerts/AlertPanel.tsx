// One alert: its evidence, where it happened, and handling it with a note for whoever looks next.
import { Alert as Note, Button, FormGroup, TextArea } from '@patternfly/react-core';
import { ApiError } from '@wocloud/protocol/client.ts';
import { ALERT_STATES, type Alert } from '@wocloud/protocol/views.ts';
import { useState } from 'react';
import { Link } from 'react-router';
import { useAct, useCall } from '../api/calls.ts';
import { count } from '../format/bytes.ts';
import { useWords } from '../i18n/language.ts';
import { Facts, Section } from '../panel/Facts.tsx';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { useAddress } from '../screen/address.ts';
import { Answer, Failure } from '../screen/Answers.tsx';
import { Cli } from '../screen/Cli.tsx';
import { useMay } from '../session/session.tsx';
import { StateWord } from '../state/StateWord.tsx';
import { Age } from '../time/Age.tsx';
import { fixedRange } from '../time/range.ts';
import { Evidence } from './Evidence.tsx';
import { alertAdvice, alertTitle, instanceOf } from './titles.ts';

export default function AlertPanel({ id }: { id: string }) {
  const { t } = useWords();
  const alert = useCall('alerts.get', { params: { id } });
  if (alert.error instanceof ApiError && alert.error.problem.status === 404)
    return <Note component="p" isInline variant="info" title={t('alerts.gone')} />;
  return <Answer of={alert}>{(of) => <Shown of={of} />}</Answer>;
}

const AROUND_MS = 300_000;
const VERBS = { open: 'reopen', acknowledged: 'acknowledge', resolved: 'resolve' } as const;
const COMMANDS = { open: 'reopen', acknowledged: 'ack', resolved: 'resolve' } as const;

/** The events that made it: of its signature, at its VM. */
const eventFilter = ({ evidence, vmName }: Alert) =>
  [
    typeof evidence['signature'] === 'number' ? `signature:${evidence['signature']}` : 'type:alert',
    ...(vmName ? [`vm:${vmName}`] : []),
  ].join(' ');

function Shown({ of: alert }: { of: Alert }) {
  const { t, language } = useWords();
  const may = useMay();
  const address = useAddress();
  const [note, setNote] = useState('');
  const update = useAct('alerts.update', ['alerts.list', 'alerts.get', 'status.get']);
  const around = fixedRange(Date.parse(alert.firstSeen) - AROUND_MS, Date.parse(alert.lastSeen) + AROUND_MS);
  const advice = alertAdvice(alert.kind, language);
  const turn = (state: Alert['state']) =>
    update.mutate(
      { params: { id: alert.id }, body: { state, ...(note ? { note } : {}) } },
      { onSuccess: () => setNote('') },
    );
  return (
    <>
      <div className="panel-title">
        <h2>{alertTitle(alert, language)}</h2>
        <StateWord state={alert.severity} />
        <StateWord state={alert.state} />
      </div>
      <Facts
        of={[
          [t('alerts.kind'), <span className="mono">{alert.kind}</span>],
          [t('alerts.count'), count(alert.count, language)],
          [t('alerts.first'), <Age at={alert.firstSeen} />],
          [t('alerts.last'), <Age at={alert.lastSeen} />],
          alert.vm
            ? [
                t('panel.vm'),
                <ObjectLink kind="vm" id={alert.vm}>
                  {alert.vmName ?? alert.vm}
                </ObjectLink>,
              ]
            : null,
          alert.host
            ? [
                t('panel.host'),
                <ObjectLink kind="host" id={alert.host}>
                  {alert.hostName ?? alert.host}
                </ObjectLink>,
              ]
            : null,
          alert.tenant ? [t('alerts.tenant'), alert.tenant] : null,
          alert.handledBy ? [t('alerts.handledBy'), alert.handledBy] : null,
          alert.note ? [t('alerts.note'), alert.note] : null,
        ]}
      />
      {advice ? <p className="panel-advice">{advice}</p> : null}
      {may('alert.write') ? (
        <Section title={t('alerts.handle')}>
          {update.error ? <Failure error={update.error} title={t('screen.actFailed')} /> : null}
          <FormGroup label={t('alerts.noteLabel')} fieldId="note">
            <TextArea id="note" rows={2} value={note} onChange={(_, v) => setNote(v)} />
          </FormGroup>
          <div className="panel-actions">
            {ALERT_STATES.filter((s) => s !== alert.state)
              .toReversed()
              .map((s) => (
                <Button
                  key={s}
                  variant={s === 'resolved' ? 'primary' : 'secondary'}
                  isDisabled={update.isPending}
                  onClick={() => turn(s)}
                >
                  {t(`alerts.${VERBS[s]}`)}
                </Button>
              ))}
          </div>
        </Section>
      ) : null}
      <Section title={t('alerts.evidence')}>
        <Evidence of={alert} />
        {alert.vm && may('flow.read') ? (
          <Link
            to={address('/flows', {
              q: `vm:${alert.vmName ?? alert.vm}`,
              since: around.since,
              until: around.until,
            })}
          >
            {t('alerts.flows')}
          </Link>
        ) : null}
        {alert.kind.startsWith('gateway.') && instanceOf(alert) && may('gateway.read') ? (
          <Link to={address('/gateways', { q: instanceOf(alert) })}>{t('alerts.gateway')}</Link>
        ) : null}
        {alert.kind === 'inspection.alert' && may('inspection.read') ? (
          <Link
            to={address('/inspection', {
              q: eventFilter(alert),
              since: around.since,
              until: around.until,
            })}
          >
            {t('alerts.events')}
          </Link>
        ) : null}
      </Section>
      <Cli
        command={`wocloud alerts ${COMMANDS[alert.state === 'open' ? 'acknowledged' : 'open']} ${alert.id}`}
      />
    </>
  );
}
