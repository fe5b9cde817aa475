// test: every test of the tree, with what they need. check: what a reviewer would run before reading.
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { ensureConsole } from './console-build.ts';
import { ensurePackages } from './packages.ts';
import { LauncherError, step } from './steps.ts';

const ROOT = join(import.meta.dirname, '..');
const BIN = join(ROOT, 'node_modules', '.bin');

function program(command: string, args: string[], env: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: ROOT,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...env },
    });
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(signal ? 1 : (code ?? 1)));
  });
}

const tests = (patterns: string[]): string[] => {
  const wanted =
    patterns.length > 0
      ? patterns.flatMap((p) => (p.endsWith('.test.ts') ? [p] : [`${p.replace(/\/$/, '')}/**/*.test.ts`]))
      : ['**/*.test.ts'];
  return globSync(wanted, { cwd: ROOT, exclude: (name) => name === 'node_modules' || name === 'dist' })
    .filter((f) => !f.includes('node_modules/'))
    .sort();
};

/** Runs the tests of these folders or files (all, when none is named). */
export async function test(patterns: string[], options: { yes?: boolean }): Promise<void> {
  await ensurePackages(['platform', 'engine', 'lab', 'test'], { yes: options.yes ?? false });
  await ensureConsole();
  const files = tests(patterns);
  if (files.length === 0)
    throw new LauncherError(
      `No tests under ${patterns.join(', ')}`,
      'Name a folder (policy) or a file (policy/selector.test.ts).',
    );
  // The lab's tests compare the whole machine before and after: they run alone. Of the others two files at a
  // time: many of them start databases or namespaces, and more would only wait for each other.
  const alone = files.filter((file) => file.startsWith('lab/'));
  const others = files.filter((file) => !file.startsWith('lab/'));
  let code = 0;
  for (const [concurrency, group] of [
    [1, alone],
    [2, others],
  ] as const)
    if (group.length > 0)
      code =
        (await program(process.execPath, ['--test', `--test-concurrency=${concurrency}`, ...group])) || code;
  if (code !== 0)
    throw new LauncherError('Tests failed; each is named above', 'Run one alone: ./wocloud test FILE', {
      exitCode: code,
    });
}

/** Types, lint, format; with `full` also the long fuzz runs. */
export async function check(options: { full?: boolean; yes?: boolean }): Promise<void> {
  const must = (title: string, command: string, args: string[], env: Record<string, string> = {}) =>
    step(title, async () => {
      const code = await program(command, args, env);
      if (code !== 0)
        throw new LauncherError(
          `${title}: found what is above`,
          `Alone: ${command.replace(`${ROOT}/`, '')} ${args.slice(0, 6).join(' ')}`,
          { exitCode: code },
        );
    });
  await must('Types', join(BIN, 'tsc'), ['--noEmit', '-p', '.']);
  await must('Types of the console', join(BIN, 'tsc'), ['--noEmit', '-p', 'console']);
  await must('Lint', join(BIN, 'oxlint'), ['--type-aware', '--deny-warnings']);
  await must('Format', join(BIN, 'oxfmt'), ['--check', '.']);
  if (options.full) {
    await ensurePackages(['platform', 'engine', 'test'], { yes: options.yes ?? false });
    const fuzzed = tests([]).filter((f) => /fuzz|documents\.test|columns\.test/.test(f));
    await must(
      `Fuzz, 100,000 cases each in ${fuzzed.length} files`,
      process.execPath,
      ['--test', '--test-concurrency=2', ...fuzzed],
      { WOCLOUD_FUZZ_RUNS: '100000' },
    );
  }
}
