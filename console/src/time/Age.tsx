// How long ago, ticking; the exact time on hover.
import { useWords } from '../i18n/language.ts';
import { useNow } from '../live/now.ts';
import { age, clock, exact } from '../format/moment.ts';

export function Age({ at }: { at: string | number | null }) {
  const { language } = useWords();
  const now = useNow();
  if (at === null) return <span>–</span>;
  const ms = typeof at === 'number' ? at : Date.parse(at);
  return (
    <time dateTime={new Date(ms).toISOString()} title={exact(ms, language)}>
      {age(ms, now, language)}
    </time>
  );
}

/** The time of day; the exact time on hover. */
export function Clock({ at }: { at: string }) {
  const { language } = useWords();
  const ms = Date.parse(at);
  return (
    <time dateTime={at} title={exact(ms, language)} className="mono">
      {clock(ms, Date.now(), language)}
    </time>
  );
}
