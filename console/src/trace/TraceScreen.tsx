// What would happen to a packet, and why: the deciding rule and every step on the way. No packet is sent.
import { Alert, Button, Form, FormGroup, TextInput, Title } from '@patternfly/react-core';
import ExchangeAltIcon from '@patternfly/react-icons/dist/esm/icons/exchange-alt-icon';
import type { ResponseOf } from '@wocloud/protocol/api.ts';
import { TIERS } from '@wocloud/protocol/resources/policy.ts';
import { useEffect, useId, useState } from 'react';
import { Link } from 'react-router';
import { useCall } from '../api/calls.ts';
import { documentPath } from '../documents/describe.tsx';
import { useNames } from '../documents/useNames.ts';
import { readRule } from '../flows/ends.ts';
import { RuleName } from '../flows/RuleName.tsx';
import { useWords } from '../i18n/language.ts';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { useAddress, useChange, useParam } from '../screen/address.ts';
import { Empty, Failure, Loading } from '../screen/Answers.tsx';
import { Screen } from '../screen/Screen.tsx';
import { StateWord, type State } from '../state/StateWord.tsx';
import { words } from '../state/words.ts';
import { GatewayHop } from './GatewayHop.tsx';
import { isGateway, type Step } from './gateway.ts';
import { stepWhy, why } from './why.ts';
import './trace.css';

type Trace = ResponseOf<'trace.create'>;
const stateOf = (text: string): State => (Object.hasOwn(words, text) ? (text as State) : 'unknown');

export default function TraceScreen() {
  const { t } = useWords();
  const asked = {
    src: useParam('src'),
    dst: useParam('dst'),
    service: useParam('service'),
    network: useParam('network'),
  };
  const complete = asked.src !== '' && asked.dst !== '' && asked.service !== '';
  const body = {
    src: asked.src,
    dst: asked.dst,
    service: asked.service,
    ...(asked.network ? { network: asked.network } : {}),
  };
  const trace = useCall('trace.create', { body }, { enabled: complete });
  return (
    <Screen
      title={t('trace.title')}
      answer={t('trace.answer')}
      cli={`wocloud trace ${asked.src || 'web-1'} ${asked.dst || 'db-1'} ${asked.service || 'tcp/5432'}${asked.network ? ` --network ${asked.network}` : ''}`}
    >
      <Ends asked={asked} />
      <div aria-live="polite">
        {!complete ? (
          <Empty title={t('trace.empty')}>{t('trace.emptyBody')}</Empty>
        ) : trace.data ? (
          <Result of={trace.data} src={asked.src} dst={asked.dst} />
        ) : trace.error ? (
          <Failure error={trace.error} retry={() => void trace.refetch()} />
        ) : (
          <Loading />
        )}
      </div>
    </Screen>
  );
}

interface Asked {
  src: string;
  dst: string;
  service: string;
  network: string;
}

function Ends({ asked }: { asked: Asked }) {
  const { t } = useWords();
  const change = useChange();
  const names = useNames();
  const id = useId();
  const [ends, setEnds] = useState(asked);
  const { src, dst, service, network } = asked;
  useEffect(() => setEnds({ src, dst, service, network }), [src, dst, service, network]);
  const set = (part: Partial<Asked>) => setEnds({ ...ends, ...part });
  const trimmed = (of: Asked) => ({
    src: of.src.trim(),
    dst: of.dst.trim(),
    service: of.service.trim(),
    network: of.network.trim(),
  });
  return (
    <Form
      className="trace-ends"
      onSubmit={(event) => {
        event.preventDefault();
        change(trimmed(ends));
      }}
    >
      <FormGroup label={t('trace.src')} fieldId={`${id}-src`}>
        <TextInput
          id={`${id}-src`}
          list={`${id}-vms`}
          placeholder={t('trace.vmOrIp')}
          value={ends.src}
          onChange={(_, v) => set({ src: v })}
        />
      </FormGroup>
      <Button
        variant="plain"
        aria-label={t('trace.swap')}
        icon={<ExchangeAltIcon />}
        onClick={() => {
          const swapped = { ...ends, src: ends.dst, dst: ends.src };
          setEnds(swapped);
          if (src && dst) change(trimmed(swapped));
        }}
      />
      <FormGroup label={t('trace.dst')} fieldId={`${id}-dst`}>
        <TextInput
          id={`${id}-dst`}
          list={`${id}-vms`}
          placeholder={t('trace.vmOrIp')}
          value={ends.dst}
          onChange={(_, v) => set({ dst: v })}
        />
      </FormGroup>
      <FormGroup label={t('trace.service')} fieldId={`${id}-service`}>
        <TextInput
          id={`${id}-service`}
          list={`${id}-services`}
          placeholder="tcp/443"
          value={ends.service}
          onChange={(_, v) => set({ service: v })}
        />
      </FormGroup>
      <FormGroup label={t('trace.network')} fieldId={`${id}-network`}>
        <TextInput id={`${id}-network`} value={ends.network} onChange={(_, v) => set({ network: v })} />
      </FormGroup>
      <Button type="submit" isDisabled={!ends.src.trim() || !ends.dst.trim() || !ends.service.trim()}>
        {t('trace.go')}
      </Button>
      <datalist id={`${id}-vms`}>
        {names.vm?.slice(0, 500).map((n) => (
          <option key={n} value={n} />
        ))}
      </datalist>
      <datalist id={`${id}-services`}>
        {[...(names.service ?? []), 'tcp/22', 'tcp/80', 'tcp/443', 'tcp/5432', 'udp/53', 'icmp'].map((n) => (
          <option key={n} value={n} />
        ))}
      </datalist>
    </Form>
  );
}

