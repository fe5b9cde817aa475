// The queues that devices send through: what holds a device to a rate (tbf), read, set and taken away.
import { attributes, NLM_F_CREATE, type Span } from '../netlink/message.ts';
import { TCMSG, tcmsg, textOf, type RouteExchange } from './route-message.ts';

// linux/rtnetlink.h, linux/pkt_sched.h
const RTM = { new: 36, delete: 37, get: 38 } as const;
const NLM_F_REPLACE = 0x100;
const QDISC = { kind: 1, options: 2 } as const;
const TBF = { parameters: 1, rate64: 4, burst: 6 } as const;
const ROOT = 0xffff_ffff;
const ETHERNET = 1;
/** struct tc_tbf_qopt: two rates of 12 bytes, limit, buffer, mtu. */
const OPTIONS = 36;
const MOST_32 = 0xffff_ffff;

/** Queues of ours have this handle (776f:), which no one else uses. */
const OURS = 0x776f_0000;
const PLACE = { parent: ROOT, handle: OURS };

/** Bytes a second, and bytes that may wait. */
export interface Rate {
  rate: number;
  limit: number;
}

/** The queue a device sends through. `own`: ours, with its rate; `foreign`: somebody's else; null: the kernel's default. */
export type Queue = { own: Rate } | { foreign: string } | null;

/** What each device sends through, by its number; devices without a queue are not in it. Throws NetlinkError. */
export async function readQueues(route: RouteExchange): Promise<Map<number, Queue>> {
  const found = new Map<number, Queue>();
  await route.dump(
    RTM.get,
    (writer) => writer.raw(new Uint8Array(TCMSG)),
    (view, start, end) => {
      if (end - start < TCMSG || view.getUint32(start + 12, true) !== ROOT) return;
      const handle = view.getUint32(start + 8, true);
      const fields = attributes(view, start + TCMSG, end);
      const kind = textOf(view, fields?.get(QDISC.kind));
      const index = view.getInt32(start + 4, true);
      if (handle >>> 16 === 0) found.set(index, null);
      else if (handle === OURS && kind === 'tbf')
        found.set(index, { own: readRate(view, fields?.get(QDISC.options)) });
      else found.set(index, { foreign: `${kind} ${(handle >>> 16).toString(16)}:` });
    },
  );
  return found;
}

/** Holds what a device sends to a rate. False when this kernel has no such queue. Throws NetlinkError. */
export const setRate = (
  route: RouteExchange,
  index: number,
  wanted: Rate & { burst: number },
): Promise<boolean> =>
  route.change(RTM.new, NLM_F_CREATE | NLM_F_REPLACE, (writer) =>
    writer
      .raw(tcmsg(index, PLACE))
      .text(QDISC.kind, 'tbf')
      .nest(QDISC.options, (options) => {
        options.bytes(TBF.parameters, tbfOptions(wanted)).bytes(TBF.burst, le32(wanted.burst));
        if (wanted.rate > MOST_32) options.bytes(TBF.rate64, le64(wanted.rate));
      }),
  );

/** Takes our queue away; the kernel puts its default back. Somebody else's stays. Throws NetlinkError. */
export async function freeRate(route: RouteExchange, index: number): Promise<void> {
  await route.change(RTM.delete, 0, (writer) => writer.raw(tcmsg(index, PLACE)));
}

function readRate(view: DataView, options: Span | undefined): Rate {
  const fields = options && attributes(view, options.start, options.end);
  const parameters = fields?.get(TBF.parameters);
  if (!parameters || parameters.end - parameters.start < OPTIONS) return { rate: 0, limit: 0 };
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
  const options = Buffer.alloc(OPTIONS);
  options[1] = ETHERNET;
  options.writeUInt32LE(Math.min(rate, MOST_32), 8);
  options.writeUInt32LE(limit, 24);
  return options;
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
