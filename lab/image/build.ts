/**
 * Builds the lab's guest image from Debian packages: a kernel, an initramfs and a root disk. No loop mounts,
 * no configuration of packages; kept under the cache directory by content hash, so it is built once.
 */
import { chmod, copyFile, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { cachedImage } from '@wocloud/image/cache.ts';
import { writeInitramfs } from '@wocloud/image/initramfs.ts';
import { program } from '@wocloud/image/program.ts';
import { unpackPackages } from '@wocloud/image/unpack.ts';
import { paths } from '@wocloud/protocol/paths.ts';
import { DRIVERS, GUEST_FILES, KERNEL_PACKAGE, PACKAGES, PRUNE, recipeHash } from './recipe.ts';

export interface GuestImage {
  /** Content hash of the recipe. */
  readonly id: string;
  readonly dir: string;
  readonly kernel: string;
  readonly initrd: string;
  /** Raw ext4 disk; VMs get overlays on it and never write to it. */
  readonly disk: string;
}

export interface BuildOptions {
  /** Defaults to $WOCLOUD_CACHE, else lab/images under $WOCLOUD_HOME or /var/lib/wocloud. */
  readonly cacheDir?: string;
  readonly onProgress?: (line: string) => void;
}

export function defaultCacheDir(): string {
  return process.env['WOCLOUD_CACHE'] ?? join(paths().home, 'lab/images');
}

/** The guest image, from the cache or built now (under a minute, given a package mirror). */
export async function guestImage(options: BuildOptions = {}): Promise<GuestImage> {
  const cacheDir = options.cacheDir ?? defaultCacheDir();
  const progress = options.onProgress ?? (() => {});
  const id = await recipeHash();
  const dir = await cachedImage({
    cacheDir,
    kind: 'guest',
    id,
    progress,
    build: (work) => build(work, progress),
  });
  return {
    id,
    dir,
    kernel: join(dir, 'vmlinuz'),
    initrd: join(dir, 'initrd'),
    disk: join(dir, 'root.img'),
  };
}

async function build(work: string, progress: (line: string) => void): Promise<void> {
  const root = join(work, 'root');
  const image = join(work, 'image');
  progress(`guest image: fetching and unpacking ${PACKAGES.length} Debian packages and a kernel`);
  const kernel = { metapackage: KERNEL_PACKAGE, work };
  await unpackPackages({ root, packages: PACKAGES, kernel, progress });

  progress('guest image: kernel and initramfs');
  const busybox = await readFile(join(root, 'bin/busybox'));
  const init = await readFile(join(GUEST_FILES, 'initramfs-init'));
  await writeInitramfs(work, { busybox, init, drivers: DRIVERS });

  progress('guest image: root file system');
  for (const path of PRUNE) await rm(join(root, path), { recursive: true, force: true });
  await addGuestFiles(root);
  await addBusyboxLinks(root);
  // Without byte code Python would compile its library at every start, which takes seconds in an emulated guest.
  await program([
    'chroot',
    root,
    '/usr/bin/python3',
    '-I',
    '-m',
    'compileall',
    '-q',
    '-j2',
    '/usr/lib/python3.11',
    '/usr/lib/python3',
  ]);
  await program([
    'openssl',
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '3650',
    '-subj',
    '/CN=lab.wocloud.org',
    '-keyout',
    join(root, 'lab/tls.key'),
    '-out',
    join(root, 'lab/tls.crt'),
  ]);
  await program([
    'mke2fs',
    '-q',
    '-t',
    'ext4',
    '-O',
    '^metadata_csum_seed,^orphan_file',
    '-E',
    'root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0',
    '-L',
    'lab',
    '-d',
    root,
    join(image, 'root.img'),
    '384M',
  ]);
  await chmod(join(image, 'root.img'), 0o444);
}

async function addGuestFiles(root: string): Promise<void> {
  for (const path of ['lab', 'root', 'proc', 'sys', 'run', 'tmp', 'dev', 'etc', 'var/log', 'usr/sbin'])
    await mkdir(join(root, path), { recursive: true });
  for (const name of ['rc', 'network.sh', 'udhcpc', 'agent', 'exec.py', 'services.py']) {
    await copyFile(join(GUEST_FILES, name), join(root, 'lab', name));
    await chmod(join(root, 'lab', name), 0o755);
  }
  await copyFile(join(GUEST_FILES, 'inittab'), join(root, 'etc/inittab'));
  await writeFile(
    join(root, 'etc/passwd'),
    'root::0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
  );
  await writeFile(join(root, 'etc/group'), 'root:x:0:\nnogroup:x:65534:\n');
  await writeFile(join(root, 'etc/nsswitch.conf'), 'hosts: files\n');
  await writeFile(join(root, 'etc/hosts'), '127.0.0.1 localhost\n::1 localhost\n');
}

/** A link per busybox applet, where no package brings the real program anywhere on the path. */
async function addBusyboxLinks(root: string): Promise<void> {
  const folders = ['bin', 'sbin', 'usr/bin', 'usr/sbin'];
  const real = new Set((await Promise.all(folders.map((folder) => readdir(join(root, folder))))).flat());
  const applets = await program([join(root, 'bin/busybox'), '--list-full']);
  for (const applet of applets.trim().split('\n')) {
    if (real.has(basename(applet))) continue;
    await mkdir(dirname(join(root, applet)), { recursive: true });
    await symlink('/bin/busybox', join(root, applet));
  }
}