function StepTier({ of: text }: { of: string | null }) {
  const { t } = useWords();
  const tier = TIERS.find((x) => x === text);
  return tier ? (
    <span className="subtle">{t('trace.tierOf', { tier: t(`policies.tier_${tier}`) })}</span>
  ) : null;
}

function Result({ of: trace, src, dst }: { of: Trace; src: string; dst: string }) {
  const { t, rich, language } = useWords();
  const address = useAddress();
  const rule = readRule(trace.rule);
  return (
    <div className="trace-result" data-testid="trace">
      <div className={`trace-verdict trace-${trace.verdict}`}>
        <Title headingLevel="h2" size="xl">
          <StateWord state={trace.verdict} />
        </Title>
        <p>{language === 'en' ? trace.why : why(trace, t)}</p>
        <p>
          {rich('trace.decidedBy', {}, { rule: <RuleName id={trace.rule} /> })}
          {rule?.kind === 'rule' ? (
            <>
              {' '}
              ·{' '}
              <Link to={address(documentPath('Policy', rule.tenant, rule.policy))}>
                {t('flows.openPolicy')}
              </Link>
            </>
          ) : null}
        </p>
        {trace.staged ? (
          <Alert
            component="p"
            isInline
            variant="info"
            title={t('trace.stagedSays', { verdict: t(`state.${stateOf(trace.staged.verdict)}`) })}
          >
            <RuleName id={trace.staged.rule} />
          </Alert>
        ) : null}
        <Link to={address('/flows', { q: `from:${src},${dst} to:${src},${dst}` })}>{t('trace.flows')}</Link>
      </div>
      <Title headingLevel="h2" size="lg">
        {t('trace.steps')}
      </Title>
      <ol className="trace-steps">
        {trace.steps.map((step, i) => (
          <li key={i}>
            {isGateway(step) ? (
              <div className="trace-step">
                <StateWord state={stateOf(step.action)} />
                <strong>{t('trace.gateway')}</strong>
                <GatewayHop of={step} />
              </div>
            ) : (
              <Side of={step} />
            )}
            <p className="subtle">{language === 'en' ? step.why : stepWhy(step, t)}</p>
          </li>
        ))}
      </ol>
    </div>
  );
}

/** What one end's rules said. */
function Side({ of: step }: { of: Step }) {
  const { t } = useWords();
  return (
    <div className="trace-step">
      <StateWord state={stateOf(step.action)} />
      <span>{t(`trace.direction_${step.direction}`)}</span>
      <strong>
        {step.vm ? (
          <ObjectLink kind="vm" id={step.vm}>
            {step.vm}
          </ObjectLink>
        ) : (
          step.where
        )}
      </strong>
      {step.vm && step.where !== step.vm ? (
        <span className="subtle">{t('trace.on', { host: step.where })}</span>
      ) : null}
      <RuleName id={step.rule} />
      <StepTier of={step.tier} />
      {step.staged ? <StateWord state="staged" /> : null}
    </div>
  );
}
