/**
 * What the lab's guest is made of: Debian packages, kernel drivers and our files in `guest/`. Anything that
 * changes here changes the image's content hash, and so builds a new one.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { BUILDING_BLOCKS } from '@wocloud/image/blocks.ts';

export const GUEST_FILES = join(import.meta.dirname, 'guest');

export const KERNEL_PACKAGE = 'linux-image-cloud-amd64';

/** Unpacked, not configured: no maintainer script runs, so the build needs no mounts and takes seconds. */
export const PACKAGES = [
  'busybox-static',
  'dash', // as /bin/sh: busybox's shell prefers its own applets to real programs of the same name
  'iproute2',
  'iperf3',
  'python3-minimal',
  'libpython3.11-stdlib',
  'python3-scapy',
  'qemu-guest-agent',
  'tcpdump',
];

/** Drivers in the initramfs, each loaded before switching to the disk (what they need comes along). */
export const DRIVERS = [
  'virtio_pci',
  'virtio_blk',
  'virtio_net',
  'virtio_console',
  'virtio-rng',
  'virtio_balloon',
  '8021q',
  'tun',
];

/** Removed after unpacking: nothing in a guest reads them. */
export const PRUNE = [
  'usr/share/doc',
  'usr/share/man',
  'usr/share/locale',
  'usr/share/info',
  'usr/share/perl',
  'usr/share/perl5',
  'usr/share/lintian',
  'usr/share/bug',
  'usr/lib/x86_64-linux-gnu/perl',
  'usr/lib/x86_64-linux-gnu/perl-base',
  'usr/lib/x86_64-linux-gnu/gconv',
  'usr/lib/python3.11/test',
  'usr/lib/python3.11/unittest',
  'usr/lib/python3.11/pydoc_data',
  'usr/lib/python3.11/idlelib',
  'var/cache',
  'var/lib/apt',
];

/** Identity of the image: everything that goes into it but the versions of the packages. */
export async function recipeHash(): Promise<string> {
  const hash = createHash('sha256');
  for (const path of await recipeFiles()) hash.update(`${basename(path)}\0`).update(await readFile(path));
  return hash.digest('hex').slice(0, 16);
}

async function recipeFiles(): Promise<string[]> {
  const own = await readdir(import.meta.dirname);
  const guest = await readdir(GUEST_FILES);
  return [
    ...own
      .filter((name) => name.endsWith('.ts'))
      .sort()
      .map((name) => join(import.meta.dirname, name)),
    ...guest.sort().map((name) => join(GUEST_FILES, name)),
    ...BUILDING_BLOCKS,
  ];
}
