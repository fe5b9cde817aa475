// nfnetlink_log: asking the kernel for the packets of a log group, and reading what it tells of them.
import { eachMessage, MessageWriter, NFGEN, NLM_F_ACK, NLM_F_REQUEST, NLMSG_ERROR, u64 } from './message.ts';
import { NetlinkError } from './libc.ts';
import { NETLINK_NETFILTER, NetlinkSocket, OVERRUN, ReceiveBuffers } from './socket.ts';

export const NFNL_SUBSYS_ULOG = 4;
const NFULNL_MSG_CONFIG = 1;
const NFULA_CFG_CMD = 1;
const NFULA_CFG_MODE = 2;
const NFULA_CFG_NLBUFSIZ = 3;
const NFULA_CFG_TIMEOUT = 4;
const NFULA_CFG_QTHRESH = 5;
const NFULA_CFG_FLAGS = 6;
const CMD_BIND = 1;
const COPY_PACKET = 2;
const FLAG_SEQ = 1;

/** One logged packet. Offsets are into the view it was read from; -1 where the kernel said nothing. Reused. */
export interface LoggedPacket {
  group: number;
  /** Ethertype of what the payload is. */
  etherType: number;
  /** µs since the epoch, 0 when not said. */
  time: number;
  inIndex: number;
  outIndex: number;
  /** Bridge ports, where `in` and `out` are the bridge. */
  physInIndex: number;
  physOutIndex: number;
  prefix: number;
  prefixEnd: number;
  payload: number;
  payloadEnd: number;
  /** Link header: destination MAC, source MAC, type. */
  link: number;
  linkEnd: number;
  /** VLAN id of the tag, -1 without one (or where the kernel does not tell). */
  vlan: number;
  sequence: number;
}

export function emptyPacket(): LoggedPacket {
  return {
    group: 0,
    etherType: 0,
    time: 0,
    inIndex: 0,
    outIndex: 0,
    physInIndex: 0,
    physOutIndex: 0,
    prefix: -1,
    prefixEnd: -1,
    payload: -1,
    payloadEnd: -1,
    link: -1,
    linkEnd: -1,
    vlan: -1,
    sequence: -1,
  };
}

/** Reads one message (from its nfgenmsg on) into `packet`. False when it is malformed. */
export function parseLog(view: DataView, start: number, end: number, packet: LoggedPacket): boolean {
  if (end - start < NFGEN) return false;
  Object.assign(packet, EMPTY);
  packet.group = view.getUint16(start + 2);
  let i = start + NFGEN;
  while (i + 4 <= end) {
    const length = view.getUint16(i, true);
    if (length < 4 || length > end - i) return false;
    const from = i + 4;
    const to = i + length;
    const has = (bytes: number) => to - from >= bytes;
    switch (view.getUint16(i + 2, true) & 0x3fff) {
      case 1:
        if (has(2)) packet.etherType = view.getUint16(from);
        break;
      case 3:
        if (has(16)) packet.time = u64(view, from) * 1e6 + u64(view, from + 8);
        break;
      case 4:
        if (has(4)) packet.inIndex = view.getUint32(from);
        break;
      case 5:
        if (has(4)) packet.outIndex = view.getUint32(from);
        break;
      case 6:
        if (has(4)) packet.physInIndex = view.getUint32(from);
        break;
      case 7:
        if (has(4)) packet.physOutIndex = view.getUint32(from);
        break;
      case 9:
        packet.payload = from;
        packet.payloadEnd = to;
        break;
      case 10:
        packet.prefix = from;
        packet.prefixEnd = to > from && view.getUint8(to - 1) === 0 ? to - 1 : to;
        break;
      case 12:
        if (has(4)) packet.sequence = view.getUint32(from);
        break;
      case 16:
        packet.link = from;
        packet.linkEnd = to;
        break;
      case 20:
        packet.vlan = vlanId(view, from, to);
        break;
    }
    i += (length + 3) & ~3;
  }
  return true;
}

const EMPTY: Readonly<LoggedPacket> = emptyPacket();

function vlanId(view: DataView, start: number, end: number): number {
  let i = start;
  while (i + 4 <= end) {
    const length = view.getUint16(i, true);
    if (length < 4 || length > end - i) return -1;
    if ((view.getUint16(i + 2, true) & 0x3fff) === 2 && length >= 6) return view.getUint16(i + 4) & 0xfff;
    i += (length + 3) & ~3;
  }
  return -1;
}

export interface LogGroup {
  group: number;
  /** Bytes of each packet to copy. */
  copy: number;
  /** The kernel holds packets back for at most this long, in hundredths of a second. */
  hold: number;
  /** Packets it collects at most before it tells them. */
  collect: number;
}

/**
 * A socket on which the group's packets arrive. Throws NetlinkError; EBUSY: another program has this group.
 * The binding ends with the socket.
 */
export function openLogGroup({ group, copy, hold, collect }: LogGroup, room: number): NetlinkSocket {
  const socket = new NetlinkSocket(NETLINK_NETFILTER);
  const buffers = new ReceiveBuffers(1, 16_384);
  try {
    socket.receiveRoom(room);
    const parameters = Buffer.alloc(6);
    parameters.writeUInt32BE(copy);
    parameters[4] = COPY_PACKET;
    const request = (sequence: number, fill: (writer: MessageWriter) => void) => {
      const writer = new MessageWriter();
      writer.netfilter(NFNL_SUBSYS_ULOG, NFULNL_MSG_CONFIG, NLM_F_REQUEST | NLM_F_ACK, sequence, 0, group);
      fill(writer);
      socket.send(writer.done());
      acknowledged(socket, buffers, sequence, `log group ${group} (EPERM: another program reads it already)`);
    };
    request(1, (writer) => writer.u8(NFULA_CFG_CMD, CMD_BIND));
    request(2, (writer) =>
      writer
        .bytes(NFULA_CFG_MODE, parameters)
        .u32(NFULA_CFG_NLBUFSIZ, 32_768)
        .u32(NFULA_CFG_TIMEOUT, hold)
        .u32(NFULA_CFG_QTHRESH, collect)
        .u16(NFULA_CFG_FLAGS, FLAG_SEQ),
    );
    return socket;
  } catch (error) {
    socket.close();
    throw error;
  } finally {
    buffers.free();
  }
}

/** Waits for the kernel's answer to a request. Packets that arrive before it are let go: nobody counts yet. */
function acknowledged(socket: NetlinkSocket, buffers: ReceiveBuffers, sequence: number, what: string): void {
  let answer: number | undefined;
  // oxlint-disable-next-line no-unmodified-loop-condition -- a visited message sets it
  while (answer === undefined) {
    const got = socket.receive(buffers, true);
    if (got === OVERRUN) continue;
    for (let i = 0; i < got; i++)
      eachMessage(
        buffers.view,
        i * buffers.size,
        i * buffers.size + Math.max(0, buffers.length(i)),
        (message) => {
          if (
            message.type === NLMSG_ERROR &&
            message.sequence === sequence &&
            message.end - message.start >= 4
          )
            answer = -buffers.view.getInt32(message.start, true);
        },
      );
  }
  if (answer !== 0) throw new NetlinkError(what, answer);
}
