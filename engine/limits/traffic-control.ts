// The kernel's queues and ifb devices over rtnetlink: what holds a device to a rate, read, set and taken away.
// Fields are in the host's order here (little-endian), unlike netfilter's.
import { NetlinkExchange } from '../netlink/exchange.ts';
import {
  attributes,
  MessageWriter,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  NLM_F_REQUEST,
  type Span,
} from '../netlink/message.ts';
import { NETLINK_ROUTE } from '../netlink/socket.ts';

// linux/rtnetlink.h, linux/if_link.h, linux/pkt_sched.h
const RTM = {
  newLink: 16,
  deleteLink: 17,
  getLink: 18,
  newQdisc: 36,
  deleteQdisc: 37,
  getQdisc: 38,
} as const;
const NLM_F_REPLACE = 0x100;
const LINK = { name: 3, info: 18 } as const;
const INFO_KIND = 1;
const IFF_UP = 1;
const QDISC = { kind: 1, options: 2 } as const;
const TBF = { parameters: 1, rate64: 4, burst: 6 } as const;
const ROOT = 0xffff_ffff;
const ETHERNET = 1;
const IFINFO = 16;
const TCMSG = 20;
/** struct tc_tbf_qopt: two rates of 12 bytes, limit, buffer, mtu. */
const TBF_OPTIONS = 36;
const MOST_32 = 0xffff_ffff;

/** Queues of ours have this handle (776f:), which no one else uses. */
const OURS = 0x776f_0000;

export interface Ifb {
  name: string;
  index: number;
  isUp: boolean;
}

/** Bytes a second, and bytes that may wait. */
export interface Rate {
  rate: number;
  limit: number;
}

/** The queue a device sends through. `own`: ours, with its rate; `foreign`: somebody's else; null: the kernel's default. */
export type Queue = { own: Rate } | { foreign: string } | null;

export class TrafficControl {
  readonly #exchange = new NetlinkExchange(NETLINK_ROUTE);

  close(): void {
    this.#exchange.close();
  }

  /** All ifb devices of this host. Throws NetlinkError, as all here. */
  async ifbs(): Promise<Ifb[]> {
    const found: Ifb[] = [];
    await this.#exchange.dump(
      (sequence) =>
        new MessageWriter()
          .message(RTM.getLink, NLM_F_REQUEST | NLM_F_DUMP, sequence)
          .raw(new Uint8Array(IFINFO))
          .nest(LINK.info, (info) => info.text(INFO_KIND, 'ifb'))
          .done(),
      (view, { start, end }) => {
        const fields = attributes(view, start + IFINFO, end);
        const info = fields?.get(LINK.info);
        const kind = info && text(view, attributes(view, info.start, info.end)?.get(INFO_KIND));
        if (kind !== 'ifb') return;
        found.push({
          name: text(view, fields?.get(LINK.name)),
          index: view.getInt32(start + 4, true),
          isUp: (view.getUint32(start + 8, true) & IFF_UP) !== 0,
        });
      },
    );
    return found;
  }

  /** What each device sends through, by its number; devices without a queue are not in it. */
  async queues(): Promise<Map<number, Queue>> {
    const found = new Map<number, Queue>();
    await this.#exchange.dump(
      (sequence) =>
        new MessageWriter()
          .message(RTM.getQdisc, NLM_F_REQUEST | NLM_F_DUMP, sequence)
          .raw(new Uint8Array(TCMSG))
          .done(),
      (view, { start, end }) => {
        if (end - start < TCMSG || view.getUint32(start + 12, true) !== ROOT) return;
        const handle = view.getUint32(start + 8, true);
        const fields = attributes(view, start + TCMSG, end);
        const kind = text(view, fields?.get(QDISC.kind));
        const index = view.getInt32(start + 4, true);
        if (handle >>> 16 === 0) found.set(index, null);
        else if (handle >>> 0 === OURS && kind === 'tbf')
          found.set(index, { own: readRate(view, fields?.get(QDISC.options)) });
        else found.set(index, { foreign: `${kind} ${(handle >>> 16).toString(16)}:` });
      },
    );
    return found;
  }

  /** Makes an ifb device, up. */
  async addIfb(name: string): Promise<void> {
    await this.#change(RTM.newLink, NLM_F_CREATE | NLM_F_EXCL, (writer) =>
      writer
        .raw(ifinfo(0, IFF_UP))
        .text(LINK.name, name)
        .nest(LINK.info, (info) => info.text(INFO_KIND, 'ifb')),
    );
  }

  async setUp(index: number): Promise<void> {
    await this.#change(RTM.newLink, 0, (writer) => writer.raw(ifinfo(index, IFF_UP)));
  }

  async deleteDevice(index: number): Promise<void> {
    await this.#change(RTM.deleteLink, 0, (writer) => writer.raw(ifinfo(index, 0)));
  }

  /** Holds what a device sends to a rate. False when this kernel has no such queue, or the device is gone. */
  setRate(index: number, wanted: Rate & { burst: number }): Promise<boolean> {
    return this.#change(RTM.newQdisc, NLM_F_CREATE | NLM_F_REPLACE, (writer) =>
      writer
        .raw(tcmsg(index))
        .text(QDISC.kind, 'tbf')
        .nest(QDISC.options, (options) => {
          options.bytes(TBF.parameters, tbfOptions(wanted)).bytes(TBF.burst, le32(wanted.burst));
          if (wanted.rate > MOST_32) options.bytes(TBF.rate64, le64(wanted.rate));
        }),
    );
  }

  /** Takes our queue away; the kernel puts its default back. Somebody else's stays. */
  async deleteRate(index: number): Promise<void> {
    await this.#change(RTM.deleteQdisc, 0, (writer) => writer.raw(tcmsg(index)));
  }

  async #change(type: number, flags: number, fill: (writer: MessageWriter) => void): Promise<boolean> {
    const made = await this.#exchange.change([0], (writer, sequence) => {
      writer.message(type, NLM_F_REQUEST | NLM_F_ACK | flags, sequence);
      fill(writer);
    });
    return made === 1;
  }
}

function readRate(view: DataView, options: Span | undefined): Rate {
  const fields = options && attributes(view, options.start, options.end);
  const parameters = fields?.get(TBF.parameters);
  if (!parameters || parameters.end - parameters.start < TBF_OPTIONS) return { rate: 0, limit: 0 };
  const wide = fields?.get(TBF.rate64);
  return {
    rate:
      wide && wide.end - wide.start >= 8
        ? Number(view.getBigUint64(wide.start, true))
        : view.getUint32(parameters.start + 8, true),
    limit: view.getUint32(parameters.start + 24, true),
  };
}

function tbfOptions({ rate, limit }: Rate): Buffer {
  const options = Buffer.alloc(TBF_OPTIONS);
  options[1] = ETHERNET;
  options.writeUInt32LE(Math.min(rate, MOST_32), 8);
  options.writeUInt32LE(limit, 24);
  return options;
}

function ifinfo(index: number, flags: number): Buffer {
  const header = Buffer.alloc(IFINFO);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(flags, 8);
  header.writeUInt32LE(flags, 12);
  return header;
}

function tcmsg(index: number): Buffer {
  const header = Buffer.alloc(TCMSG);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(OURS, 8);
  header.writeUInt32LE(ROOT, 12);
  return header;
}

function le32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function le64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

const text = (view: DataView, span: Span | undefined): string =>
  span
    ? Buffer.from(view.buffer, view.byteOffset + span.start, span.end - span.start)
        .toString('latin1')
        .replace(/\0.*$/s, '')
    : '';
