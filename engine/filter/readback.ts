// The kernel's ruleset in words that are the same for the same rules: one block per chain, set, map and counter, as
// nft lists it without state. Its digest is what a receipt proves. Pure.
import { createHash } from 'node:crypto';

export interface Block {
  /** sha256 of its text, hex. */
  readonly digest: string;
  /** Rules of a chain, elements of a set or map; 0 for others. */
  readonly size: number;
}

/** By `inet wocloud chain forward` and so on. */
export type Blocks = ReadonlyMap<string, Block>;

const OPENING =
  /^\t(chain|set|map|flowtable|counter|quota|limit|ct helper|ct timeout|ct expectation|secmark|synproxy) (\S+) \{$/;

/** Reads what `nft --stateless list table` (or `list chain`, `list set`, …) prints. */
export function readBlocks(text: string): Map<string, Block> {
  const result = new Map<string, Block>();
  let table = '';
  let key = '';
  let lines: string[] = [];
  for (const line of text.split('\n')) {
    const outer = /^table (\S+) (\S+) \{$/.exec(line);
    if (outer) {
      table = `${outer[1]} ${outer[2]}`;
      continue;
    }
    const inner = key === '' ? OPENING.exec(line) : null;
    if (inner) {
      key = `${table} ${inner[1]} ${inner[2]}`;
      lines = [];
    } else if (key !== '' && line === '\t}') {
      result.set(key, readBlock(key.split(' ')[2] ?? '', lines));
      key = '';
    } else if (key !== '') lines.push(line);
  }
  return result;
}

/** Elements that packets put into a set (a dynamic one, or one with timeouts) are no part of the rules. */
function readBlock(kind: string, lines: string[]): Block {
  const elementsAt = kind === 'chain' ? -1 : lines.findIndex((line) => line.startsWith('\t\telements = {'));
  const dynamic =
    elementsAt >= 0 && lines.some((line) => /^\t\t(flags .*\b(dynamic|timeout)\b|timeout )/.test(line));
  const kept = dynamic ? lines.slice(0, elementsAt) : lines;
  const size =
    kind === 'chain'
      ? lines.filter((line) => /^\t\t[^\t]/.test(line) && !/^\t\t(type .* hook |comment ")/.test(line)).length
      : elementsAt < 0 || dynamic
        ? 0
        : lines.slice(elementsAt).join('').split(',').length;
  return { digest: digestOf(kept.join('\n')), size };
}

export const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** One digest over all blocks, whatever their order. */
export function totalDigest(blocks: Blocks): string {
  const lines = [...blocks].map(([key, { digest }]) => `${key} ${digest}\n`).sort();
  return digestOf(lines.join(''));
}

/** Keys whose block is not the same on both sides. */
export function differences(a: Blocks, b: Blocks): string[] {
  const keys = new Set([...a.keys(), ...b.keys()]);
  return [...keys].filter((key) => a.get(key)?.digest !== b.get(key)?.digest).sort();
}
