// A netlink socket and the memory it receives into: many datagrams per system call, losses counted by the kernel.
import { checked, errnoOf, lastErrno, NativeBlock, sys } from './libc.ts';

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const SO_MEMINFO = 55;
const SK_MEMINFO_DROPS = 8;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const MSG_DONTWAIT = 0x40;
const MSG_TRUNC = 0x20;
const MSG_WAITFORONE = 0x10000;

export const NETLINK_ROUTE = 0;
export const NETLINK_NETFILTER = 12;

const MMSGHDR = 64;
const SOCKADDR_NL = 12;
const IOVEC = 16;

/** Datagrams land here. One block may serve several sockets in turn, from one thread. */
export class ReceiveBuffers {
  readonly count: number;
  readonly size: number;
  readonly view: DataView;
  readonly headers: NativeBlock;
  readonly #data: NativeBlock;
  readonly #names: NativeBlock;
  readonly #vectors: NativeBlock;

  constructor(count: number, size: number) {
    this.count = count;
    this.size = size;
    this.headers = new NativeBlock(count * MMSGHDR);
    this.#data = new NativeBlock(count * size);
    this.#names = new NativeBlock(count * SOCKADDR_NL);
    this.#vectors = new NativeBlock(count * IOVEC);
    this.view = this.#data.view;
    for (let i = 0; i < count; i++) {
      this.#vectors.view.setBigUint64(i * IOVEC, this.#data.address + BigInt(i * size), true);
      this.#vectors.view.setBigUint64(i * IOVEC + 8, BigInt(size), true);
      const at = i * MMSGHDR;
      this.headers.view.setBigUint64(at, this.#names.address + BigInt(i * SOCKADDR_NL), true);
      this.headers.view.setUint32(at + 8, SOCKADDR_NL, true);
      this.headers.view.setBigUint64(at + 16, this.#vectors.address + BigInt(i * IOVEC), true);
      this.headers.view.setBigUint64(at + 24, 1n, true);
    }
  }

  /** Bytes in datagram i, or -1 when it was cut short or did not come from the kernel. */
  length(i: number): number {
    const at = i * MMSGHDR;
    if ((this.headers.view.getInt32(at + 48, true) & MSG_TRUNC) !== 0) return -1;
    if (this.#names.view.getUint32(i * SOCKADDR_NL + 4, true) !== 0) return -1;
    return this.headers.view.getUint32(at + 56, true);
  }

  free(): void {
    for (const block of [this.headers, this.#data, this.#names, this.#vectors]) block.free();
  }
}

/** What `receive` answers instead of a count of datagrams. */
export const NOTHING = 0;
export const OVERRUN = -1;

export class NetlinkSocket {
  readonly fd: number;
  /** This socket's netlink port: the kernel's answers carry it. */
  readonly port: number;
  #closed = false;

  /** @param protocol NETLINK_NETFILTER or NETLINK_ROUTE. Throws NetlinkError. */
  constructor(protocol: number) {
    this.fd = checked('socket(AF_NETLINK)', sys.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
    try {
      const address = Buffer.alloc(SOCKADDR_NL);
      address.writeUInt16LE(AF_NETLINK);
      checked('bind(AF_NETLINK)', sys.bind(this.fd, address, address.length));
      const length = Buffer.alloc(4);
      length.writeUInt32LE(SOCKADDR_NL);
      checked('getsockname', sys.getsockname(this.fd, address, length));
      this.port = address.readUInt32LE(4);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Room for what we have not read yet, beyond the system's limit when we may. */
  receiveRoom(bytes: number): void {
    const value = Buffer.alloc(4);
    value.writeUInt32LE(bytes);
    if (sys.setsockopt(this.fd, SOL_SOCKET, SO_RCVBUFFORCE, value, 4) < 0)
      checked('SO_RCVBUF', sys.setsockopt(this.fd, SOL_SOCKET, SO_RCVBUF, value, 4));
  }

  join(group: number): void {
    const value = Buffer.alloc(4);
    value.writeUInt32LE(group);
    checked(
      `NETLINK_ADD_MEMBERSHIP ${group}`,
      sys.setsockopt(this.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, value, 4),
    );
  }

  send(bytes: Uint8Array): void {
    const to = Buffer.alloc(SOCKADDR_NL);
    to.writeUInt16LE(AF_NETLINK);
    checked('netlink send', sys.sendto(this.fd, bytes, bytes.length, 0, to, to.length) as number);
  }

  /**
   * Fills `into` with what has arrived: a count of datagrams, NOTHING, or OVERRUN when the kernel had to throw
   * messages away since the last call (`lost` says how many). Waits for the first only when `wait`.
   */
  receive(into: ReceiveBuffers, wait = false): number {
    const flags = MSG_WAITFORONE | (wait ? 0 : MSG_DONTWAIT);
    const got = sys.recvmmsg(this.fd, into.headers.address, into.count, flags, null) as number;
    if (got >= 0) return got;
    const errno = lastErrno();
    if (errno === errnoOf['ENOBUFS']) return OVERRUN;
    if (errno === errnoOf['EAGAIN'] || errno === errnoOf['EINTR']) return NOTHING;
    return checked('recvmmsg', got);
  }

  /** Messages the kernel could not deliver to this socket, since it was opened. */
  lost(): number {
    const info = Buffer.alloc(4 * 9);
    const length = Buffer.alloc(4);
    length.writeUInt32LE(info.length);
    if (sys.getsockopt(this.fd, SOL_SOCKET, SO_MEMINFO, info, length) < 0) return 0;
    return info.readUInt32LE(SK_MEMINFO_DROPS * 4);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    sys.close(this.fd);
  }
}

/** Waits on several descriptors at once; another thread ends the wait by writing to `wake`. */
export class Waiter {
  readonly #fds: NativeBlock;
  readonly #count: number;

  constructor(fds: readonly number[]) {
    this.#count = fds.length;
    this.#fds = new NativeBlock(Math.max(1, fds.length) * 8);
    fds.forEach((fd, i) => {
      this.#fds.view.setInt32(i * 8, fd, true);
      this.#fds.view.setInt16(i * 8 + 4, 1, true);
    });
  }

  /** Waits up to `timeout` ms (-1: for ever). Then `ready(i)` says which. */
  wait(timeout: number): void {
    const got = sys.poll(this.#fds.address, this.#count, timeout) as number;
    if (got < 0 && lastErrno() !== errnoOf['EINTR']) checked('poll', got);
    if (got <= 0) for (let i = 0; i < this.#count; i++) this.#fds.view.setInt16(i * 8 + 6, 0, true);
  }

  ready(i: number): boolean {
    return this.#fds.view.getInt16(i * 8 + 6, true) !== 0;
  }

  free(): void {
    this.#fds.free();
  }
}

const EFD_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;

/** A bell one thread rings to wake another's Waiter. The descriptor is shared by all threads of the process. */
export class Bell {
  readonly fd: number;

  constructor(fd?: number) {
    this.fd = fd ?? checked('eventfd', sys.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  }

  ring(): void {
    const one = Buffer.alloc(8);
    one.writeUInt32LE(1);
    sys.write(this.fd, one, 8);
  }

  silence(): void {
    sys.read(this.fd, Buffer.alloc(8), 8);
  }

  close(): void {
    sys.close(this.fd);
  }
}
