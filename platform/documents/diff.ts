// What a change changes: unified diff of two texts (Myers' algorithm), and documents as YAML.
import { stringify } from 'yaml';

/** A document as people read it; '' for none. */
export const yamlOf = (document: unknown): string =>
  document === null || document === undefined ? '' : stringify(document, { lineWidth: 0 });

type Edit = { sign: ' ' | '-' | '+'; line: string };
const CONTEXT = 3;
/** Past this many differing lines the middle is shown as replaced: finding the smallest diff would cost too much. */
const MAX_EDITS = 2_000;

/** Longer diffs are kept by nobody and read by nobody: they end with a line that says how much is left out. */
export const MAX_DIFF = 256 * 1024;

/** Unified diff of two texts, '' when they are the same. */
export function unifiedDiff(before: string, after: string, name: string): string {
  if (before === after) return '';
  const edits = editScript(linesOf(before), linesOf(after));
  const out = [`--- ${before === '' ? '/dev/null' : name}`, `+++ ${after === '' ? '/dev/null' : name}`];
  let [at, from, to, size] = [0, 0, 0, 0];
  const ranges = hunks(edits);
  for (const [start, end] of ranges) {
    for (; at < start; at++) {
      if (edits[at]?.sign !== '+') from++;
      if (edits[at]?.sign !== '-') to++;
    }
    const shown = edits.slice(start, end);
    const count = (without: string) => shown.filter((e) => e.sign !== without).length;
    const [olds, news] = [count('+'), count('-')];
    out.push(`@@ -${olds ? from + 1 : from},${olds} +${news ? to + 1 : to},${news} @@`);
    for (const [i, { sign, line }] of shown.entries()) {
      size += line.length + 2;
      if (size > MAX_DIFF) {
        const rest = changed(edits, start + i);
        return `${out.join('\n')}\n\\ ${rest} more changed lines are not shown\n`;
      }
      out.push(sign + line);
    }
  }
  return `${out.join('\n')}\n`;
}

const changed = (edits: readonly Edit[], from: number): number =>
  edits.slice(from).filter(({ sign }) => sign !== ' ').length;

const linesOf = (text: string): string[] => {
  if (text === '') return [];
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
};

/** Ranges of edits to show: each change with its context, overlapping ones joined. */
function hunks(edits: readonly Edit[]): [number, number][] {
  const ranges: [number, number][] = [];
  edits.forEach(({ sign }, i) => {
    if (sign === ' ') return;
    const [start, end] = [Math.max(0, i - CONTEXT), Math.min(edits.length, i + CONTEXT + 1)];
    const last = ranges.at(-1);
    if (last && start <= last[1]) last[1] = end;
    else ranges.push([start, end]);
  });
  return ranges;
}

function editScript(a: readonly string[], b: readonly string[]): Edit[] {
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++;
  const same = (line: string): Edit => ({ sign: ' ', line });
  return [
    ...a.slice(0, head).map(same),
    ...middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail)),
    ...a.slice(a.length - tail).map(same),
  ];
}

/** Myers' greedy shortest edit script, keeping each round's frontier to walk back along. */
function middle(a: readonly string[], b: readonly string[]): Edit[] {
  const replaced = () => [
    ...a.map((line): Edit => ({ sign: '-', line })),
    ...b.map((line): Edit => ({ sign: '+', line })),
  ];
  if (a.length === 0 || b.length === 0) return replaced();
  const limit = Math.min(a.length + b.length, MAX_EDITS);
  const trace: Map<number, number>[] = [];
  let frontier = new Map<number, number>([[1, 0]]);
  for (let d = 0; d <= limit; d++) {
    trace.push(frontier);
    const next = new Map(frontier);
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && (next.get(k - 1) ?? -1) < (next.get(k + 1) ?? -1));
      let x = down ? (next.get(k + 1) ?? 0) : (next.get(k - 1) ?? 0) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      next.set(k, x);
      if (x >= a.length && x - k >= b.length) return walkBack(a, b, trace, d);
    }
    frontier = next;
  }
  return replaced();
}

function walkBack(
  a: readonly string[],
  b: readonly string[],
  trace: Map<number, number>[],
  rounds: number,
): Edit[] {
  const edits: Edit[] = [];
  let [x, y] = [a.length, b.length];
  for (let d = rounds; d >= 0; d--) {
    const frontier = trace[d] ?? new Map<number, number>();
    const k = x - y;
    const down = k === -d || (k !== d && (frontier.get(k - 1) ?? -1) < (frontier.get(k + 1) ?? -1));
    const from = down ? k + 1 : k - 1;
    const fromX = frontier.get(from) ?? 0;
    const [startX, startY] = [fromX, fromX - from];
    while (x > startX && y > startY && x > 0 && y > 0 && a[x - 1] === b[y - 1]) {
      edits.push({ sign: ' ', line: a[x - 1] ?? '' });
      [x, y] = [x - 1, y - 1];
    }
    if (d === 0) break;
    if (down) edits.push({ sign: '+', line: b[y - 1] ?? '' });
    else edits.push({ sign: '-', line: a[x - 1] ?? '' });
    [x, y] = [startX, startY];
  }
  return edits.toReversed();
}
