// One flow: what it was, what decided it, and the ways on from it.
import { Alert, Button } from '@patternfly/react-core';
import type { FlowView } from '@wocloud/protocol/views.ts';
import { Link } from 'react-router';
import { useCall } from '../api/calls.ts';
import { bytes, count } from '../format/bytes.ts';
import { duration, exact } from '../format/moment.ts';
import { HostName } from '../hosts/HostName.tsx';
import { useWords } from '../i18n/language.ts';
import { Facts, Section } from '../panel/Facts.tsx';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { useAddress } from '../screen/address.ts';
import { Answer } from '../screen/Answers.tsx';
import { StateWord } from '../state/StateWord.tsx';
import { endName, flowQuestions, readFlowRef, serviceName } from './ends.ts';
import { FlowPath } from './FlowPath.tsx';
import { RuleName } from './RuleName.tsx';

export default function FlowPanel({ id: ref }: { id: string }) {
  const { t } = useWords();
  const wanted = readFlowRef(ref);
  const questions = wanted ? flowQuestions(wanted) : null;
  const near = useCall(
    'flows.list',
    { query: questions?.[0] ?? {} },
    { enabled: questions !== null, every: 5000 },
  );
  const isIn = (page: typeof near.data) => page?.items.find((f) => f.id === wanted?.id);
  const further = near.data !== undefined && !isIn(near.data);
  const anywhere = useCall('flows.list', { query: questions?.[1] ?? {} }, { enabled: further });
  const missing = <Alert component="p" isInline variant="info" title={t('flows.panelNotFound')} />;
  if (!wanted) return missing;
  return (
    <Answer of={further ? anywhere : near}>
      {(page) => {
        const flow = isIn(page);
        return flow ? <Flow of={flow} /> : missing;
      }}
    </Answer>
  );
}

function Flow({ of: flow }: { of: FlowView }) {
  const { t, language } = useWords();
  const address = useAddress();
  const size = (out: number, back: number) => (
    <span title={`${count(out, language)} / ${count(back, language)}`}>
      ↑ {bytes(out, language)} ↓ {bytes(back, language)}
    </span>
  );
  const pair = `from:${endName(flow.src)} to:${endName(flow.dst)}`;
  const until = flow.end ?? flow.time;
  return (
    <>
      <div className="panel-title">
        <h2 className="mono">
          {endName(flow.src)} → {endName(flow.dst)} {serviceName(flow)}
        </h2>
        <StateWord state={flow.verdict} />
      </div>
      <Facts
        of={[
          [t('flows.rule'), <RuleName id={flow.rule} />],
          flow.stagedVerdict === 'none'
            ? null
            : [
                t('flows.staged'),
                <>
                  <StateWord state={`would-${flow.stagedVerdict}`} /> <RuleName id={flow.stagedRule} />
                </>,
              ],
          [t('flows.kind'), t(`flows.kind_${flow.kind}`)],
          [t('flows.start'), exact(Date.parse(flow.start), language)],
          [t('flows.end'), flow.end ? exact(Date.parse(flow.end), language) : t('flows.stillOpen')],
          [t('flows.duration'), duration(Date.parse(until) - Date.parse(flow.start), language)],
          [t('flows.bytes'), size(flow.bytesOut, flow.bytesIn)],
          [t('flows.packets'), `↑ ${count(flow.packetsOut, language)} ↓ ${count(flow.packetsIn, language)}`],
          [t('flows.network'), flow.network || '–'],
          [
            t('flows.host'),
            <ObjectLink kind="host" id={flow.host}>
              <HostName id={flow.host} />
            </ObjectLink>,
          ],
          [t('flows.point'), t(`flows.point_${flow.point}`)],
        ]}
      />
      <FlowPath of={flow} />
      <Section title={t('flows.related')}>
        <ul className="plain-list">
          <li>
            <Link to={address('/flows', { q: pair })}>{t('flows.sameVms')}</Link>
          </li>
          {flow.rule ? (
            <li>
              <Link to={address('/flows', { q: `rule:${flow.rule}` })}>{t('flows.sameRule')}</Link>
            </li>
          ) : null}
        </ul>
        <Button
          variant="secondary"
          component={(props) => (
            <Link
              {...props}
              to={address('/trace', {
                src: flow.src.vm ?? flow.src.ip,
                dst: flow.dst.vm ?? flow.dst.ip,
                service: serviceName(flow),
              })}
            />
          )}
        >
          {t('flows.whyTrace')}
        </Button>
      </Section>
    </>
  );
}
