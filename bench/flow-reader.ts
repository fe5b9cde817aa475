// How many connection events are lost on the way from the kernel, and what one costs: our reader beside a C reader
// on libnetfilter_conntrack and `conntrack -E`, each under the same load. Needs root.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { main, type BenchResult } from './result.ts';

/** Takes about two minutes. The load stays in namespaces that end with it. */
export async function run(): Promise<BenchResult> {
  const script = join(import.meta.dirname, 'flow-reader', 'measure.ts');
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [script], { maxBuffer: 2 ** 26 });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout) as BenchResult;
}

await main(import.meta.url, run);
