/**
 * Builds the lab's guest image from Debian packages: a kernel, an initramfs and a root disk. No loop mounts,
 * no configuration of packages; kept under the cache directory by content hash, so it is built once.
 */
import { existsSync } from 'node:fs';
import {
  chmod,
  copyFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { paths } from '@wocloud/protocol/paths.ts';
import { setTimeout as delay } from 'node:timers/promises';
import { program } from '../program.ts';
import { cpio, type CpioEntry } from './cpio.ts';
import { aptSources } from './debian.ts';
import { DRIVERS, GUEST_FILES, KERNEL_PACKAGE, PACKAGES, PRUNE, recipeHash, SUITE } from './recipe.ts';

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
  const dir = join(cacheDir, `guest-${id}`);
  const image: GuestImage = {
    id,
    dir,
    kernel: join(dir, 'vmlinuz'),
    initrd: join(dir, 'initrd'),
    disk: join(dir, 'root.img'),
  };
  if (existsSync(dir)) return image;
  await mkdir(cacheDir, { recursive: true });
  await oneBuilder(cacheDir, progress, async () => {
    if (existsSync(dir)) return;
    const work = join(cacheDir, `.building-${process.pid}`);
    await rm(work, { recursive: true, force: true });
    await mkdir(join(work, 'image'), { recursive: true });
    try {
      const began = performance.now();
      await build(work, progress);
      await rename(join(work, 'image'), dir);
      await prune(cacheDir);
      progress(`guest image ${id}: ready after ${((performance.now() - began) / 1000).toFixed(1)} s`);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
  return image;
}

// Labs that still run may stand on an older image.
const KEPT_IMAGES = 3;

/** Removes all but the newest images. */
async function prune(cacheDir: string): Promise<void> {
  const images = (await readdir(cacheDir)).filter((name) => name.startsWith('guest-'));
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
  cacheDir: string,
  progress: (line: string) => void,
  act: () => Promise<void>,
): Promise<void> {
  const lock = join(cacheDir, '.lock');
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
    else if (!told) progress(`guest image: process ${owner} is building it; waiting`);
    told = true;
    await delay(100);
  }
  try {
    await act();
  } finally {
    await rm(lock, { force: true });
  }
}

async function build(work: string, progress: (line: string) => void): Promise<void> {
  const root = join(work, 'root');
  const image = join(work, 'image');
  progress(`guest image: fetching and unpacking ${PACKAGES.length} Debian packages and a kernel`);
  // The hook runs with the new root's own apt settings, so the kernel comes from the same verified archive.
  const hook =
    'export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"; cd "$WOCLOUD_WORK"; ' +
    `k=$(apt-cache depends ${KERNEL_PACKAGE} | sed -n 's/.*Depends: \\(linux-image-[^ ]*\\)/\\1/p' | head -n 1); ` +
    'apt-get -o APT::Sandbox::User=root download "$k" && mv ./linux-image-*.deb kernel.deb';
  await program(
    [
      'mmdebstrap',
      '--mode=root',
      '--variant=extract',
      '--skip=chroot/mount',
      `--include=${PACKAGES.join(',')}`,
      `--extract-hook=${hook}`,
      SUITE,
      root,
      '-',
    ],
    {
      input: await aptSources(),
      env: { WOCLOUD_WORK: work },
      onLine: (line) => line.startsWith('E:') && progress(line),
    },
  );

  progress('guest image: kernel and initramfs');
  const busybox = await readFile(join(root, 'bin/busybox'));
  await writeInitramfs(work, busybox);

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

async function writeInitramfs(work: string, busybox: Buffer): Promise<void> {
  const files = join(work, 'kernel');
  await mkdir(files);
  await program(['dpkg-deb', '--extract', join(work, 'kernel.deb'), files]);
  const boot = join(files, 'boot');
  const vmlinuz = (await readdir(boot)).find((name) => name.startsWith('vmlinuz-'));
  if (vmlinuz === undefined) throw new Error(`${KERNEL_PACKAGE}: no kernel in the package`);
  await copyFile(join(boot, vmlinuz), join(work, 'image/vmlinuz'));

  const modules = await kernelModules(join(files, 'lib/modules', vmlinuz.slice('vmlinuz-'.length)));
  const entries: CpioEntry[] = [
    ...['bin', 'dev', 'proc', 'root', 'modules'].map((path) => ({ path, mode: 0o755 })),
    { path: 'bin/busybox', mode: 0o755, content: busybox },
    { path: 'bin/sh', mode: 0o777, content: 'busybox', link: true },
    { path: 'init', mode: 0o755, content: await readFile(join(GUEST_FILES, 'initramfs-init')) },
    { path: 'modules/order', mode: 0o644, content: modules.map(({ name }) => `${name}.ko\n`).join('') },
    ...modules.map(({ name, content }) => ({ path: `modules/${name}.ko`, mode: 0o644, content })),
  ];
  await writeFile(join(work, 'image/initrd'), cpio(entries));
}

/** The wanted drivers with all they depend on, each after its dependencies. */
async function kernelModules(dir: string): Promise<{ name: string; content: Buffer }[]> {
  const key = (name: string): string => name.replaceAll('-', '_');
  const paths = new Map<string, string>();
  for (const path of await readdir(join(dir, 'kernel'), { recursive: true })) {
    const name = /([^/]+)\.ko$/.exec(path)?.[1];
    if (name !== undefined) paths.set(key(name), join(dir, 'kernel', path));
  }
  const ordered = new Map<string, Buffer>();
  const add = async (name: string): Promise<void> => {
    if (ordered.has(name)) return;
    const path = paths.get(name);
    if (path === undefined) throw new Error(`${KERNEL_PACKAGE}: no driver ${name}`);
    const content = await readFile(path);
    const needs = /\0depends=([^\0]*)\0/.exec(content.toString('latin1'))?.[1] ?? '';
    for (const need of needs.split(',').filter(Boolean)) await add(key(need));
    ordered.set(name, content);
  };
  for (const driver of DRIVERS) await add(key(driver));
  return [...ordered].map(([name, content]) => ({ name, content }));
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
