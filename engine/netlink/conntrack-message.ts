// ctnetlink: events and dump entries into rows, and the requests we make. Formats: nfnetlink_conntrack.h.
import {
  AF_INET,
  AF_INET6,
  BYTES_IN,
  BYTES_OUT,
  COUNTED,
  DPORT,
  DST,
  END,
  FAMILY,
  FLOW,
  MARK,
  PACKETS_IN,
  PACKETS_OUT,
  PROTOCOL,
  REPLY_SRC,
  ROW,
  SPORT,
  SRC,
  START,
  TCP_STATE,
  ZONE,
} from './conntrack-row.ts';
import { attributes, MessageWriter, NFGEN, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, u64 } from './message.ts';

export const NFNL_SUBSYS_CTNETLINK = 1;
export const IPCTNL_MSG_CT_NEW = 0;
export const IPCTNL_MSG_CT_GET = 1;
export const IPCTNL_MSG_CT_DELETE = 2;

/** Multicast groups of NETLINK_NETFILTER. */
export const NFNLGRP_CONNTRACK_NEW = 1;
export const NFNLGRP_CONNTRACK_DESTROY = 3;

export const CTA_TUPLE_ORIG = 1;
export const CTA_TUPLE_REPLY = 2;
export const CTA_STATUS = 3;
export const CTA_PROTOINFO = 4;
export const CTA_TIMEOUT = 7;
export const CTA_MARK = 8;
const CTA_COUNTERS_ORIG = 9;
const CTA_COUNTERS_REPLY = 10;
export const CTA_ID = 12;
export const CTA_ZONE = 18;
const CTA_TIMESTAMP = 20;
/** When the event happened; from Linux 6.14. */
const CTA_TIMESTAMP_EVENT = 27;

const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_TUPLE_ZONE = 3;

/**
 * One connection, from an event or a dump, into the row at `at` of `row`. False when the message is malformed or
 * lacks what a flow needs (addresses, protocol, id); the row is then undefined. `start` is offset of nfgenmsg.
 */
export function parseConntrack(
  view: DataView,
  start: number,
  end: number,
  row: DataView,
  at: number,
): boolean {
  if (end - start < NFGEN) return false;
  for (let i = at; i < at + ROW; i += 8) row.setFloat64(i, 0, true);
  const family = view.getUint8(start);
  if (family !== AF_INET && family !== AF_INET6) return false;
  row.setUint8(at + FAMILY, family);
  let have = 0;
  let i = start + NFGEN;
  while (i + 4 <= end) {
    const length = view.getUint16(i, true);
    if (length < 4 || length > end - i) return false;
    const from = i + 4;
    const to = i + length;
    switch (view.getUint16(i + 2, true) & 0x3fff) {
      case CTA_TUPLE_ORIG:
        if (!readEach(readOriginal, view, from, to, row, at)) return false;
        have |= 1;
        break;
      case CTA_TUPLE_REPLY:
        if (!readEach(readReply, view, from, to, row, at)) return false;
        break;
      case CTA_ID:
        if (to - from < 4) return false;
        row.setUint32(at + FLOW + 4, view.getUint32(from), true);
        have |= 2;
        break;
      case CTA_MARK:
        if (to - from >= 4) row.setUint32(at + MARK, view.getUint32(from), true);
        break;
      case CTA_ZONE:
        if (to - from >= 2) row.setUint16(at + ZONE, view.getUint16(from), true);
        break;
      case CTA_COUNTERS_ORIG:
        if (!readEach(readCountersOut, view, from, to, row, at)) return false;
        row.setUint8(at + COUNTED, 1);
        break;
      case CTA_COUNTERS_REPLY:
        if (!readEach(readCountersIn, view, from, to, row, at)) return false;
        break;
      case CTA_TIMESTAMP:
        if (!readEach(readTimes, view, from, to, row, at)) return false;
        break;
      case CTA_TIMESTAMP_EVENT:
        if (to - from >= 8 && row.getFloat64(at + START, true) === 0)
          row.setFloat64(at + START, Math.floor(u64(view, from) / 1000), true);
        break;
      case CTA_PROTOINFO:
        parseTcpState(view, from, to, row, at);
        break;
    }
    i += (length + 3) & ~3;
  }
  return have === 3;
}

/** Reads one attribute, of `from`..`to`, into the row at `at`; false when it is malformed. */
type Read = (type: number, view: DataView, from: number, to: number, row: DataView, at: number) => boolean;

/** Reads the attributes between two offsets. Takes no closure: at one per event and nest, those cost twice the time. */
function readEach(
  read: Read,
  view: DataView,
  start: number,
  end: number,
  row: DataView,
  at: number,
): boolean {
  let i = start;
  while (i + 4 <= end) {
    const length = view.getUint16(i, true);
    if (length < 4 || length > end - i) return false;
    if (!read(view.getUint16(i + 2, true) & 0x3fff, view, i + 4, i + length, row, at)) return false;
    i += (length + 3) & ~3;
  }
  return true;
}

const readOriginal: Read = (type, view, from, to, row, at) => {
  if (type === CTA_TUPLE_IP) return readEach(readAddress, view, from, to, row, at);
  if (type === CTA_TUPLE_PROTO) return readEach(readProtocol, view, from, to, row, at);
  if (type === CTA_TUPLE_ZONE && to - from >= 2) row.setUint16(at + ZONE, view.getUint16(from), true);
  return true;
};

