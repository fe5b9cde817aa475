// Connections as portable bytes: taken from one kernel's table, put into another's, mark, zone and state included.
// Counters cannot be restored: the kernel has no request for them.
import {
  CTA_MARK,
  CTA_PROTOINFO,
  CTA_STATUS,
  CTA_TIMEOUT,
  CTA_TUPLE_ORIG,
  CTA_TUPLE_REPLY,
  CTA_ZONE,
} from './conntrack-message.ts';
import { IPCTNL_MSG_CT_NEW, NFNL_SUBSYS_CTNETLINK } from './conntrack-message.ts';
import { packAddress } from '@wocloud/protocol/columns.ts';
import { AF_INET, AF_INET6 } from './conntrack-row.ts';
import {
  attributes,
  MessageWriter,
  NFGEN,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REQUEST,
} from './message.ts';

const CTA_LABELS = 22;
const KEPT = [CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_TIMEOUT, CTA_MARK, CTA_ZONE, CTA_LABELS];
const NESTED = new Set([CTA_TUPLE_ORIG, CTA_TUPLE_REPLY]);

/** IPS_EXPECTED and what only the kernel may set cannot be given to a new entry. */
const STATUS_KEPT = (1 << 1) | (1 << 2) | (1 << 3); // seen reply, assured, confirmed
const TCP_FLAG_BE_LIBERAL = 0x08;

export interface PortableConnection {
  family: number;
  /** Attributes as the kernel wants them back. */
  bytes: Uint8Array;
}

/** What is needed to make this connection again, or undefined when the entry is malformed. */
export function portable(view: DataView, start: number, end: number): PortableConnection | undefined {
  const found = attributes(view, start + NFGEN, end);
  if (!found?.has(CTA_TUPLE_ORIG) || !found.has(CTA_TUPLE_REPLY) || !found.has(CTA_TIMEOUT)) return undefined;
  const writer = new MessageWriter();
  for (const type of KEPT) {
    const at = found.get(type);
    if (at)
      writer.bytes(
        NESTED.has(type) ? type | 0x8000 : type,
        new Uint8Array(view.buffer, view.byteOffset + at.start, at.end - at.start),
      );
  }
  const status = found.get(CTA_STATUS);
  if (status && status.end - status.start >= 4)
    writer.u32(CTA_STATUS, view.getUint32(status.start) & STATUS_KEPT);
  const protocol = found.get(CTA_PROTOINFO);
  const tcp = protocol && attributes(view, protocol.start, protocol.end)?.get(1);
  const fields = tcp && attributes(view, tcp.start, tcp.end);
  const state = fields?.get(1);
  if (fields && state && state.end > state.start)
    writer.nest(CTA_PROTOINFO, () =>
      writer.nest(1, () => {
        writer.u8(1, view.getUint8(state.start));
        for (const scale of [2, 3]) {
          const at = fields.get(scale);
          if (at && at.end > at.start) writer.u8(scale, view.getUint8(at.start));
        }
        // The windows seen so far are not portable: the receiving kernel must not judge by them.
        for (const flags of [4, 5]) {
          const at = fields.get(flags);
          const set = at && at.end > at.start ? view.getUint8(at.start) : 0;
          writer.bytes(flags, Uint8Array.of(set | TCP_FLAG_BE_LIBERAL, 0xff));
        }
      }),
    );
  return { family: view.getUint8(start), bytes: writer.done() };
}

export interface NewConnection {
  zone: number;
  mark: number;
  /** Canonical text. */
  src: string;
  dst: string;
  protocol: number;
  sport: number;
  dport: number;
}

const TCP = 6;
const TCP_ESTABLISHED = 3;
/** Seconds until it is forgotten when nothing more comes; its first packet sets the kernel's own time. */
const FIRST_TIMEOUT = { tcp: 432_000, other: 120 };

/** A connection that was answered before this kernel tracked it. */
export function newConnection({ zone, mark, src, dst, ...rest }: NewConnection): PortableConnection {
  const { protocol, sport, dport } = rest;
  const four = !src.includes(':');
  const writer = new MessageWriter();
  const tuple = (type: number, from: string, to: string, fromPort: number, toPort: number) =>
    writer.nest(type, () => {
      writer.nest(1, () => {
        writer.bytes(four ? 1 : 3, addressBytes(from));
        writer.bytes(four ? 2 : 4, addressBytes(to));
      });
      writer.nest(2, () => {
        writer.u8(1, protocol);
        writer.u16(2, fromPort);
        writer.u16(3, toPort);
      });
    });
  tuple(CTA_TUPLE_ORIG, src, dst, sport, dport);
  tuple(CTA_TUPLE_REPLY, dst, src, dport, sport);
  writer.u32(CTA_TIMEOUT, protocol === TCP ? FIRST_TIMEOUT.tcp : FIRST_TIMEOUT.other);
  writer.u32(CTA_MARK, mark);
  writer.u16(CTA_ZONE, zone);
  writer.u32(CTA_STATUS, STATUS_KEPT);
  if (protocol === TCP)
    writer.nest(CTA_PROTOINFO, () =>
      writer.nest(1, () => {
        writer.u8(1, TCP_ESTABLISHED);
        for (const flags of [4, 5]) writer.bytes(flags, Uint8Array.of(TCP_FLAG_BE_LIBERAL, 0xff));
      }),
    );
  return { family: four ? AF_INET : AF_INET6, bytes: writer.done() };
}

function addressBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(16);
  packAddress(text, bytes, 0);
  return text.includes(':') ? bytes : bytes.subarray(12);
}

/** Makes the connection; EEXIST when it is there already. */
export function createRequest(writer: MessageWriter, sequence: number, connection: PortableConnection): void {
  writer
    .netfilter(
      NFNL_SUBSYS_CTNETLINK,
      IPCTNL_MSG_CT_NEW,
      NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL,
      sequence,
      connection.family,
    )
    .raw(connection.bytes);
}
