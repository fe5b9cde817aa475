/**
 * What an attacker brings along: real tools of Debian's on a read-only disk of their own, so that the other guests do
 * not carry them. A guest that has the disk finds them in /tools, to be run by `chroot /tools`.
 */
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { cachedImage } from '@wocloud/image/cache.ts';
import { program } from '@wocloud/image/program.ts';
import { unpackPackages } from '@wocloud/image/unpack.ts';
import { defaultCacheDir, type BuildOptions } from './build.ts';
import { PRUNE } from './recipe.ts';

/** curl for plain requests; dash and coreutils because some tools are scripts. */
const PACKAGES = ['nmap', 'hping3', 'hydra', 'iodine', 'curl', 'dash', 'coreutils'];
const DISK_MIB = 512;

/** The disk with the tools, from the cache or built now. */
export async function toolsDisk(options: BuildOptions = {}): Promise<string> {
  const progress = options.onProgress ?? (() => {});
  const id = createHash('sha256')
    .update(await readFile(import.meta.filename))
    .digest('hex')
    .slice(0, 16);
  const dir = await cachedImage({
    cacheDir: options.cacheDir ?? defaultCacheDir(),
    kind: 'tools',
    id,
    progress,
    build: (work) => build(work, progress),
  });
  return join(dir, 'tools.img');
}

async function build(work: string, progress: (line: string) => void): Promise<void> {
  const root = join(work, 'root');
  progress(`attacker's tools: fetching and unpacking ${PACKAGES.join(', ')}`);
  await unpackPackages({ root, packages: PACKAGES, progress });
  for (const path of [...PRUNE, 'usr/share/icons', 'usr/share/X11', 'boot'])
    await rm(join(root, path), { recursive: true, force: true });
  for (const path of ['proc', 'dev', 'run', 'tmp']) await mkdir(join(root, path), { recursive: true });
  await program(['ln', '-sf', 'dash', join(root, 'bin/sh')]);
  // As Debian's alternatives would have it, were the packages configured.
  await symlink('blas/libblas.so.3', join(root, 'usr/lib/x86_64-linux-gnu/libblas.so.3'));
  await program(['ldconfig', '-r', root]);
  const disk = join(work, 'image/tools.img');
  await program([
    'mke2fs',
    '-q',
    '-t',
    'ext4',
    '-O',
    '^metadata_csum_seed,^orphan_file,^has_journal',
    '-E',
    'root_owner=0:0',
    '-L',
    'tools',
    '-d',
    root,
    disk,
    `${DISK_MIB}M`,
  ]);
  await chmod(disk, 0o444);
}
