// How answers are printed: tables that fit the terminal, or json, yaml, jsonl, whole and stable, for programs.
import { stringify } from 'yaml';
import { CliError } from './errors.ts';

export const FORMATS = ['table', 'wide', 'json', 'yaml', 'jsonl'] as const;
export type Format = (typeof FORMATS)[number];

export interface Column<T> {
  title: string;
  value: (row: T) => string;
  /** Only with -o wide. */
  wide?: boolean;
  align?: 'right';
  color?: (row: T) => Color | undefined;
}
export type Color = 'red' | 'green' | 'yellow' | 'dim' | 'bold';

const CODES: Record<Color, string> = { red: '31', green: '32', yellow: '33', dim: '2', bold: '1' };

export const colored = (): boolean => process.stdout.isTTY === true && !process.env['NO_COLOR'];

export function paint(text: string, color: Color | undefined): string {
  return color && colored() ? `\x1b[${CODES[color]}m${text}\x1b[0m` : text;
}

/** Columns a text takes on a terminal: wide (East Asian) characters count as two. */
export function width(text: string): number {
  let columns = 0;
  for (const character of text)
    columns +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u.test(
        character,
      )
        ? 2
        : 1;
  return columns;
}

function pad(text: string, to: number, align?: 'right'): string {
  const fill = ' '.repeat(Math.max(0, to - width(text)));
  return align === 'right' ? fill + text : text + fill;
}

/** Control characters from guests or tenants never reach the terminal. */
export const clean = (text: string): string => text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd');

/** Rows → aligned lines, header first. */
export function table<T>(rows: readonly T[], columns: readonly Column<T>[], wide: boolean): string[] {
  const shown = columns.filter((c) => wide || !c.wide);
  const cells = rows.map((row) => shown.map((c) => clean(c.value(row)) || '-'));
  const widths = shown.map((c, i) => Math.max(width(c.title), ...cells.map((line) => width(line[i] ?? ''))));
  const line = (texts: string[], colors: (Color | undefined)[]) =>
    texts
      .map((t, i) =>
        paint(
          i === texts.length - 1 && shown[i]?.align !== 'right' ? t : pad(t, widths[i] ?? 0, shown[i]?.align),
          colors[i],
        ),
      )
      .join('  ')
      .trimEnd();
  return [
    line(
      shown.map((c) => c.title),
      shown.map(() => 'dim'),
    ),
    ...cells.map((texts, r) =>
      line(
        texts,
        shown.map((c) => c.color?.(rows[r] as T)),
      ),
    ),
  ];
}

export function parseFormat(text: string | undefined): Format {
  const format = (text ?? 'table') as Format;
  if (!FORMATS.includes(format))
    throw new CliError(`-o ${text} is not a format`, 'usage', `Formats: ${FORMATS.join(', ')}`);
  return format;
}

/** Prints a list in the chosen format. `empty` is what a person reads when there is nothing. */
export function printList<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  format: Format,
  empty: string,
): void {
  if (format === 'json') console.log(JSON.stringify(rows, null, 2));
  else if (format === 'yaml') process.stdout.write(rows.map((row) => stringify(row)).join('---\n'));
  else if (format === 'jsonl') for (const row of rows) console.log(JSON.stringify(row));
  else if (rows.length === 0) console.error(empty);
  else for (const text of table(rows, columns, format === 'wide')) console.log(text);
}

export function printOne(value: unknown, format: Format): void {
  if (format === 'json') console.log(JSON.stringify(value, null, 2));
  else if (format === 'jsonl') console.log(JSON.stringify(value));
  else process.stdout.write(stringify(value));
}

/** 1536 → "1.5 KiB". */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let unit = 0;
  let value = count;
  while (value >= 1024 && unit < units.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Time since `iso`: "12s", "5m", "3h", "9d". */
export function age(iso: string | null, now = Date.now()): string {
  if (!iso) return '-';
  const seconds = Math.max(0, (now - Date.parse(iso)) / 1000);
  if (seconds < 120) return `${Math.round(seconds)}s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)}h`;
  return `${Math.round(seconds / 86_400)}d`;
}
