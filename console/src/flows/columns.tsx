// The columns of the flows table; a click on most values filters by them.
import ArrowRightIcon from '@patternfly/react-icons/dist/esm/icons/arrow-right-icon';
import type { FlowView } from '@wocloud/protocol/views.ts';
import { bytes, count } from '../format/bytes.ts';
import { duration } from '../format/moment.ts';
import { HostName } from '../hosts/HostName.tsx';
import { useWords } from '../i18n/language.ts';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { StateWord } from '../state/StateWord.tsx';
import type { Column } from '../table/table.ts';
import { Clock } from '../time/Age.tsx';
import { endName, readRule } from './ends.ts';

type End = FlowView['src'];
const endTerm = (field: 'from' | 'to', end: End) => ({ field, value: end.name ?? end.ip });

function EndCell({ end }: { end: End }) {
  return (
    <span title={`${end.name ?? ''} ${end.ip}`.trim()} className={end.name ? '' : 'mono'}>
      {endName(end)}
      {end.tenant ? <span className="subtle"> {end.tenant}</span> : null}
    </span>
  );
}

function BytesCell({ value }: { value: number }) {
  const { language } = useWords();
  return <span title={`${count(value, language)} B`}>{bytes(value, language)}</span>;
}

/** Nothing is counted of what was refused, and nothing yet of what only just began. */
function TotalCell({ flow }: { flow: FlowView }) {
  const { t } = useWords();
  if (flow.kind === 'drop' || flow.kind === 'start')
    return (
      <span className="subtle" title={t(flow.kind === 'drop' ? 'flows.bytesRefused' : 'flows.bytesLater')}>
        –
      </span>
    );
  return <BytesCell value={flow.bytesOut + flow.bytesIn} />;
}

/** ICMP has types, not ports. */
const hasPort = (f: FlowView) => !f.protocol.startsWith('icmp');

function CountCell({ value }: { value: number }) {
  return <>{count(value, useWords().language)}</>;
}

function DurationCell({ flow }: { flow: FlowView }) {
  const { language } = useWords();
  return <>{duration(Date.parse(flow.end ?? flow.time) - Date.parse(flow.start), language)}</>;
}

/** The rule and, beside it, the way to it: the value itself filters. */
function RuleCell({ id }: { id: string }) {
  const { t } = useWords();
  return (
    <span className="mono rule-name" title={id}>
      <bdi dir="ltr">{id || <span className="subtle">{t('screen.none')}</span>}</bdi>
    </span>
  );
}

function RuleLink({ id }: { id: string }) {
  const { t } = useWords();
  if (!readRule(id)) return null;
  return (
    <ObjectLink kind="rule" id={id} inGrid className="cell-go" label={t('table.open', { name: id })}>
      <ArrowRightIcon />
    </ObjectLink>
  );
}

const ruleTerm = (rule: string) => (rule ? { field: 'rule', value: rule } : null);

export const FLOW_COLUMNS: readonly Column<FlowView>[] = [
  { key: 'time', title: 'flows.time', width: 100, always: true, cell: (f) => <Clock at={f.start} /> },
  {
    key: 'verdict',
    title: 'flows.verdict',
    width: 108,
    cell: (f) => <StateWord state={f.verdict} />,
    filter: (f) => ({ field: 'verdict', value: f.verdict }),
  },
  {
    key: 'from',
    title: 'flows.from',
    width: 140,
    cell: (f) => <EndCell end={f.src} />,
    filter: (f) => endTerm('from', f.src),
  },
  {
    key: 'to',
    title: 'flows.to',
    width: 140,
    cell: (f) => <EndCell end={f.dst} />,
    filter: (f) => endTerm('to', f.dst),
  },
  {
    key: 'port',
    title: 'flows.port',
    width: 64,
    align: 'end',
    cell: (f) => <span className="mono">{hasPort(f) ? f.dst.port : '–'}</span>,
    filter: (f) => (hasPort(f) ? { field: 'port', value: String(f.dst.port) } : null),
  },
  {
    key: 'protocol',
    title: 'flows.protocol',
    width: 76,
    cell: (f) => <span className="mono">{f.protocol}</span>,
    filter: (f) => ({ field: 'protocol', value: f.protocol }),
  },
  {
    key: 'rule',
    title: 'flows.rule',
    width: 170,
    grow: 2,
    cell: (f) => <RuleCell id={f.rule} />,
    beside: (f) => <RuleLink id={f.rule} />,
    filter: (f) => ruleTerm(f.rule),
  },
  {
    key: 'bytes',
    title: 'flows.bytes',
    width: 84,
    align: 'end',
    cell: (f) => <TotalCell flow={f} />,
  },
  {
    key: 'staged',
    title: 'flows.staged',
    width: 128,
    cell: (f) => (f.stagedVerdict === 'none' ? '–' : <StateWord state={`would-${f.stagedVerdict}`} />),
    filter: (f) => (f.stagedVerdict === 'none' ? null : { field: 'staged', value: f.stagedVerdict }),
  },
  {
    key: 'srcIp',
    title: 'flows.srcIp',
    width: 130,
    optional: true,
    cell: (f) => <span className="mono">{f.src.ip}</span>,
    filter: (f) => ({ field: 'ip', value: f.src.ip }),
  },
  {
    key: 'dstIp',
    title: 'flows.dstIp',
    width: 130,
    optional: true,
    cell: (f) => <span className="mono">{f.dst.ip}</span>,
    filter: (f) => ({ field: 'ip', value: f.dst.ip }),
  },
  {
    key: 'bytesOut',
    title: 'flows.bytesOut',
    width: 92,
    align: 'end',
    optional: true,
    cell: (f) => <BytesCell value={f.bytesOut} />,
  },
  {
    key: 'bytesIn',
    title: 'flows.bytesIn',
    width: 92,
    align: 'end',
    optional: true,
    cell: (f) => <BytesCell value={f.bytesIn} />,
  },
  {
    key: 'packets',
    title: 'flows.packets',
    width: 92,
    align: 'end',
    optional: true,
    cell: (f) => <CountCell value={f.packetsOut + f.packetsIn} />,
  },
  {
    key: 'duration',
    title: 'flows.duration',
    width: 104,
    align: 'end',
    optional: true,
    cell: (f) => <DurationCell flow={f} />,
  },
  {
    key: 'network',
    title: 'flows.network',
    width: 130,
    optional: true,
    cell: (f) => f.network,
    filter: (f) => (f.network ? { field: 'network', value: f.network } : null),
  },
  {
    key: 'host',
    title: 'flows.host',
    width: 110,
    optional: true,
    cell: (f) => <HostName id={f.host} />,
    filter: (f) => ({ field: 'host', value: f.host }),
  },
];
