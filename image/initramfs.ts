/** A small initramfs: the drivers the disk needs, and a first program that hands over to the system on it. */
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { program } from './program.ts';
import { cpio, type CpioEntry } from './cpio.ts';

/** For mmdebstrap: downloads the kernel that a metapackage names to $WOCLOUD_WORK/kernel.deb, unpacked by nobody. */
export const downloadKernel = (metapackage: string): string =>
  // The hook runs with the new root's own apt settings, so the kernel comes from the same verified archive.
  'export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"; cd "$WOCLOUD_WORK"; ' +
  `k=$(apt-cache depends ${metapackage} | sed -n 's/.*Depends: \\(linux-image-[^ ]*\\)/\\1/p' | head -n 1); ` +
  'apt-get -o APT::Sandbox::User=root download "$k" && mv ./linux-image-*.deb kernel.deb';

export interface Initramfs {
  /** A static busybox, and the script for it to run: /init. */
  readonly busybox: Buffer;
  readonly init: Buffer;
  /** Listed in /modules/order and found in /modules, each after what it needs. */
  readonly drivers: readonly string[];
}

/**
 * From `work`/kernel.deb makes image/vmlinuz and image/initrd. Answers where the kernel's modules lie unpacked.
 */
export async function writeInitramfs(work: string, { busybox, init, drivers }: Initramfs): Promise<string> {
  const files = join(work, 'kernel');
  await mkdir(files);
  await program(['dpkg-deb', '--extract', join(work, 'kernel.deb'), files]);
  const boot = join(files, 'boot');
  const vmlinuz = (await readdir(boot)).find((name) => name.startsWith('vmlinuz-'));
  if (vmlinuz === undefined) throw new Error('no kernel in the package');
  await copyFile(join(boot, vmlinuz), join(work, 'image/vmlinuz'));

  const dir = join(files, 'lib/modules', vmlinuz.slice('vmlinuz-'.length));
  const modules = await kernelModules(dir, drivers);
  const entries: CpioEntry[] = [
    ...['bin', 'dev', 'proc', 'root', 'modules'].map((path) => ({ path, mode: 0o755 })),
    { path: 'bin/busybox', mode: 0o755, content: busybox },
    { path: 'bin/sh', mode: 0o777, content: 'busybox', link: true },
    { path: 'init', mode: 0o755, content: init },
    { path: 'modules/order', mode: 0o644, content: modules.map(({ name }) => `${name}.ko\n`).join('') },
    ...modules.map(({ name, content }) => ({ path: `modules/${name}.ko`, mode: 0o644, content })),
  ];
  await writeFile(join(work, 'image/initrd'), cpio(entries));
  return dir;
}

/** The wanted drivers with all they depend on, each after its dependencies. */
async function kernelModules(
  dir: string,
  drivers: readonly string[],
): Promise<{ name: string; content: Buffer }[]> {
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
    if (path === undefined) throw new Error(`the kernel has no driver ${name}`);
    const content = await readFile(path);
    const needs = /\0depends=([^\0]*)\0/.exec(content.toString('latin1'))?.[1] ?? '';
    for (const need of needs.split(',').filter(Boolean)) await add(key(need));
    ordered.set(name, content);
  };
  for (const driver of drivers) await add(key(driver));
  return [...ordered].map(([name, content]) => ({ name, content }));
}
