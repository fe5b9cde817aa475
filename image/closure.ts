/** What a workspace needs at run time, as package-lock.json says: which folders to copy where it is to run. */
import { dirname, join } from 'node:path';

export interface Locked {
  readonly link?: boolean;
  readonly resolved?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}
export type Lock = Readonly<Record<string, Locked>>;

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
