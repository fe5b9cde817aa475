// Frames in and out of one network device, past every rule of the firewall: the probes' way onto the wire. A filter in
// the kernel lets through only frames with the session's nonce, so traffic through the device costs nothing here.
import { PROBE_ETHERTYPE } from '@wocloud/protocol/gateway.ts';
import { checked, errnoOf, lastErrno, NativeBlock, sys } from '../netlink/libc.ts';
import { NONCE, NONCE_BYTES, PROBE_BYTES } from './probe-frame.ts';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const ETH_P_ALL = 3;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_ATTACH_FILTER = 26;
const SOL_PACKET = 263;
const PACKET_IGNORE_OUTGOING = 23;
const MSG_DONTWAIT = 0x40;
const SOCKADDR_LL = 20;
const RECEIVE_ROOM = 64 * 1024;

const LOAD_WORD = 0x20;
const LOAD_HALF = 0x28;
const JUMP_EQUAL = 0x15;
const RETURN = 0x06;

/** The device is gone or down. */
const GONE = new Set(['ENETDOWN', 'ENXIO', 'ENODEV'].map((name) => errnoOf[name]));

export class PacketSocket {
  readonly fd: number;
  readonly index: number;
  readonly #buffer = Buffer.alloc(2 * PROBE_BYTES);
  #closed = false;

  /** Throws NetlinkError, when there is no such device among other reasons. */
  constructor(index: number, nonce: Uint8Array) {
    this.index = index;
    // Protocol 0: it hears nothing until the filter is there.
    this.fd = checked(
      'socket(AF_PACKET)',
      sys.socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) as number,
    );
    try {
      this.#filter(nonce);
      this.#option(SOL_SOCKET, SO_RCVBUF, RECEIVE_ROOM);
      this.#option(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
      const address = Buffer.alloc(SOCKADDR_LL);
      address.writeUInt16LE(AF_PACKET, 0);
      // All protocols: handlers of one see a frame only after nftables' ingress, which may have taken it.
      address.writeUInt16BE(ETH_P_ALL, 2);
      address.writeInt32LE(index, 4);
      checked('bind(AF_PACKET)', sys.bind(this.fd, address, address.length) as number);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Puts a frame on the wire. False when the device is gone; a frame it has no room for is lost like any other. */
  send(frame: Uint8Array): boolean {
    if ((sys.sendto(this.fd, frame, frame.length, MSG_DONTWAIT, null, 0) as number) >= 0) return true;
    return !GONE.has(lastErrno());
  }

  /** The next frame that has come, good until the next call; null when there is none, undefined when the device is gone. */
  receive(): Uint8Array | null | undefined {
    const length = sys.read(this.fd, this.#buffer, this.#buffer.length) as number;
    if (length >= 0) return this.#buffer.subarray(0, length);
    const errno = lastErrno();
    if (errno === errnoOf['EAGAIN'] || errno === errnoOf['EINTR']) return null;
    return undefined;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    sys.close(this.fd);
  }

  #option(level: number, name: number, value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32LE(value);
    checked(`setsockopt ${name}`, sys.setsockopt(this.fd, level, name, bytes, 4) as number);
  }

  #filter(nonce: Uint8Array): void {
    const words = NONCE_BYTES / 4;
    const view = Buffer.from(nonce);
    const program: [code: number, ifFalse: number, value: number][] = [];
    // Jumps count the instructions between; the last but one refuses.
    const refuse = () => 2 * (words + 1) + 1 - (program.length + 1);
    program.push([LOAD_HALF, 0, 12]);
    program.push([JUMP_EQUAL, refuse(), PROBE_ETHERTYPE]);
    for (let i = 0; i < words; i++) {
      program.push([LOAD_WORD, 0, NONCE + i * 4]);
      program.push([JUMP_EQUAL, refuse(), view.readUInt32BE(i * 4)]);
    }
    program.push([RETURN, 0, PROBE_BYTES]);
    program.push([RETURN, 0, 0]);
    const code = new NativeBlock(program.length * 8);
    program.forEach(([op, ifFalse, value], i) => {
      code.view.setUint16(i * 8, op, true);
      code.view.setUint8(i * 8 + 3, ifFalse);
      code.view.setUint32(i * 8 + 4, value, true);
    });
    const fprog = Buffer.alloc(16);
    fprog.writeUInt16LE(program.length, 0);
    fprog.writeBigUInt64LE(code.address, 8);
    try {
      checked(
        'SO_ATTACH_FILTER',
        sys.setsockopt(this.fd, SOL_SOCKET, SO_ATTACH_FILTER, fprog, fprog.length) as number,
      );
    } finally {
      code.free();
    }
  }
}
