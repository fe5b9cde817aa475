/** The engine as it is installed on a host: its workspaces and what they depend on, as the lock file says; no more. */
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, readlink, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { program } from '../program.ts';

const ROOT = join(import.meta.dirname, '..', '..');

interface Locked {
  readonly link?: boolean;
  readonly resolved?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
type Lock = Readonly<Record<string, Locked>>;

/** Folders, relative to the root, of a workspace and of all it needs at run time; `present` tells what is installed. */
export function closure(lock: Lock, workspace: string, present: (path: string) => boolean): string[] {
  const found = new Set<string>();
  const find = (name: string, from: string): string | undefined => {
    for (let at = from; ; at = at.includes('/') ? dirname(at) : '') {
      const path = join(at, 'node_modules', name);
      if (lock[path] !== undefined) return path;
      if (at === '') return undefined;
    }
  };
  const add = (path: string): void => {
    if (found.has(path)) return;
    found.add(path);
    const locked = lock[path];
    // A workspace is linked into node_modules; what it needs is listed at its own folder.
    if (locked?.link && locked.resolved !== undefined) return add(locked.resolved);
    for (const name of Object.keys(locked?.dependencies ?? {})) {
      const needed = find(name, path);
      if (needed === undefined)
        throw new Error(`${path} needs ${name}, which package-lock.json does not have`);
      add(needed);
    }
    for (const name of Object.keys(locked?.optionalDependencies ?? {})) {
      const wished = find(name, path);
      if (wished !== undefined && present(wished)) add(wished);
    }
  };
  add(workspace);
  return [...found].sort();
}

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
