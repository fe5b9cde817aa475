// One gateway instance: its state and why, its rules and what was wrong with the last ones, what it counts.
import { Alert, Button } from '@patternfly/react-core';
import type { GatewayView } from '@wocloud/protocol/views.ts';
import { Link } from 'react-router';
import { usePages } from '../api/calls.ts';
import { documentPath } from '../documents/describe.tsx';
import { count, memory } from '../format/bytes.ts';
import { useWords } from '../i18n/language.ts';
import { Facts, Section } from '../panel/Facts.tsx';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { useAddress } from '../screen/address.ts';
import { Failure, Loading } from '../screen/Answers.tsx';
import { Cli } from '../screen/Cli.tsx';
import { useMay } from '../session/session.tsx';
import { StateWord } from '../state/StateWord.tsx';
import { Age } from '../time/Age.tsx';
import { Form, Latency } from './columns.tsx';
import { COUNTERS, instanceKey, stateOf } from './instance.ts';
import './gateways.css';

export default function GatewayPanel({ id }: { id: string }) {
  const { t } = useWords();
  const pages = usePages('instances.list', {}, { keep: true });
  const instance = pages.items.find((i) => instanceKey(i) === id);
  if (instance) return <Instance of={instance} />;
  if (pages.error) return <Failure error={pages.error} retry={pages.retry} />;
  if (pages.pending) return <Loading />;
  return <Alert component="p" isInline variant="info" title={t('gateways.gone')} />;
}

function Instance({ of: instance }: { of: GatewayView }) {
  const { t, language } = useWords();
  const may = useMay();
  const address = useAddress();
  return (
    <>
      <div className="panel-title">
        <h2>{instance.id}</h2>
        <StateWord state={stateOf(instance)} />
      </div>
      <Trouble of={instance} />
      <div className="panel-actions">
        <Button
          variant="secondary"
          component={(props) => (
            <Link {...props} to={address(documentPath('Gateway', null, instance.gateway))} />
          )}
        >
          {t('gateways.open')}
        </Button>
        {may('inspection.read') ? (
          <Button
            variant="secondary"
            component={(props) => (
              <Link {...props} to={address('/inspection', { q: `gateway:${instance.id}` })} />
            )}
          >
            {t('gateways.events')}
          </Button>
        ) : null}
        {may('alert.read') ? (
          <Button
            variant="secondary"
            component={(props) => (
              <Link {...props} to={address('/alerts', { state: 'all', q: instance.id })} />
            )}
          >
            {t('gateways.alerts')}
          </Button>
        ) : null}
      </div>
      <Facts
        of={[
          [
            t('gateways.host'),
            <ObjectLink kind="host" id={instance.host}>
              {instance.hostName}
            </ObjectLink>,
          ],
          [t('gateways.since'), <Age at={instance.since / 1000} />],
          [t('gateways.heard'), <Age at={instance.at} />],
          [t('gateways.form'), <Form of={instance.form} />],
          [t('gateways.image'), <span className="mono">{instance.image || '–'}</span>],
          [t('gateways.suricata'), instance.suricata || '–'],
          [t('gateways.latency'), <Latency micros={instance.latencyMicros} />],
          [t('gateways.memory'), memory(instance.residentKiB, language)],
          [t('gateways.loaded'), count(instance.loaded, language)],
          [t('gateways.refused'), count(instance.refused, language)],
          [
            t('gateways.digest'),
            <span className="mono" title={instance.rules}>
              {instance.rules.slice(0, 12) || '–'}
            </span>,
          ],
        ]}
      />
      <Section title={t('gateways.counters')}>
        <Counters of={instance} />
      </Section>
      <Cli command={`wocloud gateways --gateway ${instance.gateway}`} />
    </>
  );
}

/** What is wrong with it, worst first. */
function Trouble({ of: instance }: { of: GatewayView }) {
  const { t } = useWords();
  const { state, reason, stale, rulesError } = instance;
  const bad = state === 'failed' || state === 'degraded';
  return (
    <>
      {stale ? <Alert component="p" isInline variant="warning" title={t('gateways.stale')} /> : null}
      {bad ? (
        <Alert
          component="p"
          isInline
          variant={state === 'failed' ? 'danger' : 'warning'}
          title={t(state === 'failed' ? 'gateways.isFailed' : 'gateways.isDegraded')}
        >
          <p>{reason}</p>
          {state === 'failed' ? <p>{t('gateways.failedWhat')}</p> : null}
        </Alert>
      ) : reason ? (
        <Alert component="p" isInline variant="info" title={reason} />
      ) : null}
      {rulesError ? (
        <Alert component="p" isInline variant="danger" title={t('gateways.rulesError')}>
          <pre className="rules-error" tabIndex={0} aria-label={t('gateways.rulesError')}>
            {rulesError}
          </pre>
        </Alert>
      ) : null}
    </>
  );
}

function Counters({ of: instance }: { of: GatewayView }) {
  const { t, language } = useWords();
  const known = COUNTERS.filter((name) => instance.counters[name] !== undefined);
  const others = Object.keys(instance.counters)
    .filter((name) => !COUNTERS.some((c) => c === name))
    .toSorted((a, b) => a.localeCompare(b));
  if (known.length + others.length === 0) return <p className="subtle">–</p>;
  return (
    <dl className="counters">
      {[
        ...known.map((name) => [name, t(`gateways.${name}`)] as const),
        ...others.map((n) => [n, n] as const),
      ].map(([name, title]) => (
        <div key={name}>
          <dt>{title}</dt>
          <dd className="mono">{count(instance.counters[name] ?? 0, language)}</dd>
        </div>
      ))}
    </dl>
  );
}
