/**
 * What the gateway's image is made of: Debian packages, kernel drivers, our files in `files/`, and the daemon. Its
 * version is the hash of all that but the versions of the Debian packages.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { BUILDING_BLOCKS } from '@wocloud/image/blocks.ts';
import { bundle } from './bundle.ts';

export const IMAGE_FILES = join(import.meta.dirname, 'files');
/** The program that init starts. */
const DAEMON = 'gateway/main.ts';

export const KERNEL_PACKAGE = 'linux-image-cloud-amd64';

/** Unpacked, not configured: no maintainer script runs. */
export const PACKAGES = [
  'busybox-static',
  'ethtool',
  'libatomic1', // Node's
  'libstdc++6',
  'suricata/bookworm-backports',
  'libhtp2/bookworm-backports',
  'util-linux', // setpriv
];

/** Loaded before the disk is mounted, each after what it needs. */
export const DRIVERS = ['virtio_pci', 'virtio_blk', 'virtio_net', 'virtio_console', 'virtio-rng', 'dummy'];

/** Runs the daemon; one that no account of a host has, since a container shares the host's users. */
export const USER = 1_900_000_001;

/** All that is kept of Debian, beside the libraries that these programs are linked with. */
export const PROGRAMS = ['usr/bin/setpriv', 'usr/bin/suricata', 'sbin/ethtool'];
export const FILES = [
  'bin/busybox',
  'etc/suricata/classification.config',
  'etc/suricata/reference.config',
  'usr/share/misc/magic.mgc',
];

export interface Recipe {
  readonly version: string;
  /** Text of the daemon's only module. */
  readonly daemon: string;
}

/** The recipe as this tree has it. */
export async function recipe(): Promise<Recipe> {
  const daemon = await bundle(DAEMON);
  const hash = createHash('sha256').update(`node ${process.version} ${process.arch}\0${daemon}\0`);
  for (const path of await ownFiles()) hash.update(`${basename(path)}\0`).update(await readFile(path));
  return { version: hash.digest('hex').slice(0, 16), daemon };
}

async function ownFiles(): Promise<string[]> {
  const here = await readdir(import.meta.dirname);
  const files = await readdir(IMAGE_FILES);
  return [
    ...here
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
      .sort()
      .map((name) => join(import.meta.dirname, name)),
    ...files.sort().map((name) => join(IMAGE_FILES, name)),
    ...BUILDING_BLOCKS,
  ];
}
