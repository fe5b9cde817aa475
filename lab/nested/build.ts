/** Builds the nested host's image, a Debian of its own with the full kernel; kept by content hash, built once. */
import { chmod, copyFile, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { cachedImage } from '@wocloud/image/cache.ts';
import { aptSources, SUITE } from '@wocloud/image/debian.ts';
import { downloadKernel, writeInitramfs } from '@wocloud/image/initramfs.ts';
import { program } from '@wocloud/image/program.ts';
import { VLAN_HOOK } from '../host.ts';
import { defaultCacheDir, type BuildOptions } from '../image/build.ts';
import { GUEST_FILES } from '../image/recipe.ts';
import {
  DRIVERS,
  HOST_FILES,
  KEPT_DRIVERS,
  KERNEL_PACKAGE,
  MASKED,
  nestedRecipeHash,
  PACKAGES,
  PRUNED_MODULES,
} from './recipe.ts';

export interface NestedImage {
  readonly kernel: string;
  readonly initrd: string;
  /** Raw ext4 disk; a host gets an overlay on it. */
  readonly disk: string;
}

/** The nested host's image, from the cache or built now (one to two minutes, given a package mirror). */
export async function nestedImage(options: BuildOptions = {}): Promise<NestedImage> {
  const progress = options.onProgress ?? (() => {});
  const dir = await cachedImage({
    cacheDir: options.cacheDir ?? defaultCacheDir(),
    kind: 'nested',
    id: await nestedRecipeHash(),
    progress,
    build: (work) => build(work, progress),
  });
  return { kernel: join(dir, 'vmlinuz'), initrd: join(dir, 'initrd'), disk: join(dir, 'root.img') };
}

async function build(work: string, progress: (line: string) => void): Promise<void> {
  const root = join(work, 'root');
  progress(`nested image: installing ${PACKAGES.length} Debian packages and what they need`);
  await program(
    [
      'mmdebstrap',
      '--mode=root',
      '--variant=essential',
      `--include=${PACKAGES.join(',')}`,
      ...['doc', 'man', 'locale', 'info'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
      // Else dpkg waits for the disk after every file.
      '--dpkgopt=force-unsafe-io',
      `--customize-hook=${downloadKernel(KERNEL_PACKAGE)}`,
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
  progress('nested image: kernel, initramfs and root file system');
  const busybox = await readFile(join(root, 'bin/busybox'));
  const init = await readFile(join(GUEST_FILES, 'initramfs-init'));
  await addModules(root, await writeInitramfs(work, { busybox, init, drivers: DRIVERS }));
  await addHostFiles(root);
  const image = join(work, 'image/root.img');
  const features = '^metadata_csum_seed,^orphan_file';
  const settings = 'root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0';
  await program([
    'mke2fs',
    '-q',
    '-t',
    'ext4',
    '-O',
    features,
    '-E',
    settings,
    '-L',
    'nested',
    '-d',
    root,
    image,
    '2G',
  ]);
  await chmod(image, 0o444);
}

async function addModules(root: string, modules: string): Promise<void> {
  const version = basename(modules);
  for (const path of PRUNED_MODULES)
    await rm(join(modules, 'kernel', path), { recursive: true, force: true });
  const drivers = join(modules, 'kernel/drivers');
  for (const name of await readdir(drivers))
    if (!KEPT_DRIVERS.includes(name)) await rm(join(drivers, name), { recursive: true });
  await mkdir(join(root, 'lib/modules'), { recursive: true });
  await program(['cp', '-a', modules, join(root, 'lib/modules', version)]);
  await program(['depmod', '-b', root, version]);
}

async function addHostFiles(root: string): Promise<void> {
  const put = async (path: string, content: string | Buffer, mode = 0o644): Promise<void> => {
    await writeFile(join(root, path), content);
    await chmod(join(root, path), mode);
  };
  const own = (name: string): Promise<Buffer> => readFile(join(HOST_FILES, name));
  for (const path of ['lab', 'opt/lab', 'etc/systemd/network', 'etc/libvirt/hooks/qemu.d'])
    await mkdir(join(root, path), { recursive: true });
  await copyFile(join(GUEST_FILES, 'exec.py'), join(root, 'lab/exec.py'));
  // The engine comes on the lab's disk, and is found where it is installed.
  await symlink('lab/wocloud', join(root, 'opt/wocloud'));
  await put('etc/fstab', await own('fstab'));
  await put('etc/systemd/network/uplink.network', await own('uplink.network'));
  await put('etc/hosts', '127.0.0.1 localhost\n::1 localhost\n');
  // Each boot is told its own.
  await put('etc/machine-id', '');
  await put('etc/libvirt/hooks/lab-vlans', '');
  await put('etc/libvirt/hooks/qemu.d/lab-vlans', VLAN_HOOK, 0o755);
  const units = 'etc/systemd/system';
  for (const name of (await readdir(HOST_FILES)).filter((file) => file.endsWith('.service')))
    await put(join(units, name), await own(name));
  for (const name of MASKED) {
    await rm(join(root, units, name), { force: true });
    await symlink('/dev/null', join(root, units, name));
  }
  // No networkd wait: nothing here waits for a lease.
  const enabled = ['lab-exec.service', 'lab-up.service', 'systemd-networkd.service'];
  const disabled = ['systemd-networkd-wait-online.service'];
  await program(['chroot', root, 'systemctl', '--quiet', 'enable', ...enabled]);
  await program(['chroot', root, 'systemctl', '--quiet', 'disable', ...disabled]);
}
