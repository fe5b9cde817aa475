// What stands in the kernel, object by object, and the one digest over it that a receipt proves. Pure.
import { createHash } from 'node:crypto';

export interface Block {
  /** sha256, hex, of its canonical content. */
  readonly digest: string;
  /** Rules of a chain, elements of a set or map; 0 for others. */
  readonly size: number;
}

/** By `inet wocloud chain forward` and so on. */
export type Blocks = ReadonlyMap<string, Block>;

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
