// What an event says in detail, part by part; all values are text a stranger may have written.
import type { InspectionView } from '@wocloud/protocol/views.ts';
import { bytes, count } from '../format/bytes.ts';
import { useWords } from '../i18n/language.ts';
import { Facts, Section } from '../panel/Facts.tsx';
import { linesOf, partsOf, type Fact } from './facts.ts';

const SIZES = new Set(['f_length', 'f_bytesOut', 'f_bytesIn']);
const COUNTS = new Set(['f_packetsOut', 'f_packetsIn']);

function Value({ of: { label, value } }: { of: Fact }) {
  const { t, language } = useWords();
  if (typeof value === 'boolean') return <>{t(value ? 'screen.yes' : 'screen.no')}</>;
  if (typeof value === 'number' && label && SIZES.has(label))
    return <span title={`${count(value, language)} B`}>{bytes(value, language)}</span>;
  if (typeof value === 'number' && label && COUNTS.has(label)) return <>{count(value, language)}</>;
  if (label === 'f_payload')
    return (
      <pre className="event-payload" tabIndex={0} aria-label={t('inspection.f_payload')}>
        {String(value)}
      </pre>
    );
  return (
    <>
      {linesOf(value).map((line, i) => (
        <div key={i} className="mono event-value">
          <bdi>{line}</bdi>
        </div>
      ))}
    </>
  );
}

export function Details({ of }: { of: InspectionView }) {
  const { t } = useWords();
  return (
    <>
      {partsOf(of).map((part) => (
        <Section key={part.name} title={part.title ? t(`inspection.${part.title}`) : part.name}>
          <Facts
            of={part.facts.map(
              (fact) =>
                [fact.label ? t(`inspection.${fact.label}`) : fact.path, <Value of={fact} />] as const,
            )}
          />
        </Section>
      ))}
    </>
  );
}
