// The way of a flow, hop by hop: who sent it, the rule on the way out, the gateway, the rule on the way in, whom to.
// The rules are those recorded with it; through which gateway is what is in force now.
import type { FlowView } from '@wocloud/protocol/views.ts';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { useCall } from '../api/calls.ts';
import { useWords } from '../i18n/language.ts';
import { Section } from '../panel/Facts.tsx';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { useAddress } from '../screen/address.ts';
import { useMay } from '../session/session.tsx';
import { StateWord } from '../state/StateWord.tsx';
import { GatewayHop } from '../trace/GatewayHop.tsx';
import { isGateway } from '../trace/gateway.ts';
import { endName, readRule, serviceName } from './ends.ts';
import { RuleName } from './RuleName.tsx';
import './path.css';

export function FlowPath({ of: flow }: { of: FlowView }) {
  const { t } = useWords();
  const may = useMay();
  const address = useAddress();
  const trace = useCall(
    'trace.create',
    {
      body: {
        src: flow.src.vm ?? flow.src.ip,
        dst: flow.dst.vm ?? flow.dst.ip,
        service: serviceName(flow),
        ...(flow.network ? { network: flow.network } : {}),
      },
    },
    { enabled: may('flow.trace') && (flow.src.vm !== null || flow.dst.vm !== null) },
  );
  const hops = trace.data?.steps.filter(isGateway) ?? [];
  const byGateway = readRule(flow.ruleIn)?.kind === 'signature';
  // One rule may stand for both ends: where nothing else is known, the flow's own rule is the last word.
  const ruleIn = flow.ruleIn || (flow.ruleOut ? '' : flow.rule);
  return (
    <Section title={t('flows.path')}>
      <ol className="path" data-testid="path">
        <Hop name={t('flows.from')}>
          <End of={flow.src} />
        </Hop>
        {flow.ruleOut ? (
          <Hop name={t('flows.ruleOut')}>
            <RuleName id={flow.ruleOut} />
          </Hop>
        ) : null}
        {hops.map((step, i) => (
          <Hop key={i} name={t('flows.pathGateway')}>
            <GatewayHop of={step} />
          </Hop>
        ))}
        {byGateway ? (
          <Hop name={t('flows.pathGateway')}>
            <StateWord state={flow.verdict} /> <RuleName id={flow.ruleIn} />{' '}
            {may('inspection.read') ? (
              <Link
                to={address('/inspection', {
                  q: `ip:${flow.src.ip} port:${flow.src.port || flow.dst.port}`,
                })}
              >
                {t('flows.pathEvents')}
              </Link>
            ) : null}
          </Hop>
        ) : ruleIn ? (
          <Hop name={t('flows.ruleIn')}>
            <RuleName id={ruleIn} />
          </Hop>
        ) : null}
        <Hop name={t('flows.to')}>
          <End of={flow.dst} /> <StateWord state={flow.verdict} />
        </Hop>
      </ol>
      {hops.length > 0 ? <p className="subtle path-note">{t('flows.pathNow')}</p> : null}
    </Section>
  );
}

function Hop({ name, children }: { name: string; children: ReactNode }) {
  return (
    <li>
      <span className="path-name">{name}</span>
      <span>{children}</span>
    </li>
  );
}

function End({ of: end }: { of: FlowView['src'] }) {
  return (
    <>
      {end.vm ? (
        <ObjectLink kind="vm" id={end.vm}>
          {endName(end)}
        </ObjectLink>
      ) : end.name === null ? null : (
        end.name
      )}{' '}
      <span className="mono">
        {end.ip.includes(':') ? `[${end.ip}]` : end.ip}:{end.port}
      </span>
      {end.tenant ? <span className="subtle"> {end.tenant}</span> : null}
    </>
  );
}
