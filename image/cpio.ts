/**
 * Writes cpio archives ("newc"), the format of an initramfs and of a guest's seed disk: no program needed.
 */

export interface CpioEntry {
  /** Path inside the archive, without a leading slash. Parents must come first. */
  readonly path: string;
  /** Permission bits, e.g. 0o755. */
  readonly mode: number;
  /** A file's content; a symbolic link's target; absent for a directory. */
  readonly content?: Uint8Array | string;
  readonly link?: true;
}

const FILE = 0o100000;
const DIRECTORY = 0o040000;
const LINK = 0o120000;

function header(inode: number, mode: number, size: number, path: string): Buffer {
  const field = (value: number): string => value.toString(16).toUpperCase().padStart(8, '0');
  const nameSize = Buffer.byteLength(path) + 1;
  // magic, ino, mode, uid, gid, nlink, mtime, filesize, dev major, minor, rdev major, minor, namesize, check
  const fields = [inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, nameSize, 0];
  const text = `070701${fields.map(field).join('')}${path}\0`;
  return Buffer.from(text.padEnd(Math.ceil(Buffer.byteLength(text) / 4) * 4, '\0'), 'utf8');
}

/** The archive as bytes: same entries, same bytes (no times, owner root). */
export function cpio(entries: readonly CpioEntry[]): Buffer {
  const parts: Buffer[] = [];
  entries.forEach((entry, index) => {
    const content = Buffer.from(entry.content ?? '');
    const type = entry.link ? LINK : entry.content === undefined ? DIRECTORY : FILE;
    parts.push(header(index + 1, type | entry.mode, content.length, entry.path), content);
    parts.push(Buffer.alloc((4 - (content.length % 4)) % 4));
  });
  parts.push(header(0, 0, 0, 'TRAILER!!!'));
  return Buffer.concat(parts);
}
