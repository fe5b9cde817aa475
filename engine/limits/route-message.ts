// What rtnetlink's messages about devices and queues have in common. Their fields are in the host's order
// (little-endian here), unlike netfilter's.
import { NetlinkExchange } from '../netlink/exchange.ts';
import { MessageWriter, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, type Span } from '../netlink/message.ts';
import { NETLINK_ROUTE } from '../netlink/socket.ts';

/** struct ifinfomsg and struct tcmsg, which begin a message. */
export const IFINFO = 16;
export const TCMSG = 20;

/** `flags`: those set here are set on the device, the others left alone. */
export function ifinfo(index: number, flags: number): Buffer {
  const header = Buffer.alloc(IFINFO);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(flags, 8);
  header.writeUInt32LE(flags, 12);
  return header;
}

export interface Place {
  parent: number;
  handle?: number;
  info?: number;
}

export function tcmsg(index: number, { parent, handle = 0, info = 0 }: Place): Buffer {
  const header = Buffer.alloc(TCMSG);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(handle, 8);
  header.writeUInt32LE(parent, 12);
  header.writeUInt32LE(info, 16);
  return header;
}

export const textOf = (view: DataView, span: Span | undefined): string =>
  span
    ? Buffer.from(view.buffer, view.byteOffset + span.start, span.end - span.start)
        .toString('latin1')
        .replace(/\0.*$/s, '')
    : '';

/** Requests to rtnetlink, one at a time. All of it throws NetlinkError. */
export class RouteExchange {
  readonly #exchange = new NetlinkExchange(NETLINK_ROUTE);

  close(): void {
    this.#exchange.close();
  }

  /** Visits what the kernel tells; `start`: the message's header. */
  async dump(
    type: number,
    fill: (writer: MessageWriter) => void,
    visit: (view: DataView, start: number, end: number) => void,
  ): Promise<void> {
    await this.#exchange.dump(
      (sequence) => {
        const writer = new MessageWriter().message(type, NLM_F_REQUEST | NLM_F_DUMP, sequence);
        fill(writer);
        return writer.done();
      },
      (view, { start, end }) => visit(view, start, end),
    );
  }

  /** Makes one change. False when it was there already, or when the kernel does not know what it is about. */
  async change(type: number, flags: number, fill: (writer: MessageWriter) => void): Promise<boolean> {
    const made = await this.#exchange.change([type], (writer, sequence) => {
      writer.message(type, NLM_F_REQUEST | NLM_F_ACK | flags, sequence);
      fill(writer);
    });
    return made === 1;
  }
}
