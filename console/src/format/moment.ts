// Times as people read them: an age that ticks, or the exact time in the language's own order.

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
];

/** Between a number and a Chinese character stands a space, as everywhere else in the console. */
const spaced = (text: string) => text.replace(/(\d)(?=\p{Script=Han})/gu, '$1 ');

/** How long ago, in the largest unit that fits: "12 min. ago", "12 分钟前". Never in the future. */
export function age(at: number, now: number, locale: string): string {
  const passed = Math.max(0, now - at);
  const format = new Intl.RelativeTimeFormat(locale, { numeric: 'always', style: 'short' });
  for (const [unit, ms] of STEPS)
    if (passed >= ms || unit === 'second') return spaced(format.format(-Math.floor(passed / ms), unit));
  return '';
}

/** A length of time: 450 ms, 3.2 s, 2 min 5 s. */
export function duration(ms: number, locale: string): string {
  const unit = (value: number, name: string, digits = 0) =>
    spaced(
      new Intl.NumberFormat(locale, {
        style: 'unit',
        unit: name,
        unitDisplay: 'short',
        maximumFractionDigits: digits,
      }).format(value),
    );
  if (ms < 1000) return unit(ms, 'millisecond');
  if (ms < 60_000) return unit(ms / 1000, 'second', 1);
  const minutes = Math.floor(ms / 60_000);
  if (minutes < 60) return `${unit(minutes, 'minute')} ${unit(Math.floor((ms % 60_000) / 1000), 'second')}`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${unit(hours, 'hour')} ${unit(minutes % 60, 'minute')}`;
  return `${unit(Math.floor(hours / 24), 'day')} ${unit(hours % 24, 'hour')}`;
}

/** Date and time to the second. */
export const exact = (at: number, locale: string) =>
  new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'medium' }).format(at);

/** Time of day to the second, with the day when it is not today's. */
export function clock(at: number, now: number, locale: string): string {
  const sameDay = new Date(at).toDateString() === new Date(now).toDateString();
  return new Intl.DateTimeFormat(locale, {
    ...(sameDay ? {} : { month: 'short', day: 'numeric' }),
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).format(at);
}
