// The console is built once from its sources, and again when they change.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LauncherError, step } from './steps.ts';

const ROOT = join(import.meta.dirname, '..');
const CONSOLE = join(ROOT, 'console');
const STAMP = join(CONSOLE, 'dist', '.sources');

/** Digest of everything the build reads of ours. */
function sources(): string {
  const hash = createHash('sha256');
  const add = (dir: string) => {
    for (const entry of readdirSync(dir, { withFileTypes: true }).sort((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      if (entry.name === 'node_modules' || entry.name === 'dist' || entry.name.includes('.test.')) continue;
      const path = join(dir, entry.name);
      if (entry.isDirectory()) add(path);
      else hash.update(path.slice(ROOT.length)).update(readFileSync(path));
    }
  };
  add(CONSOLE);
  add(join(ROOT, 'protocol'));
  hash.update(readFileSync(join(ROOT, 'package-lock.json')));
  return hash.digest('hex');
}

export async function ensureConsole(): Promise<void> {
  const want = sources();
  if (existsSync(STAMP) && readFileSync(STAMP, 'utf8') === want) return;
  await step('Build the console', async () => {
    const vite = join(ROOT, 'node_modules', 'vite', 'bin', 'vite.js');
    await new Promise<void>((resolve, reject) => {
      let output = '';
      const child = spawn(process.execPath, [vite, 'build'], {
        cwd: CONSOLE,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
      child.on('error', reject);
      child.on('close', (code) =>
        code === 0
          ? resolve()
          : reject(
              new LauncherError(
                `vite build failed:\n${output.slice(-3000)}`,
                'This is a defect of this tree; the message above says where.',
              ),
            ),
      );
    });
    writeFileSync(STAMP, want);
  });
}
