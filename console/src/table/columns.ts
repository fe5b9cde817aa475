// Which columns a table shows: the person's choice, kept in this browser, tolerant of columns that came or went.

export interface ColumnChoice {
  key: string;
  /** Not shown unless chosen. */
  optional?: boolean;
  /** Cannot be taken away: it names the row. */
  always?: boolean;
}

const keyOf = (table: string) => `wocloud.columns.${table}`;
type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/** The columns shown by default. */
export const defaultColumns = (columns: readonly ColumnChoice[]) =>
  columns.filter((c) => !c.optional).map((c) => c.key);

/** What was chosen, in the table's own order; the default when nothing (sensible) was kept. */
export function readColumns(table: string, columns: readonly ColumnChoice[], store: Store | null): string[] {
  let kept: unknown = null;
  try {
    kept = JSON.parse(store?.getItem(keyOf(table)) ?? 'null');
  } catch {
    // What cannot be read is as good as nothing kept.
  }
  if (!Array.isArray(kept)) return defaultColumns(columns);
  return columns.filter((c) => c.always || kept.includes(c.key)).map((c) => c.key);
}

/** Keeps a choice; the default is not kept, so that a later version's new column appears. */
export function keepColumns(
  table: string,
  columns: readonly ColumnChoice[],
  chosen: readonly string[],
  store: Store | null,
): void {
  const standard = defaultColumns(columns);
  const same = standard.length === chosen.length && standard.every((k) => chosen.includes(k));
  try {
    if (same) store?.removeItem(keyOf(table));
    else store?.setItem(keyOf(table), JSON.stringify(chosen));
  } catch {
    // A full or forbidden store: the choice lasts as long as the page.
  }
}

/** `-name` sorts by name, last first. */
export interface Sort {
  key: string;
  down: boolean;
}
export const readSort = (text: string): Sort | null =>
  text ? { key: text.replace(/^-/, ''), down: text.startsWith('-') } : null;
export const writeSort = (sort: Sort | null) => (sort ? `${sort.down ? '-' : ''}${sort.key}` : '');

type SortValue = string | number | null;

/** A sorted copy: numbers by size, text as people count (web-2 before web-10), nothing last either way. */
export function sorted<T>(
  rows: readonly T[],
  value: (row: T) => SortValue,
  down: boolean,
  locale: string,
): T[] {
  const collator = new Intl.Collator(locale, { numeric: true });
  const keyed = rows.map((row) => [value(row), row] as const);
  keyed.sort(([a], [b]) => {
    if (a === b) return 0;
    if (a === null || a === '') return 1;
    if (b === null || b === '') return -1;
    const order =
      typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(String(a), String(b));
    return down ? -order : order;
  });
  return keyed.map(([, row]) => row);
}
