/** Images are built once, each in a directory of its own, by one builder at a time; of the lab's, the newest few stay. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface Building {
  /** Where the image will be: it appears there whole, or not at all. */
  readonly dir: string;
  /** What people read: `guest image`. Builders of one kind in one parent directory wait for each other. */
  readonly kind: string;
  readonly progress: (line: string) => void;
  /** Builds in an empty directory; what it leaves in `image/` below is kept. */
  build(work: string): Promise<void>;
}

/** Builds unless it is there. True when it was built now. */
export async function builtOnce(building: Building): Promise<boolean> {
  const { dir, kind, progress } = building;
  if (existsSync(dir)) return false;
  const parent = dirname(dir);
  await mkdir(parent, { recursive: true });
  return oneBuilder(join(parent, `.lock-${kind}`), kind, progress, async () => {
    if (existsSync(dir)) return false;
    const work = join(parent, `.building-${kind}-${process.pid}`);
    await rm(work, { recursive: true, force: true });
    await mkdir(join(work, 'image'), { recursive: true });
    try {
      const began = performance.now();
      await building.build(work);
      await rename(join(work, 'image'), dir);
      progress(`${kind} image: ready after ${((performance.now() - began) / 1000).toFixed(1)} s`);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
    return true;
  });
}

export interface CachedImage {
  readonly cacheDir: string;
  /** `guest`, `nested`, …: the first part of the image's directory. */
  readonly kind: string;
  /** Content hash of the recipe. */
  readonly id: string;
  readonly progress: (line: string) => void;
  build(work: string): Promise<void>;
}

/** The image's directory, from the cache or built now. */
export async function cachedImage({ cacheDir, kind, id, progress, build }: CachedImage): Promise<string> {
  const dir = join(cacheDir, `${kind}-${id}`);
  if (await builtOnce({ dir, kind, progress, build })) await prune(cacheDir, kind);
  return dir;
}

// Labs that still run may stand on an older image.
const KEPT_IMAGES = 3;

/** Removes all but the newest images of a kind. */
async function prune(cacheDir: string, kind: string): Promise<void> {
  const images = (await readdir(cacheDir)).filter((name) => name.startsWith(`${kind}-`));
  const aged = await Promise.all(
    images.map(async (name) => ({
      path: join(cacheDir, name),
      built: (await stat(join(cacheDir, name))).mtimeMs,
    })),
  );
  aged.sort((a, b) => b.built - a.built);
  for (const { path } of aged.slice(KEPT_IMAGES)) await rm(path, { recursive: true, force: true });
}

/** Lets one process at a time build: the others wait for its result. A dead builder's lock does not count. */
async function oneBuilder<T>(
  lock: string,
  kind: string,
  progress: (line: string) => void,
  act: () => Promise<T>,
): Promise<T> {
  let told = false;
  for (;;) {
    try {
      await writeFile(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const owner = Number(await readFile(lock, 'utf8').catch(() => ''));
    if (owner > 0 && !existsSync(`/proc/${owner}`)) await rm(lock, { force: true });
    else if (!told) progress(`${kind} image: process ${owner} is building one; waiting`);
    told = true;
    await delay(100);
  }
  try {
    return await act();
  } finally {
    await rm(lock, { force: true });
  }
}