/** Of the reply tuple only the source says more than the original: who answers. */
const readReply: Read = (type, view, from, to, row, at) =>
  type !== CTA_TUPLE_IP || readEach(readReplySource, view, from, to, row, at);

const readAddress: Read = (type, view, from, to, row, at) =>
  type > 4 || putAddress(type, view, from, to, row, at + (type === 1 || type === 3 ? SRC : DST));

const readReplySource: Read = (type, view, from, to, row, at) =>
  (type !== 1 && type !== 3) || putAddress(type, view, from, to, row, at + REPLY_SRC);

/** Types 1 and 2 are IPv4 addresses, 3 and 4 are IPv6. */
const putAddress: Read = (type, view, from, to, row, at) => {
  if (type <= 2) {
    if (to - from < 4) return false;
    row.setUint32(at + 8, 0xffff);
    row.setUint32(at + 12, view.getUint32(from));
  } else {
    if (to - from < 16) return false;
    for (let k = 0; k < 16; k += 4) row.setUint32(at + k, view.getUint32(from + k));
  }
  return true;
};

const readProtocol: Read = (type, view, from, to, row, at) => {
  if (to === from) return false;
  switch (type) {
    case 1:
      row.setUint8(at + PROTOCOL, view.getUint8(from));
      break;
    case 2:
      if (to - from >= 2) row.setUint16(at + SPORT, view.getUint16(from), true);
      break;
    case 3:
      if (to - from >= 2) row.setUint16(at + DPORT, view.getUint16(from), true);
      break;
    case 5: // ICMP type, and below its code
    case 8:
      row.setUint16(at + SPORT, view.getUint8(from), true);
      break;
    case 6:
    case 9:
      row.setUint16(at + DPORT, view.getUint8(from), true);
      break;
  }
  return true;
};

const readCountersOut: Read = (type, view, from, to, row, at) => {
  if (to - from < 8) return true;
  if (type === 1) row.setFloat64(at + PACKETS_OUT, u64(view, from), true);
  else if (type === 2) row.setFloat64(at + BYTES_OUT, u64(view, from), true);
  return true;
};

const readCountersIn: Read = (type, view, from, to, row, at) => {
  if (to - from < 8) return true;
  if (type === 1) row.setFloat64(at + PACKETS_IN, u64(view, from), true);
  else if (type === 2) row.setFloat64(at + BYTES_IN, u64(view, from), true);
  return true;
};

const readTimes: Read = (type, view, from, to, row, at) => {
  if (to - from >= 8 && (type === 1 || type === 2))
    row.setFloat64(at + (type === 1 ? START : END), Math.floor(u64(view, from) / 1000), true);
  return true;
};

function parseTcpState(view: DataView, start: number, end: number, row: DataView, at: number): void {
  // CTA_PROTOINFO > CTA_PROTOINFO_TCP (1) > CTA_PROTOINFO_TCP_STATE (1)
  if (end - start < 9 || (view.getUint16(start + 2, true) & 0x3fff) !== 1) return;
  if ((view.getUint16(start + 6, true) & 0x3fff) !== 1) return;
  row.setUint8(at + TCP_STATE, view.getUint8(start + 8));
}

/** Seconds the kernel will still keep this connection, or undefined when it does not say. */
export function connectionTimeout(view: DataView, start: number, end: number): number | undefined {
  const at = attributes(view, start + NFGEN, end)?.get(CTA_TIMEOUT);
  return at && at.end - at.start >= 4 ? view.getUint32(at.start) : undefined;
}

/** Asks for all connections of both families. */
export function dumpRequest(sequence: number): Uint8Array {
  return new MessageWriter()
    .netfilter(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, NLM_F_REQUEST | NLM_F_DUMP, sequence, 0)
    .done();
}

/** What names one connection to the kernel: its raw original tuple, zone and id. */
export interface ConnectionName {
  family: number;
  tuple: Uint8Array;
  zone: number;
  id: number;
}

/** The name of the connection in a dump entry, or undefined when it is malformed. */
export function connectionName(view: DataView, start: number, end: number): ConnectionName | undefined {
  const found = attributes(view, start + NFGEN, end);
  const tuple = found?.get(CTA_TUPLE_ORIG);
  const id = found?.get(CTA_ID);
  if (!tuple || !id || id.end - id.start < 4) return undefined;
  const zone = found?.get(CTA_ZONE);
  return {
    family: view.getUint8(start),
    tuple: new Uint8Array(view.buffer, view.byteOffset + tuple.start, tuple.end - tuple.start).slice(),
    zone: zone && zone.end - zone.start >= 2 ? view.getUint16(zone.start) : 0,
    id: view.getUint32(id.start),
  };
}

/** Deletes this connection and no other that has taken its tuple since. */
export function deleteRequest(writer: MessageWriter, sequence: number, name: ConnectionName): MessageWriter {
  writer.netfilter(
    NFNL_SUBSYS_CTNETLINK,
    IPCTNL_MSG_CT_DELETE,
    NLM_F_REQUEST | NLM_F_ACK,
    sequence,
    name.family,
  );
  writer.bytes(CTA_TUPLE_ORIG | 0x8000, name.tuple);
  if (name.zone !== 0) writer.u16(CTA_ZONE, name.zone);
  return writer.u32(CTA_ID, name.id);
}
