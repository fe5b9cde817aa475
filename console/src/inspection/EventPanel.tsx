// One event: what was seen between whom, what it says in detail, and the ways on to its flow, rule and alert.
import { Alert, Button, ExpandableSection } from '@patternfly/react-core';
import type { InspectionView } from '@wocloud/protocol/views.ts';
import { Link } from 'react-router';
import { useCall } from '../api/calls.ts';
import { endName } from '../flows/ends.ts';
import { exact } from '../format/moment.ts';
import { HostName } from '../hosts/HostName.tsx';
import { useWords } from '../i18n/language.ts';
import { Facts, Section } from '../panel/Facts.tsx';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { RuleSetsOf } from '../rule-sets/RuleSetsOf.tsx';
import { useAddress } from '../screen/address.ts';
import { Answer } from '../screen/Answers.tsx';
import { Cli } from '../screen/Cli.tsx';
import { useMay } from '../session/session.tsx';
import { techniqueText } from './attack.ts';
import { EventAction, EventType } from './columns.tsx';
import { inspectionCommand } from './command.ts';
import { Details } from './Details.tsx';
import { eventQuestion, eventTitle, flowsOf, readEventRef } from './event.ts';
import './inspection.css';

export default function EventPanel({ id: ref }: { id: string }) {
  const { t } = useWords();
  const wanted = readEventRef(ref);
  const near = useCall(
    'inspection.list',
    { query: wanted ? eventQuestion(wanted) : {} },
    { enabled: wanted !== null },
  );
  const missing = <Alert component="p" isInline variant="info" title={t('inspection.panelNotFound')} />;
  if (!wanted) return missing;
  return (
    <Answer of={near}>
      {(page) => {
        const event = page.items.find((e) => e.id === wanted.id);
        return event ? <Event of={event} /> : missing;
      }}
    </Answer>
  );
}

function End({ of }: { of: InspectionView['src'] }) {
  return (
    <>
      {of.vm ? (
        <ObjectLink kind="vm" id={of.vm}>
          {endName(of)}
        </ObjectLink>
      ) : null}{' '}
      <span className="mono">
        {of.ip.includes(':') ? `[${of.ip}]` : of.ip}
        {of.port > 0 ? `:${of.port}` : ''}
      </span>
      {of.tenant ? <span className="subtle"> {of.tenant}</span> : null}
    </>
  );
}

function Event({ of: event }: { of: InspectionView }) {
  const { t, language } = useWords();
  return (
    <>
      <div className="panel-title">
        <h2>
          <span className="subtle">
            <EventType of={event.type} />
          </span>{' '}
          <bdi>{eventTitle(event)}</bdi>
        </h2>
        {event.action === 'none' ? null : <EventAction of={event.action} />}
      </div>
      <Facts
        of={[
          [t('inspection.time'), exact(Date.parse(event.time), language)],
          [t('inspection.from'), <End of={event.src} />],
          [t('inspection.to'), <End of={event.dst} />],
          [
            t('inspection.protocol'),
            <span className="mono">{[event.protocol, event.application].filter(Boolean).join(' · ')}</span>,
          ],
          event.title && event.subject ? [t('inspection.about'), <bdi>{event.subject}</bdi>] : null,
          event.signature > 0
            ? [t('inspection.signature'), <span className="mono">{event.signature}</span>]
            : null,
          event.category ? [t('inspection.category'), event.category] : null,
          event.priority > 0 ? [t('inspection.priority'), event.priority] : null,
          event.technique ? [t('inspection.technique'), techniqueText(event.technique, language)] : null,
          [
            t('inspection.gateway'),
            <ObjectLink kind="gateway" id={`${event.host}/${event.gateway}`}>
              {event.gateway}
            </ObjectLink>,
          ],
          [
            t('inspection.host'),
            <ObjectLink kind="host" id={event.host}>
              <HostName id={event.host} />
            </ObjectLink>,
          ],
          [t('inspection.network'), event.network || '–'],
        ]}
      />
      <Ways of={event} />
      <Details of={event} />
      <ExpandableSection toggleText={t('inspection.json')} className="panel-section" isIndented>
        <pre className="event-json" tabIndex={0} aria-label={t('inspection.json')}>
          {JSON.stringify(event.detail, null, 2)}
        </pre>
      </ExpandableSection>
      <Cli
        command={inspectionCommand(
          { ...(event.signature > 0 ? { signature: [String(event.signature)] } : { flow: event.flow }) },
          false,
        )}
      />
    </>
  );
}

/** From an event to its flow, its neighbours, its alert, its rule. */
function Ways({ of: event }: { of: InspectionView }) {
  const { t } = useWords();
  const may = useMay();
  const address = useAddress();
  const ways: [to: string, words: string][] = [
    ...(may('flow.read')
      ? [[address('/flows', flowsOf(event)), t('inspection.flows')] as [string, string]]
      : []),
    [address('/inspection', { flow: event.flow }), t('inspection.sameFlow')],
    ...(event.signature > 0
      ? [
          [address('/inspection', { q: `signature:${event.signature}` }), t('inspection.sameSignature')] as [
            string,
            string,
          ],
        ]
      : []),
    ...(event.type === 'alert' && may('alert.read')
      ? [
          [
            address('/alerts', { kind: 'inspection.alert', state: 'all', q: event.title }),
            t('inspection.alert'),
          ] as [string, string],
        ]
      : []),
  ];
  return (
    <Section title={t('inspection.related')}>
      <ul className="plain-list">
        {ways.map(([to, words]) => (
          <li key={words}>
            <Link to={to}>{words}</Link>
          </li>
        ))}
      </ul>
      <div className="panel-actions">
        {event.signature > 0 && may('ruleset.read') ? <RuleSetsOf sid={event.signature} /> : null}
        {may('flow.trace') && (event.src.vm || event.dst.vm) ? (
          <Button
            variant="secondary"
            component={(props) => (
              <Link
                {...props}
                to={address('/trace', {
                  src: event.src.vm ?? event.src.ip,
                  dst: event.dst.vm ?? event.dst.ip,
                  service: event.dst.port > 0 ? `${event.protocol}/${event.dst.port}` : event.protocol,
                })}
              />
            )}
          >
            {t('inspection.trace')}
          </Button>
        ) : null}
      </div>
    </Section>
  );
}
