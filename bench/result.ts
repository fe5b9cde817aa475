/**
 * What a measurement hands back: its parameters, what was measured, and the ratios that are its point. A ratio may
 * carry the target it was meant to meet.
 */
import { pathToFileURL } from 'node:url';

export interface BenchResult {
  readonly name: string;
  /** What it ran with: sizes, counts, versions. */
  readonly params: Record<string, unknown>;
  readonly rows: { readonly label: string; readonly value: number; readonly unit: string }[];
  readonly ratios: {
    readonly label: string;
    readonly value: number;
    /** In words, e.g. `at least 0.9`. */
    readonly target?: string;
    readonly met?: boolean;
  }[];
}

/** Median of some numbers; NaN for none. */
export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

/** The value at a fraction of the sorted numbers (0.99: the 99th percentile); NaN for none. */
export function quantile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(fraction * sorted.length))] ?? Number.NaN;
}

/** Runs a measurement when its file is the program itself, and prints the result as JSON. */
export async function main(url: string, run: () => Promise<BenchResult>): Promise<void> {
  if (process.argv[1] === undefined || url !== pathToFileURL(process.argv[1]).href) return;
  console.log(JSON.stringify(await run(), null, 2));
}
