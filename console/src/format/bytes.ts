// Quantities as people read them, in the language's own digits and separators.

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Bytes in decimal units, three significant digits: 1.23 MB. */
export function bytes(value: number, locale: string): string {
  let scaled = value;
  let unit = 0;
  while (Math.abs(scaled) >= 999.5 && unit < UNITS.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  const digits = new Intl.NumberFormat(locale, unit === 0 ? {} : { maximumSignificantDigits: 3 });
  return `${digits.format(scaled)} ${UNITS[unit]}`;
}

/** A count with separators: 12,345. */
export const count = (value: number, locale: string) => new Intl.NumberFormat(locale).format(value);

/** A count for tight places: 12.3K, 1.2万. */
export const shortCount = (value: number, locale: string) =>
  new Intl.NumberFormat(locale, { notation: 'compact', maximumFractionDigits: 1 }).format(value);

/** Memory of a VM or host, from KiB: 2 GiB. */
export function memory(kib: number, locale: string): string {
  const gib = kib / 1024 / 1024;
  const digits = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
  return gib >= 1 ? `${digits.format(gib)} GiB` : `${digits.format(kib / 1024)} MiB`;
}
