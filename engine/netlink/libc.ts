// The few system calls netlink needs, called through koffi: no addon, no compile step.
// Memory that the kernel fills is native and stays where it is; JavaScript sees it through one ArrayBuffer.
import koffi from '../native.ts';

const libc = koffi.load('libc.so.6');

const call = {
  socket: libc.func('int socket(int domain, int type, int protocol)'),
  bind: libc.func('int bind(int fd, void *address, uint32_t length)'),
  getsockname: libc.func('int getsockname(int fd, void *address, void *length)'),
  setsockopt: libc.func('int setsockopt(int fd, int level, int name, void *value, uint32_t length)'),
  getsockopt: libc.func('int getsockopt(int fd, int level, int name, void *value, void *length)'),
  sendto: libc.func('long sendto(int fd, void *bytes, size_t length, int flags, void *to, uint32_t size)'),
  recvmmsg: libc.func('int recvmmsg(int fd, void *messages, uint32_t count, int flags, void *timeout)'),
  poll: libc.func('int poll(void *fds, uint64_t count, int timeout)'),
  eventfd: libc.func('int eventfd(uint32_t initial, int flags)'),
  write: libc.func('long write(int fd, void *bytes, size_t length)'),
  read: libc.func('long read(int fd, void *bytes, size_t length)'),
  close: libc.func('int close(int fd)'),
  open: libc.func('int open(str path, int flags, uint32_t mode)'),
  ftruncate: libc.func('int ftruncate(int fd, int64_t length)'),
  mmap: libc.func('void *mmap(void *at, size_t length, int protection, int flags, int fd, int64_t offset)'),
  unshare: libc.func('int unshare(int flags)'),
  munmap: libc.func('int munmap(void *at, size_t length)'),
  if_indextoname: libc.func('void *if_indextoname(uint32_t index, void *name)'),
  if_nametoindex: libc.func('uint32_t if_nametoindex(str name)'),
};

export const errnoOf = koffi.os.errno as Readonly<Record<string, number>>;
const nameOf = new Map(Object.entries(errnoOf).map(([name, number]) => [number, name]));

/** `ENOBUFS` for 105, and so on; the number itself when it has no name. */
export function errnoName(errno: number): string {
  return nameOf.get(errno) ?? String(errno);
}

/** A system call, or the kernel in a netlink answer, said no. `errno` is its name (`ENOENT`). */
export class NetlinkError extends Error {
  readonly code = 'netlink.failed';
  readonly errno: string;

  constructor(what: string, errno: number) {
    super(`${what}: ${errnoName(errno)}`);
    this.errno = errnoName(errno);
  }
}

/** The result, or a NetlinkError when it is negative. */
export function checked(what: string, result: number): number {
  if (result < 0) throw new NetlinkError(what, koffi.errno());
  return result;
}

/** errno of the last failed call on this thread. */
export function lastErrno(): number {
  return koffi.errno();
}

export const sys = call;

/** A block of native memory with a fixed address. Never touch its views after `free`. */
export class NativeBlock {
  readonly address: bigint;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  #freed = false;

  constructor(size: number) {
    this.address = koffi.alloc('uint8_t', size) as bigint;
    const buffer = koffi.view(this.address, size);
    this.bytes = new Uint8Array(buffer);
    this.bytes.fill(0);
    this.view = new DataView(buffer);
  }

  free(): void {
    if (this.#freed) return;
    this.#freed = true;
    koffi.free(this.address);
  }
}

/** Name of a network interface of this network namespace, '' when there is none. */
export function interfaceName(index: number): string {
  if (index === 0) return '';
  const name = Buffer.alloc(16);
  if (call.if_indextoname(index, name) === null || name[0] === 0) return '';
  return name.toString('latin1', 0, name.indexOf(0));
}

/** Index of a network interface of this network namespace, 0 when there is none. */
export function interfaceIndex(name: string): number {
  return call.if_nametoindex(name) as number;
}

/**
 * A file mapped into memory, shared: what is written survives the death of this process (not of the machine,
 * on a tmpfs). Grown to `size`; pages never touched cost nothing.
 */
export class MappedFile {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #address: bigint;
  readonly #size: number;

  constructor(path: string, size: number) {
    const O_RDWR_CREAT_CLOEXEC = 0o2 | 0o100 | 0o2000000;
    const fd = checked(`open ${path}`, call.open(path, O_RDWR_CREAT_CLOEXEC, 0o600) as number);
    try {
      checked(`ftruncate ${path}`, call.ftruncate(fd, size) as number);
      const address = call.mmap(null, size, 3, 1, fd, 0) as bigint;
      if (address === 0xffff_ffff_ffff_ffffn) throw new NetlinkError(`mmap ${path}`, koffi.errno());
      this.#address = address;
    } finally {
      call.close(fd);
    }
    this.#size = size;
    const buffer = koffi.view(this.#address, size);
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
  }

  /** Once, and never touch its views afterwards. */
  unmap(): void {
    call.munmap(this.#address, this.#size);
  }
}
