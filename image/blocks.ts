/** The files of this room that decide what an image contains: part of the identity of every image built with them. */
import { join } from 'node:path';

export const BUILDING_BLOCKS: readonly string[] = ['cpio.ts', 'debian.ts', 'initramfs.ts', 'unpack.ts'].map(
  (name) => join(import.meta.dirname, name),
);
