// The columns of inspection events; a click on most values filters by them.
import type { InspectionView } from '@wocloud/protocol/views.ts';
import { endName } from '../flows/ends.ts';
import { HostName } from '../hosts/HostName.tsx';
import { useWords } from '../i18n/language.ts';
import { StateWord } from '../state/StateWord.tsx';
import type { Column } from '../table/table.ts';
import { Clock } from '../time/Age.tsx';
import { techniqueText } from './attack.ts';
import { actionState, eventTitle } from './event.ts';

type End = InspectionView['src'];
const endTerm = (end: End) => (end.name ? { field: 'vm', value: end.name } : { field: 'ip', value: end.ip });

export function EventType({ of }: { of: InspectionView['type'] }) {
  return <>{useWords().t(`inspection.type-${of}`)}</>;
}

export function EventAction({ of }: { of: InspectionView['action'] }) {
  const state = actionState(of);
  return state ? <StateWord state={state} /> : <span className="subtle">–</span>;
}

function EndCell({ end }: { end: End }) {
  return (
    <span title={`${end.name ?? ''} ${end.ip}`.trim()} className={end.name ? '' : 'mono'}>
      {endName(end)}
    </span>
  );
}

function Technique({ id }: { id: string }) {
  return <>{techniqueText(id, useWords().language)}</>;
}

const word = (field: string, value: string) => (value ? { field, value } : null);
const or = (value: string) => value || '–';

export const EVENT_COLUMNS: readonly Column<InspectionView>[] = [
  { key: 'time', title: 'inspection.time', width: 100, always: true, cell: (e) => <Clock at={e.time} /> },
  {
    key: 'type',
    title: 'inspection.type',
    width: 88,
    cell: (e) => <EventType of={e.type} />,
    filter: (e) => ({ field: 'type', value: e.type }),
  },
  {
    key: 'action',
    title: 'inspection.action',
    width: 104,
    cell: (e) => <EventAction of={e.action} />,
    filter: (e) => (e.action === 'none' ? null : { field: 'action', value: e.action }),
  },
  {
    key: 'from',
    title: 'inspection.from',
    width: 120,
    cell: (e) => <EndCell end={e.src} />,
    filter: (e) => endTerm(e.src),
  },
  {
    key: 'to',
    title: 'inspection.to',
    width: 120,
    cell: (e) => <EndCell end={e.dst} />,
    filter: (e) => endTerm(e.dst),
  },
  {
    key: 'port',
    title: 'inspection.port',
    width: 64,
    align: 'end',
    cell: (e) => <span className="mono">{e.dst.port || '–'}</span>,
    filter: (e) => (e.dst.port > 0 ? { field: 'port', value: String(e.dst.port) } : null),
  },
  {
    key: 'application',
    title: 'inspection.application',
    width: 96,
    cell: (e) => <span className="mono">{or(e.application)}</span>,
    filter: (e) => word('application', e.application),
  },
  {
    key: 'what',
    title: 'inspection.what',
    width: 260,
    grow: 3,
    cell: (e) => <bdi title={eventTitle(e)}>{or(eventTitle(e))}</bdi>,
  },
  {
    key: 'signature',
    title: 'inspection.signature',
    width: 96,
    align: 'end',
    cell: (e) => <span className="mono">{e.signature || '–'}</span>,
    filter: (e) => (e.signature > 0 ? { field: 'signature', value: String(e.signature) } : null),
  },
  {
    key: 'about',
    title: 'inspection.about',
    width: 220,
    grow: 1,
    optional: true,
    cell: (e) => <bdi title={e.subject}>{or(e.subject)}</bdi>,
  },
  {
    key: 'category',
    title: 'inspection.category',
    width: 200,
    optional: true,
    cell: (e) => <span title={e.category}>{or(e.category)}</span>,
  },
  {
    key: 'priority',
    title: 'inspection.priority',
    width: 84,
    align: 'end',
    optional: true,
    cell: (e) => e.priority || '–',
  },
  {
    key: 'technique',
    title: 'inspection.technique',
    width: 260,
    optional: true,
    cell: (e) => (e.technique ? <Technique id={e.technique} /> : '–'),
  },
  {
    key: 'protocol',
    title: 'inspection.protocol',
    width: 76,
    optional: true,
    cell: (e) => <span className="mono">{e.protocol}</span>,
  },
  {
    key: 'gateway',
    title: 'inspection.gateway',
    width: 110,
    optional: true,
    cell: (e) => e.gateway,
    filter: (e) => word('gateway', e.gateway),
  },
  {
    key: 'network',
    title: 'inspection.network',
    width: 130,
    optional: true,
    cell: (e) => e.network,
    filter: (e) => word('network', e.network),
  },
  {
    key: 'host',
    title: 'inspection.host',
    width: 110,
    optional: true,
    cell: (e) => <HostName id={e.host} />,
    filter: (e) => ({ field: 'host', value: e.host }),
  },
];
