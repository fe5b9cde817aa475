// The kernel's ruleset in words that are the same for the same rules: one block per chain, set and map, as nft lists
// it without state. Its digest is what a receipt proves. Pure.
import { createHash } from 'node:crypto';

export interface Block {
  /** `inet wocloud chain forward` and so on. */
  readonly key: string;
  /** sha256 of the block's text, hex. */
  readonly digest: string;
}

const OPENING =
  /^\t(chain|set|map|flowtable|counter|quota|limit|ct helper|ct timeout|ct expectation|secmark|synproxy) (\S+) \{$/;

/**
 * Splits what `nft list table` (or `list chain`, `list set`, …) prints. Elements that packets put into a set (a
 * dynamic one, or one with timeouts) are not part of the rules and left out.
 */
export function blocks(text: string): Map<string, string> {
  const result = new Map<string, string>();
  let table = '';
  let key = '';
  let lines: string[] = [];
  for (const line of text.split('\n')) {
    const outer = /^table (\S+) (\S+) \{$/.exec(line);
    if (outer) {
      table = `${outer[1]} ${outer[2]}`;
      result.set(`${table} table`, '');
      continue;
    }
    const inner = key === '' ? OPENING.exec(line) : null;
    if (inner) {
      key = `${table} ${inner[1]} ${inner[2]}`;
      lines = [];
    } else if (key !== '' && line === '\t}') {
      result.set(key, canonical(lines));
      key = '';
    } else if (key !== '') lines.push(line);
  }
  return result;
}

function canonical(lines: string[]): string {
  const dynamic = lines.some((line) => /^\t\t(flags .*\b(dynamic|timeout)\b|timeout )/.test(line));
  if (!dynamic) return lines.join('\n');
  const start = lines.findIndex((line) => line.startsWith('\t\telements = {'));
  return (start < 0 ? lines : lines.slice(0, start)).join('\n');
}

export const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Digests of a listing's blocks, by key. */
export function digests(text: string): Map<string, string> {
  return new Map([...blocks(text)].map(([key, content]) => [key, digestOf(content)]));
}

/** One digest over all blocks, whatever their order. */
export function totalDigest(parts: ReadonlyMap<string, string>): string {
  return digestOf(
    [...parts]
      .map(([key, digest]) => `${key} ${digest}\n`)
      .sort()
      .join(''),
  );
}

/** Keys whose digest is not the same on both sides. */
export function differences(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): string[] {
  const keys = new Set([...a.keys(), ...b.keys()]);
  return [...keys].filter((key) => a.get(key) !== b.get(key)).sort();
}
