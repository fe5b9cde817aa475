/** The engine as it is installed on a host: its workspaces and what they depend on, as the lock file says; no more. */
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, readlink, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { closure, type Lock } from '@wocloud/image/closure.ts';
import { program } from '@wocloud/image/program.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** Copies the engine, the Node that runs it and nothing else to `to`. */
export async function installEngine(to: string): Promise<void> {
  const { packages } = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8')) as {
    packages: Lock;
  };
  const folders = closure(packages, 'engine', (path) => existsSync(join(ROOT, path)));
  for (const path of folders) {
    await mkdir(dirname(join(to, path)), { recursive: true });
    if (packages[path]?.link) await symlink(await readlink(join(ROOT, path)), join(to, path));
    else
      await cp(join(ROOT, path), join(to, path), {
        recursive: true,
        filter: (source) => source === join(ROOT, path) || !source.endsWith('/node_modules'),
      });
  }
  await cp(join(ROOT, 'package.json'), join(to, 'package.json'));
  await mkdir(join(to, 'node_modules/.bin'), { recursive: true });
  // The Node that runs this, whatever package brought it.
  await program(['cp', process.execPath, join(to, 'node_modules/.bin/node')]);
}
