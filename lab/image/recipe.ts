/**
 * What the lab's guest is made of: Debian packages, kernel drivers and our files in `guest/`. Anything that
 * changes here changes the image's content hash, and so builds a new one.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export const GUEST_FILES = join(import.meta.dirname, 'guest');

// Debian 12 everywhere, whatever the host runs: its 6.1 kernel also boots under older QEMUs' TCG.
export const SUITE = 'bookworm';
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
  for (const dir of [import.meta.dirname, GUEST_FILES]) {
    for (const name of (await readdir(dir)).sort()) {
      if (name.endsWith('.test.ts') || name === 'guest') continue;
      hash.update(`${name}\0`).update(await readFile(join(dir, name)));
    }
  }
  return hash.digest('hex').slice(0, 16);
}
