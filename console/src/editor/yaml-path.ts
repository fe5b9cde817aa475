// Where in a YAML document a cursor stands, told from the text alone, for the text is mostly unfinished there.

export interface Place {
  /** Keys and list positions from the document's root to the mapping or list the cursor is in. */
  path: (string | number)[];
  /** The key whose value is being written; null where a key is. */
  key: string | null;
  /** What is typed of it already. */
  typed: string;
  /** Keys that the same mapping has already. */
  present: string[];
}

interface Frame {
  indent: number;
  key: string | null;
  /** How many list items this frame has begun, less one; -1: it is no list. */
  item: number;
}

const KEY = /^("[^"]*"|'[^']*'|[\w./-]+)\s*:(?=\s|$)/;
const bare = (key: string) => key.replace(/^["']|["']$/g, '');

/** Finds the place of `offset` in `text`; multi-document streams count from the last `---`. */
export function placeOf(text: string, offset: number): Place {
  const before = text.slice(0, offset);
  const start = before.search(/(^|\n)---\s*\n(?![\s\S]*\n---\s*\n)/);
  const lines = before.slice(start < 0 ? 0 : start).split('\n');
  const current = lines.pop() ?? '';
  const frames: Frame[] = [{ indent: -1, key: null, item: -1 }];
  for (const line of lines) if (line.trim() && !/^\s*(#|---)/.test(line)) enter(frames, line);
  const indent = /^\s*/.exec(current)![0].length;
  return inLine(frames, current.slice(indent), indent, siblings(text, offset));
}

/** Takes a finished line into account. */
function enter(frames: Frame[], line: string): void {
  let indent = /^\s*/.exec(line)![0].length;
  let rest = line.slice(indent);
  while (/^-(\s|$)/.test(rest)) {
    startItem(frames, indent);
    const step = /^-\s*/.exec(rest)![0].length;
    rest = rest.slice(step);
    indent += step;
  }
  const key = KEY.exec(rest);
  if (!key) return;
  leave(frames, indent);
  frames.push({ indent, key: bare(key[1]!), item: -1 });
}

/** Leaves what is indented as deep or deeper. */
function leave(frames: Frame[], indent: number): void {
  while (frames.length > 1 && frames.at(-1)!.indent >= indent) frames.pop();
}

/** A dash begins the next item of the list its key holds; the list may be indented like its key. */
function startItem(frames: Frame[], indent: number): void {
  while (
    frames.length > 1 &&
    (frames.at(-1)!.indent > indent ||
      (frames.at(-1)!.indent === indent && frames.at(-1)!.item < 0 && !holdsList(frames, indent)))
  )
    frames.pop();
  const top = frames.at(-1)!;
  if (top.item >= 0 && top.key === null && top.indent === indent) top.item += 1;
  else frames.push({ indent, key: null, item: 0 });
}

const holdsList = (frames: Frame[], indent: number) =>
  frames.at(-1)!.indent === indent && frames.at(-1)!.key !== null;

function inLine(frames: Frame[], text: string, column: number, present: string[]): Place {
  let indent = column;
  let rest = text;
  while (/^-(\s|$)/.test(rest)) {
    startItem(frames, indent);
    const step = /^-\s*/.exec(rest)![0].length;
    rest = rest.slice(step);
    indent += step;
  }
  leave(frames, indent);
  const path = frames.slice(1).map((f) => (f.key === null ? f.item : f.key));
  if (/^[{[]/.test(rest)) return inFlow(path, rest);
  const key = KEY.exec(rest);
  if (!key) return { path, key: null, typed: rest, present };
  const value = rest.slice(key[0].length).trimStart();
  if (/^[{[]/.test(value)) return inFlow([...path, bare(key[1]!)], value);
  return { path, key: bare(key[1]!), typed: value, present };
}

/** Within braces and brackets on one line. */
function inFlow(base: (string | number)[], text: string): Place {
  const path = [...base];
  const open: { kind: '{' | '['; item: number; keys: string[]; key: string | null }[] = [];
  let word = '';
  let quote = '';
  for (const c of text) {
    const top = open.at(-1);
    if (quote) {
      word += c;
      if (c === quote) quote = '';
    } else if (c === '"' || c === "'") {
      quote = c;
      word += c;
    } else if (c === '{' || c === '[') {
      if (top) path.push(top.kind === '[' ? top.item : (top.key ?? ''));
      open.push({ kind: c, item: 0, keys: [], key: null });
      word = '';
    } else if (c === '}' || c === ']') {
      open.pop();
      if (open.length > 0) path.pop();
      word = '';
    } else if (c === ',' && top) {
      top.item += 1;
      top.key = null;
      word = '';
    } else if (c === ':' && top?.kind === '{' && top.key === null) {
      top.key = bare(word.trim());
      top.keys.push(top.key);
      word = '';
    } else word += c;
  }
  const top = open.at(-1);
  const typed = word.trimStart();
  if (!top) return { path: path.slice(0, -1), key: String(path.at(-1)), typed, present: [] };
  if (top.kind === '[') return { path: [...path, top.item], key: null, typed, present: [] };
  return { path, key: top.key, typed, present: top.keys };
}

/** Keys of the lines around the cursor's with the same indentation, up to where it becomes smaller. */
function siblings(text: string, offset: number): string[] {
  const lines = text.split('\n');
  const at = text.slice(0, offset).split('\n').length - 1;
  const depth = (line: string) => /^[\s-]*/.exec(line)![0].length;
  const own = depth(lines[at] ?? '');
  const keys: string[] = [];
  const walk = (from: number, step: number) => {
    for (let i = from; i >= 0 && i < lines.length; i += step) {
      const line = lines[i]!;
      if (!line.trim()) continue;
      if (/^---/.test(line)) return;
      const here = depth(line);
      // A dash begins another item: its keys are not ours, unless it is the line that began ours.
      const begins = /^\s*-\s/.test(line);
      if (here < own || (begins && step > 0)) return;
      const key = here === own ? KEY.exec(line.slice(here)) : null;
      if (key) keys.push(bare(key[1]!));
      if (begins && here === own) return;
    }
  };
  if (!/^\s*-\s/.test(lines[at] ?? '')) walk(at - 1, -1);
  walk(at + 1, 1);
  return keys;
}
