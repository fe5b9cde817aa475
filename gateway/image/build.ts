/**
 * Builds the gateway's image: a kernel, an initramfs, and a root that holds Suricata, Node, the daemon, a busybox for
 * init, the libraries these are linked with, and nothing else. As a read-only disk for a VM, as a tree for a container.
 */
import { chmod, copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { builtOnce } from '@wocloud/image/cache.ts';
import { writeInitramfs } from '@wocloud/image/initramfs.ts';
import { writeManifest } from '@wocloud/image/manifest.ts';
import { program } from '@wocloud/image/program.ts';
import { unpackPackages } from '@wocloud/image/unpack.ts';
import { gatewayImages } from '@wocloud/protocol/paths.ts';
import { DRIVERS, FILES, IMAGE_FILES, KERNEL_PACKAGE, PACKAGES, PROGRAMS, recipe, USER } from './recipe.ts';
import type { Recipe } from './recipe.ts';

export interface GatewayImage {
  readonly version: string;
  readonly dir: string;
}

export interface BuildOptions {
  /** Where images are kept, a directory each; `gateways` below the data directory unless told. */
  readonly dir?: string;
  readonly onProgress?: (line: string) => void;
}

/** The image of this tree: the one that is there, or built now (under a minute, given a package mirror). */
export async function gatewayImage(options: BuildOptions = {}): Promise<GatewayImage> {
  const progress = options.onProgress ?? (() => {});
  const made = await recipe();
  const dir = join(options.dir ?? gatewayImages(), made.version);
  // QEMU is another user, and reads the disk.
  await mkdir(dirname(dir), { recursive: true, mode: 0o755 });
  await chmod(dirname(dir), 0o755);
  await builtOnce({ dir, kind: 'gateway', progress, build: (work) => build(work, made, progress) });
  return { version: made.version, dir };
}

async function build(work: string, made: Recipe, progress: (line: string) => void): Promise<void> {
  const debian = join(work, 'debian');
  const image = join(work, 'image');
  const root = join(image, 'root');
  progress(`gateway image: fetching and unpacking Debian packages and a kernel`);
  const kernel = { metapackage: KERNEL_PACKAGE, work };
  await unpackPackages({ root: debian, packages: PACKAGES, kernel, backports: true, progress });

  progress('gateway image: kernel and initramfs');
  await writeInitramfs(work, {
    busybox: await readFile(join(debian, 'bin/busybox')),
    init: await readFile(join(IMAGE_FILES, 'initramfs-init')),
    drivers: DRIVERS,
  });

  progress('gateway image: root file system');
  await addPrograms(debian, root);
  await addSettings(root);
  await addDaemon(root, made);
  await program(['ldconfig', '-r', root]);
  await program(['chmod', '-R', 'u=rwX,go=rX', root]);
  await makeDisk(root, join(image, 'root.img'));

  const suricata = /version (\S+)/.exec(await program(['chroot', root, '/usr/bin/suricata', '-V']))?.[1];
  if (suricata === undefined) throw new Error('suricata in the image does not say its version');
  await chmod(image, 0o755);
  await writeManifest(image, { version: made.version, suricata }, ['vmlinuz', 'initrd', 'root.img', 'root']);
}

/** The programs, where Debian has them, with what they are linked with; and Node beside them. */
async function addPrograms(debian: string, root: string): Promise<void> {
  await program(['cp', process.execPath, join(debian, 'usr/bin/node')]);
  // Half of it is what only a debugger reads.
  await program(['strip', '--strip-unneeded', join(debian, 'usr/bin/node')]);
  const programs = [...PROGRAMS, 'usr/bin/node'];
  const wanted = new Set([...programs, ...FILES]);
  for (const path of programs) for (const library of await libraries(debian, path)) wanted.add(library);
  for (const path of wanted) {
    // A library is named by a link to its file: what the name leads to is kept under that name.
    await mkdir(dirname(join(root, path)), { recursive: true });
    await copyFile(join(debian, path), join(root, path));
  }
}

/** Paths, relative to the root, of the loader and the libraries that a program needs. */
async function libraries(debian: string, path: string): Promise<string[]> {
  const loader = 'lib64/ld-linux-x86-64.so.2';
  const listed = await program(['chroot', debian, `/${loader}`, '--list', `/${path}`]);
  if (listed.includes('not found')) throw new Error(`${path} lacks libraries in the image:\n${listed}`);
  return [loader, ...[...listed.matchAll(/=> \/(\S+) \(/g)].map((match) => match[1] as string)];
}

async function addSettings(root: string): Promise<void> {
  for (const path of ['proc', 'sys', 'dev', 'run', 'tmp', 'var/log', 'var/lib/suricata', 'etc'])
    await mkdir(join(root, path), { recursive: true });
  await symlink('/run', join(root, 'var/run'));
  await writeFile(
    join(root, 'etc/passwd'),
    `root:*:0:0:root:/:/bin/false\ngateway:*:${USER}:${USER}:gateway:/run:/bin/false\n`,
  );
  await writeFile(join(root, 'etc/group'), `root:x:0:\ngateway:x:${USER}:\n`);
  await writeFile(join(root, 'etc/nsswitch.conf'), 'passwd: files\ngroup: files\nhosts: files\n');
  await writeFile(join(root, 'etc/hostname'), 'gateway\n');
}

async function addDaemon(root: string, { version, daemon }: Recipe): Promise<void> {
  const to = join(root, 'opt/wocloud');
  await mkdir(to, { recursive: true });
  await writeFile(join(to, 'daemon.mjs'), daemon);
  await writeFile(join(to, 'version'), version);
  await copyFile(join(IMAGE_FILES, 'init'), join(to, 'init'));
  await chmod(join(to, 'init'), 0o755);
}

/** A disk just large enough: nothing is ever written to it. */
async function makeDisk(root: string, disk: string): Promise<void> {
  const kib = Number((await program(['du', '-sk', root])).split('\t')[0]);
  const inodes = Number((await program(['sh', '-c', 'find "$0" | wc -l', root])).trim());
  await program(
    [
      'mke2fs',
      '-q',
      '-t',
      'ext4',
      '-b',
      '4096',
      '-m',
      '0',
      '-N',
      String(inodes + 64),
      '-L',
      'gateway',
    ].concat(
      ['-O', '^has_journal,^resize_inode,^metadata_csum_seed,^orphan_file'],
      ['-E', 'root_owner=0:0,lazy_itable_init=0', '-d', root],
      [disk, `${Math.ceil(kib * 1.05) + 8_192}k`],
    ),
  );
  await chmod(disk, 0o444);
}
