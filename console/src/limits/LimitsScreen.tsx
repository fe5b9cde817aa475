// All limits.
import type { LimitSpec } from '@wocloud/protocol/resources/limit.ts';
import type { Stored } from '@wocloud/protocol/views.ts';
import { DocumentsScreen } from '../documents/DocumentsScreen.tsx';
import { count } from '../format/bytes.ts';
import { useWords } from '../i18n/language.ts';
import { Target } from '../policies/Target.tsx';
import type { Column } from '../table/table.ts';

const specOf = (stored: Stored) => stored.spec as LimitSpec;

function Number({ value }: { value: number | undefined }) {
  const { t, language } = useWords();
  return value === undefined ? (
    <span className="subtle">{t('limits.none')}</span>
  ) : (
    <>{count(value, language)}</>
  );
}

function Rate({ kbps }: { kbps: number | undefined }) {
  const { t, language } = useWords();
  if (kbps === undefined) return <span className="subtle">{t('limits.none')}</span>;
  return kbps < 1000 ? (
    <>{t('limits.kbit', { number: count(kbps, language) })}</>
  ) : (
    <>{t('limits.mbit', { number: count(kbps / 1000, language) })}</>
  );
}

const number = (
  key: 'connections' | 'connectionsPerSecond' | 'synsPerSecond',
  width: number,
): Column<Stored> => ({
  key,
  title: `limits.${key}`,
  width,
  align: 'end',
  cell: (d) => <Number value={specOf(d)[key]} />,
  sort: (d) => specOf(d)[key] ?? null,
});

const rate = (key: 'sendKbps' | 'receiveKbps', title: 'send' | 'receive'): Column<Stored> => ({
  key,
  title: `limits.${title}`,
  width: 120,
  align: 'end',
  cell: (d) => <Rate kbps={specOf(d)[key]} />,
  sort: (d) => specOf(d)[key] ?? null,
});

const COLUMNS: readonly Column<Stored>[] = [
  { key: 'appliesTo', title: 'policies.appliesTo', width: 150, grow: 1, cell: (d) => <Target stored={d} /> },
  number('connections', 110),
  number('connectionsPerSecond', 120),
  number('synsPerSecond', 130),
  rate('sendKbps', 'send'),
  rate('receiveKbps', 'receive'),
];

export default function LimitsScreen() {
  return <DocumentsScreen kind="Limit" room="limits" own={COLUMNS} />;
}
