/** What an image is made of, as its builder saw it: written beside its files, and checked before they are used. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Type, type Static } from 'typebox';
import { Value } from 'typebox/value';

export const Manifest = Type.Object({
  /** Content hash of the recipe and of our sources in the image. */
  version: Type.String({ pattern: '^[0-9a-f]{16}$' }),
  /** ISO 8601. */
  built: Type.String(),
  suricata: Type.String(),
  /** sha256, hex, of each file; of a directory, that of its listing: see treeDigest. */
  files: Type.Record(Type.String(), Type.String({ pattern: '^[0-9a-f]{64}$' })),
});
export type Manifest = Static<typeof Manifest>;

const FILE = 'manifest.json';

/** What was built is not what is there. */
export class ImageChangedError extends Error {
  readonly code = 'image.changed';
}

/** Undefined when there is no image in the directory, or none whose manifest can be read. */
export async function readManifest(dir: string): Promise<Manifest | undefined> {
  try {
    const value: unknown = JSON.parse(await readFile(join(dir, FILE), 'utf8'));
    return Value.Check(Manifest, value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Writes the manifest of the files and directories named. */
export async function writeManifest(
  dir: string,
  about: Omit<Manifest, 'files' | 'built'>,
  names: readonly string[],
): Promise<void> {
  const files: Record<string, string> = {};
  for (const name of names) files[name] = await digest(join(dir, name));
  const manifest: Manifest = { ...about, built: new Date().toISOString(), files };
  await writeFile(join(dir, FILE), `${JSON.stringify(manifest, null, 2)}\n`);
}

/** Throws ImageChangedError when one of the named files is not what was built. `at` finds a copy of it elsewhere. */
export async function verifyFiles(
  dir: string,
  manifest: Manifest,
  names: readonly string[],
  at: (name: string) => string = (name) => join(dir, name),
): Promise<void> {
  for (const name of names) {
    const path = at(name);
    let found: string;
    try {
      found = await digest(path);
    } catch (cause) {
      throw new ImageChangedError(`${path} cannot be read: ${(cause as Error).message}`, { cause });
    }
    const wanted = manifest.files[name];
    if (found !== wanted)
      throw new ImageChangedError(
        `${path} is not what was built: its sha256 is ${found.slice(0, 16)}…, that of image ${manifest.version} is ${wanted?.slice(0, 16) ?? 'not known'}…`,
      );
  }
}

const digest = async (path: string): Promise<string> =>
  (await lstat(path)).isDirectory() ? treeDigest(path) : fileDigest(path);

async function fileDigest(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** sha256 of a tree: a line per entry in order of its path, with kind, mode, owner, and content or target. */
export async function treeDigest(root: string): Promise<string> {
  const hash = createHash('sha256');
  const visit = async (path: string): Promise<void> => {
    const entries = (await readdir(join(root, path))).sort();
    for (const entry of entries) {
      const name = path === '' ? entry : `${path}/${entry}`;
      const whole = join(root, name);
      const stat = await lstat(whole);
      const kind = stat.isDirectory() ? 'd' : stat.isFile() ? 'f' : stat.isSymbolicLink() ? 'l' : 'other';
      const content = kind === 'f' ? await fileDigest(whole) : kind === 'l' ? await readlink(whole) : '';
      hash.update(
        `${kind} ${(stat.mode & 0o7777).toString(8)} ${stat.uid}:${stat.gid} ${name}\0${content}\n`,
      );
      if (kind === 'd') await visit(name);
    }
  };
  await visit('');
  return hash.digest('hex');
}
