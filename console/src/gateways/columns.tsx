// The columns of the gateway instances.
import type { GatewayView } from '@wocloud/protocol/views.ts';
import { count, memory } from '../format/bytes.ts';
import { useWords } from '../i18n/language.ts';
import { ObjectLink } from '../panel/ObjectLink.tsx';
import { StateWord } from '../state/StateWord.tsx';
import type { Column } from '../table/table.ts';
import { Age } from '../time/Age.tsx';
import { COUNTERS, counter, instanceKey, stateOf, urgency } from './instance.ts';

export function Form({ of }: { of: GatewayView['form'] }) {
  return <>{useWords().t(`gateways.form_${of}`)}</>;
}

export function Latency({ micros }: { micros: number | null }) {
  const { t, language } = useWords();
  return <>{micros === null ? '–' : t('gateways.micros', { micros: count(Math.round(micros), language) })}</>;
}

function Rules({ of }: { of: GatewayView }) {
  const { t, language } = useWords();
  if (of.rules === '' && of.rulesError === '') return <span className="subtle">{t('gateways.noRules')}</span>;
  const wrong = of.rulesError
    ? t('gateways.notTaken')
    : of.refused > 0
      ? t('gateways.refusedShort', { refused: count(of.refused, language) })
      : '';
  return (
    <span title={of.rulesError || undefined}>
      {count(of.loaded, language)}
      {wrong ? <span className="state-bad"> · {wrong}</span> : null}
    </span>
  );
}

function Count({ value }: { value: number | null }) {
  const { language } = useWords();
  return <>{value === null ? '–' : count(value, language)}</>;
}

function Memory({ kib }: { kib: number }) {
  return <>{memory(kib, useWords().language)}</>;
}

const counted = (name: (typeof COUNTERS)[number], width: number, optional = false): Column<GatewayView> => ({
  key: name,
  title: `gateways.${name}`,
  width,
  align: 'end',
  optional,
  cell: (i) => <Count value={counter(i, name)} />,
  sort: (i) => counter(i, name),
});

export const INSTANCE_COLUMNS: readonly Column<GatewayView>[] = [
  {
    key: 'state',
    title: 'gateways.state',
    width: 110,
    always: true,
    cell: (i) => <StateWord state={stateOf(i)} title={i.reason || undefined} />,
    sort: urgency,
    filter: (i) => (i.stale ? null : { field: 'state', value: i.state }),
  },
  {
    key: 'instance',
    title: 'gateways.instance',
    width: 112,
    always: true,
    cell: (i) => (
      <ObjectLink kind="gateway" id={instanceKey(i)} inGrid>
        {i.id}
      </ObjectLink>
    ),
    sort: (i) => i.id,
  },
  {
    key: 'host',
    title: 'gateways.host',
    width: 98,
    cell: (i) => i.hostName,
    sort: (i) => i.hostName,
    filter: (i) => ({ field: 'host', value: i.hostName }),
  },
  {
    key: 'reason',
    title: 'gateways.reason',
    width: 160,
    grow: 1,
    cell: (i) => <span title={i.reason}>{i.reason || '–'}</span>,
  },
  {
    key: 'since',
    title: 'gateways.since',
    width: 100,
    cell: (i) => <Age at={i.since / 1000} />,
    sort: (i) => i.since,
  },
  {
    key: 'form',
    title: 'gateways.form',
    width: 88,
    cell: (i) => <Form of={i.form} />,
    sort: (i) => i.form,
  },
  {
    key: 'latency',
    title: 'gateways.latency',
    width: 84,
    align: 'end',
    cell: (i) => <Latency micros={i.latencyMicros} />,
    sort: (i) => i.latencyMicros,
  },
  {
    key: 'rules',
    title: 'gateways.rules',
    width: 160,
    cell: (i) => <Rules of={i} />,
    sort: (i) => i.loaded,
  },
  counted('packets', 110, true),
  counted('dropped', 76),
  counted('lost', 88),
  counted('cut', 120, true),
  counted('restarts', 150, true),
  {
    key: 'memory',
    title: 'gateways.memory',
    width: 100,
    align: 'end',
    optional: true,
    cell: (i) => <Memory kib={i.residentKiB} />,
    sort: (i) => i.residentKiB,
  },
  {
    key: 'image',
    title: 'gateways.image',
    width: 150,
    optional: true,
    cell: (i) => <span className="mono">{i.image || '–'}</span>,
    sort: (i) => i.image,
  },
  {
    key: 'suricata',
    title: 'gateways.suricata',
    width: 90,
    optional: true,
    cell: (i) => i.suricata || '–',
    sort: (i) => i.suricata,
  },
  {
    key: 'heard',
    title: 'gateways.heard',
    width: 110,
    optional: true,
    cell: (i) => <Age at={i.at} />,
    sort: (i) => i.at,
  },
];
