// Requests to the kernel and their answers: dumps entry by entry, batches of changes with their acknowledgements.
// Netlink answers while it is asked, so nothing here waits; long work lets the event loop breathe in between.
import { setImmediate } from 'node:timers/promises';
import { errnoOf, NetlinkError } from './libc.ts';
import {
  eachMessage,
  MessageWriter,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  type Message,
} from './message.ts';
import { NetlinkSocket, NOTHING, OVERRUN, ReceiveBuffers } from './socket.ts';

/** Changes per system call. */
const BATCH = 128;

export class NetlinkExchange {
  readonly #socket: NetlinkSocket;
  readonly #buffers = new ReceiveBuffers(8, 65_536);
  #sequence = 0;

  constructor(protocol: number) {
    this.#socket = new NetlinkSocket(protocol);
    this.#socket.receiveRoom(4 * 1024 * 1024);
  }

  /**
   * Visits each entry of a dump. False when the kernel changed the table under it so that some may be missing or
   * doubled. Throws NetlinkError.
   */
  async dump(
    request: (sequence: number) => Uint8Array,
    visit: (view: DataView, message: Message) => void,
  ): Promise<boolean> {
    const sequence = ++this.#sequence;
    let whole = true;
    let done = false;
    this.#socket.send(request(sequence));
    // oxlint-disable-next-line no-unmodified-loop-condition -- a visited message sets it
    while (!done) {
      this.#receive((message) => {
        if (message.sequence !== sequence) return;
        if ((message.flags & NLM_F_DUMP_INTR) !== 0) whole = false;
        if (message.type === NLMSG_DONE) done = true;
        else if (message.type === NLMSG_ERROR) {
          const errno = this.#errno(message);
          if (errno !== 0) throw new NetlinkError('netlink dump', errno);
        } else visit(this.#buffers.view, message);
      });
      await setImmediate();
    }
    return whole;
  }

  /**
   * Makes changes, each acknowledged by itself. `write` writes one request that asks for an acknowledgement.
   * Answers how many succeeded; those that found nothing to change (ENOENT) or what is already there (EEXIST) do
   * not count. Throws NetlinkError on the first other refusal, when all of its batch have been made.
   */
  async change<T>(
    items: readonly T[],
    write: (writer: MessageWriter, sequence: number, item: T) => void,
  ): Promise<number> {
    let made = 0;
    for (let at = 0; at < items.length; at += BATCH) {
      const batch = items.slice(at, at + BATCH);
      const writer = new MessageWriter();
      const first = this.#sequence + 1;
      for (const item of batch) write(writer, ++this.#sequence, item);
      this.#socket.send(writer.done());
      let waiting = batch.length;
      let refused = 0;
      // oxlint-disable-next-line no-unmodified-loop-condition -- a visited message lowers it
      while (waiting > 0)
        this.#receive((message) => {
          if (message.type !== NLMSG_ERROR || message.sequence < first) return;
          waiting--;
          const errno = this.#errno(message);
          if (errno === 0) made++;
          else if (errno !== errnoOf['ENOENT'] && errno !== errnoOf['EEXIST']) refused = errno;
        });
      if (refused !== 0) throw new NetlinkError('netlink change', refused);
      await setImmediate();
    }
    return made;
  }

  #errno(message: Message): number {
    if (message.end - message.start < 4) return errnoOf['EPROTO'] ?? 71;
    return -this.#buffers.view.getInt32(message.start, true);
  }

  #receive(visit: (message: Message) => void): void {
    const got = this.#socket.receive(this.#buffers);
    if (got === NOTHING || got === OVERRUN)
      throw new NetlinkError('netlink answer lost', errnoOf['ENOBUFS'] ?? 105);
    for (let i = 0; i < got; i++) {
      const at = i * this.#buffers.size;
      eachMessage(this.#buffers.view, at, at + Math.max(0, this.#buffers.length(i)), visit);
    }
  }

  close(): void {
    this.#socket.close();
    this.#buffers.free();
  }
}
