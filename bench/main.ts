// Runs the benchmarks and writes what they measured to docs/benchmarks.md: each beside its peer, in one run.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import type { BenchResult } from './result.ts';

const HERE = import.meta.dirname;
const OUTPUT = join(HERE, '..', 'docs', 'benchmarks.md');
const NOT_BENCHES = new Set(['main.ts', 'pair.ts', 'processes.ts', 'result.ts']);

const number = (value: number) =>
  Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)));

/** One benchmark as a section: what was set, what was measured, how it compares. */
export function section(result: BenchResult): string {
  const params = Object.entries(result.params)
    .map(([k, v]) => `${k} ${String(v)}`)
    .join(', ');
  const rows = result.rows.map((r) => `| ${r.label} | ${number(r.value)} ${r.unit} |`);
  const ratios = result.ratios.map(
    (r) =>
      `| ${r.label} | ${number(r.value)} | ${r.target ?? '-'} | ${r.met === undefined ? '-' : r.met ? 'met' : '**not met**'} |`,
  );
  return [
    `## ${result.name}`,
    '',
    params,
    '',
    '| measured | value |',
    '| --- | ---: |',
    ...rows,
    '',
    ...(ratios.length > 0
      ? ['| ratio | value | target | |', '| --- | ---: | --- | --- |', ...ratios, '']
      : []),
  ].join('\n');
}

const titleOf = (text: string) => text.slice(0, text.indexOf('\n')).trim();

/** Sections by title of an earlier run, so that measuring one again keeps the others. */
function earlier(): Map<string, string> {
  let text: string;
  try {
    text = readFileSync(OUTPUT, 'utf8');
  } catch {
    return new Map();
  }
  return new Map(
    text
      .split(/^## /m)
      .slice(1)
      .map((s) => [titleOf(s), `## ${s.trimEnd()}\n`]),
  );
}

const all = readdirSync(HERE)
  .filter((f) => f.endsWith('.ts') && !f.includes('.test.') && !NOT_BENCHES.has(f))
  .map((f) => f.slice(0, -3));
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  console.error(`wocloud: no benchmark ${unknown.join(', ')}; there are ${all.join(', ')}`);
  process.exit(2);
}
const sections = earlier();
for (const name of wanted.length > 0 ? wanted : all) {
  const module = (await import(join(HERE, `${name}.ts`))) as {
    run?: () => Promise<BenchResult | BenchResult[]>;
  };
  if (!module.run) continue;
  console.error(`bench ${name} …`);
  const results = [await module.run()].flat();
  for (const result of results) {
    const text = section(result);
    console.log(text);
    sections.set(result.name, text);
  }
}
const machine = `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'CPU'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release().replace(/-.*/, '')}, Node ${process.version}`;
writeFileSync(
  OUTPUT,
  `# Benchmarks\n\nWritten by \`./wocloud bench\`; each peer was measured in the same run. Compare the ratios, not the absolute numbers.\n\nMachine: ${machine}.\n\n${[...sections.values()].join('\n')}`,
);
