// How answers are printed: tables that fit the terminal, or json, yaml, jsonl, whole and stable, for programs.
import { Option } from 'commander';
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
  /** Never shortened: what one copies into the next command. */
  whole?: boolean;
  color?: (row: T) => Color | undefined;
}
export type Color = 'red' | 'green' | 'yellow' | 'dim' | 'bold';

const CODES: Record<Color, string> = { red: '31', green: '32', yellow: '33', dim: '2', bold: '1' };

export const colored = (): boolean => process.stdout.isTTY && !process.env['NO_COLOR'];

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

/** A column is not made narrower than this. */
const NARROWEST = 8;
const GAP = '  ';

/** Cut to so many columns of a terminal, the last of which says that more was there. */
export function shorten(text: string, to: number): string {
  if (width(text) <= to) return text;
  let kept = '';
  for (const character of text) {
    if (width(kept) + width(character) > to - 1) break;
    kept += character;
  }
  return `${kept}…`;
}

/** Widths that fit `room`: the widest column that may be shortened gives first. */
function fit(widths: number[], may: readonly boolean[], room: number): number[] {
  const fitted = [...widths];
  const taken = () => fitted.reduce((sum, w) => sum + w, 0) + GAP.length * (fitted.length - 1);
  while (taken() > room) {
    const widest = Math.max(...fitted.filter((w, i) => may[i] && w > NARROWEST), 0);
    if (widest === 0) break;
    fitted[fitted.findIndex((w, i) => may[i] && w === widest)] = widest - 1;
  }
  return fitted;
}

/** Rows → aligned lines, header first, within `room` columns where that can be. */
export function table<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  wide: boolean,
  room = Infinity,
): string[] {
  const shown = columns.filter((c) => wide || !c.wide);
  const cells = rows.map((row) => shown.map((c) => clean(c.value(row)) || '-'));
  const natural = shown.map((c, i) => Math.max(width(c.title), ...cells.map((line) => width(line[i] ?? ''))));
  const may = shown.map((c) => !c.whole && c.align !== 'right');
  const widths = fit(natural, may, room);
  const line = (texts: string[], colors: (Color | undefined)[]) =>
    texts
      .map((t, i) => {
        const text = shorten(t, widths[i] ?? 0);
        const last = i === texts.length - 1 && shown[i]?.align !== 'right';
        return paint(last ? text : pad(text, widths[i] ?? 0, shown[i]?.align), colors[i]);
      })
      .join(GAP)
      .trimEnd();
  return [
    line(
      shown.map((c) => c.title),
      shown.map(() => 'dim'),
    ),
    ...rows.map((row, r) =>
      line(
        cells[r] ?? [],
        shown.map((c) => c.color?.(row)),
      ),
    ),
  ];
}

/** Columns of a live log: they widen as longer words come by, up to a bound, and never jump back. */
export class GrowingColumns {
  readonly #widths: number[];
  constructor(widths: readonly number[]) {
    this.#widths = [...widths];
  }
  pad(cells: readonly string[]): string[] {
    return cells.map(clean).map((cell, i) => {
      const to = Math.min(WIDEST, Math.max(this.#widths[i] ?? 0, width(cell)));
      this.#widths[i] = to;
      return pad(cell, to);
    });
  }
}
const WIDEST = 60;

/** Columns of the terminal; without one nothing is shortened. */
const terminalWidth = () => (process.stdout.isTTY ? process.stdout.columns : Infinity);

export const outputOption = (standard: Format = 'table') =>
  new Option('-o, --output <format>', FORMATS.join(', ')).default(standard);

export function parseFormat(text: string | undefined): Format {
  const format = FORMATS.find((f) => f === (text ?? 'table'));
  if (!format) throw new CliError(`-o ${text} is not a format`, 'usage', `Formats: ${FORMATS.join(', ')}`);
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
  else
    for (const text of table(
      rows,
      columns,
      format === 'wide',
      format === 'wide' ? Infinity : terminalWidth(),
    ))
      console.log(text);
}

/** For people (table, wide) rather than for programs. */
export const forPeople = (format: Format): boolean => format === 'table' || format === 'wide';

export function printOne(value: unknown, format: Format): void {
  if (format === 'json') console.log(JSON.stringify(value, null, 2));
  else if (format === 'jsonl') console.log(JSON.stringify(value));
  else process.stdout.write(stringify(value));
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Decimal units, three significant digits, as the console says them: 1536 → "1.54 kB". */
export function bytes(count: number): string {
  let unit = 0;
  let value = count;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 ? Math.round(value) : Number(value.toPrecision(3))} ${UNITS[unit]}`;
}

/** "1 VM", "3 VMs". */
export const many = (n: number, one: string, more = `${one}s`): string => `${n} ${n === 1 ? one : more}`;

/** A moment in this terminal's time zone: "2026-05-01 12:00:00". */
export function moment(iso: string): string {
  const at = new Date(iso);
  const two = (n: number) => String(n).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
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

/** Unified diffs, coloured on a terminal. */
export function printDiff(of: readonly { diff: string }[]): void {
  const color = (line: string): Color | undefined =>
    line.startsWith('+') ? 'green' : line.startsWith('-') ? 'red' : line.startsWith('@') ? 'dim' : undefined;
  for (const line of of.flatMap((r) => r.diff.split('\n')).filter(Boolean))
    console.log(paint(clean(line), color(line)));
}
