/** Images are built once: kept under the cache directory by content hash, the newest few of each kind. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface CachedImage {
  readonly cacheDir: string;
  /** `guest`, `nested`, …: the first part of the image's directory. */
  readonly kind: string;
  /** Content hash of the recipe. */
  readonly id: string;
  readonly progress: (line: string) => void;
  /** Builds in an empty directory; what it leaves in `image/` below is kept. */
  build(work: string): Promise<void>;
}

/** The image's directory, from the cache or built now. */
export async function cachedImage(image: CachedImage): Promise<string> {
  const { cacheDir, kind, id, progress } = image;
  const dir = join(cacheDir, `${kind}-${id}`);
  if (existsSync(dir)) return dir;
  await mkdir(cacheDir, { recursive: true });
  await oneBuilder(image, async () => {
    if (existsSync(dir)) return;
    const work = join(cacheDir, `.building-${kind}-${process.pid}`);
    await rm(work, { recursive: true, force: true });
    await mkdir(join(work, 'image'), { recursive: true });
    try {
      const began = performance.now();
      await image.build(work);
      await rename(join(work, 'image'), dir);
      await prune(cacheDir, kind);
      progress(`${kind} image ${id}: ready after ${((performance.now() - began) / 1000).toFixed(1)} s`);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
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
async function oneBuilder(
  { cacheDir, kind, progress }: CachedImage,
  act: () => Promise<void>,
): Promise<void> {
  const lock = join(cacheDir, `.lock-${kind}`);
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
    await act();
  } finally {
    await rm(lock, { force: true });
  }
}
