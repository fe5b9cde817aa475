// The set of gateway instances that traffic is sent to, in the kernel: element `number << 24` of set alive in table
// netdev wocloud. Spoken over netlink directly, because what a failed gateway costs is counted in milliseconds.
import { errnoOf, NetlinkError } from '../netlink/libc.ts';
import {
  attributes,
  eachMessage,
  MessageWriter,
  NFGEN,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  type Message,
} from '../netlink/message.ts';
import {
  eachElement,
  NFNL_SUBSYS_NFTABLES,
  NFT_MSG_NEWSETELEM,
  setDumpRequest,
} from '../netlink/set-message.ts';
import { NETLINK_NETFILTER, NetlinkSocket, OVERRUN, ReceiveBuffers } from '../netlink/socket.ts';

const NFPROTO_NETDEV = 5;
const TABLE = 'wocloud';
const SET = 'alive';
const NFNL_SUBSYS_NONE = 0;
const BATCH_BEGIN = 16;
const BATCH_END = 17;
const NFT_MSG_DELSETELEM = 14;
const NFT_MSG_GETGEN = 16;
const GEN_ID = 1;
const LIST_TABLE = 1;
const LIST_SET = 2;
const LIST_ELEMENTS = 3;
const LIST_ELEM = 1;
const ELEM_KEY = 1;
const DATA_VALUE = 1;

/** Numbers sit in these bits of a packet mark. */
const SHIFT = 24;

export class AliveSet {
  readonly #socket = new NetlinkSocket(NETLINK_NETFILTER);
  readonly #buffers = new ReceiveBuffers(8, 16 * 1024);
  #sequence = 0;
  #generations: number[] = [];

  /** Numbers that are in it; undefined when there is no such set. Throws NetlinkError. */
  read(): Set<number> | undefined {
    const numbers = new Set<number>();
    const sequence = ++this.#sequence;
    const request = setDumpRequest(sequence, NFPROTO_NETDEV, TABLE, SET);
    const errno = this.#exchange(sequence, request, (message) => {
      if (message.type === NLMSG_DONE) return true;
      const { view } = this.#buffers;
      // Marks are in the host's order.
      eachElement(view, message.start, message.end, ({ key, keyEnd }) => {
        if (keyEnd - key >= 4) numbers.add(view.getUint32(key, true) >>> SHIFT);
      });
      return false;
    });
    if (errno === errnoOf['ENOENT']) return undefined;
    if (errno !== 0) throw new NetlinkError('read set alive', errno);
    return numbers;
  }

  /** Puts a number in. False when there is no such set. Throws NetlinkError. */
  add(number: number): boolean {
    return this.#change(NFT_MSG_NEWSETELEM, NLM_F_CREATE, number);
  }

  /** Takes a number out; one that is not in it, or a set that is not there, is fine. Throws NetlinkError. */
  delete(number: number): void {
    this.#change(NFT_MSG_DELSETELEM, 0, number);
  }

  /** nftables generations that these changes made since the last call, where that is certain. */
  takeGenerations(): number[] {
    return this.#generations.splice(0);
  }

  close(): void {
    this.#socket.close();
    this.#buffers.free();
  }

  #change(type: number, flags: number, number: number): boolean {
    const value = Buffer.alloc(4);
    value.writeUInt32LE((number << SHIFT) >>> 0);
    const sequence = ++this.#sequence;
    const batch = (kind: number) =>
      writer.netfilter(NFNL_SUBSYS_NONE, kind, NLM_F_REQUEST, sequence, 0, NFNL_SUBSYS_NFTABLES);
    const writer = new MessageWriter();
    batch(BATCH_BEGIN);
    writer
      .netfilter(NFNL_SUBSYS_NFTABLES, type, NLM_F_REQUEST | NLM_F_ACK | flags, sequence, NFPROTO_NETDEV)
      .text(LIST_TABLE, TABLE)
      .text(LIST_SET, SET)
      .nest(LIST_ELEMENTS, (list) =>
        list.nest(LIST_ELEM, (element) => element.nest(ELEM_KEY, (key) => key.bytes(DATA_VALUE, value))),
      );
    batch(BATCH_END);
    const before = this.#generation();
    const errno = this.#exchange(sequence, writer.done(), () => false);
    if (errno === errnoOf['ENOENT']) return false;
    if (errno !== 0)
      throw new NetlinkError(`${type === NFT_MSG_NEWSETELEM ? 'add to' : 'delete from'} set alive`, errno);
    const after = this.#generation();
    if (after === before + 1) this.#generations.push(after);
    return true;
  }

  #generation(): number {
    const sequence = ++this.#sequence;
    const request = new MessageWriter().netfilter(
      NFNL_SUBSYS_NFTABLES,
      NFT_MSG_GETGEN,
      NLM_F_REQUEST,
      sequence,
      0,
    );
    let generation = 0;
    this.#exchange(sequence, request.done(), (message) => {
      const { view } = this.#buffers;
      const id = attributes(view, message.start + NFGEN, message.end)?.get(GEN_ID);
      if (id) generation = view.getUint32(id.start);
      return true;
    });
    return generation;
  }

  /** Sends, and waits until the answer is complete: `visit` says so, or an acknowledgement or error does. Its errno. */
  #exchange(sequence: number, request: Uint8Array, visit: (message: Message) => boolean): number {
    const { view, size } = this.#buffers;
    this.#socket.send(request);
    for (;;) {
      const count = this.#socket.receive(this.#buffers, true);
      if (count === OVERRUN) throw new NetlinkError('netlink answer lost', errnoOf['ENOBUFS'] ?? 105);
      let answer: number | undefined;
      for (let i = 0; i < count; i++) {
        const start = i * size;
        eachMessage(view, start, start + Math.max(0, this.#buffers.length(i)), (message) => {
          if (message.sequence !== sequence || answer !== undefined) return;
          if (message.type === NLMSG_ERROR) answer = -view.getInt32(message.start, true);
          else if (visit(message)) answer = 0;
        });
      }
      if (answer !== undefined) return answer;
    }
  }
}
