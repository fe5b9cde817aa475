// The connection table as something to act on: find, delete (so that a revoked rule ends what it once allowed),
// take along (so that a VM's connections survive its migration).
import {
  connectionName,
  deleteRequest,
  dumpRequest,
  parseConntrack,
  type ConnectionName,
} from '../netlink/conntrack-message.ts';
import { DST, MARK, REPLY_SRC, ROW, SRC, ZONE } from '../netlink/conntrack-row.ts';
import { createRequest, portable, type PortableConnection } from '../netlink/conntrack-transfer.ts';
import { NetlinkExchange } from '../netlink/exchange.ts';
import type { Message } from '../netlink/message.ts';
import { NETLINK_NETFILTER } from '../netlink/socket.ts';
import { packAddress } from '@wocloud/protocol/columns.ts';

/** All conditions given must hold. An empty match is every connection of the host: not allowed. */
export interface ConnectionMatch {
  /** conntrack zone, that is: network. */
  zone?: number;
  /** The rule that allowed it at either side is one of these. */
  ruleSlots?: ReadonlySet<number>;
  /** One of its ends, translated ones included. */
  ip?: string;
}

export class ConnectionMatchError extends Error {
  readonly code = 'flows.match-empty';
}

/** Ends the kernel's connections that match; how many. Throws NetlinkError, ConnectionMatchError. */
export async function deleteConnections(match: ConnectionMatch): Promise<number> {
  return withExchange(async (exchange) => {
    const names: ConnectionName[] = [];
    await eachMatching(exchange, match, (view, message) => {
      const name = connectionName(view, message.start, message.end);
      if (name) names.push(name);
    });
    return exchange.change(names, (writer, sequence, name) => deleteRequest(writer, sequence, name));
  });
}

/** The connections that match, to be restored in another kernel. */
export async function captureConnections(match: ConnectionMatch): Promise<PortableConnection[]> {
  return withExchange(async (exchange) => {
    const found: PortableConnection[] = [];
    await eachMatching(exchange, match, (view, message) => {
      const connection = portable(view, message.start, message.end);
      if (connection) found.push(connection);
    });
    return found;
  });
}

/** Puts captured connections into this kernel's table; how many were not there yet. Throws NetlinkError. */
export async function restoreConnections(connections: readonly PortableConnection[]): Promise<number> {
  return withExchange((exchange) => exchange.change(connections, createRequest));
}

async function withExchange<T>(work: (exchange: NetlinkExchange) => Promise<T>): Promise<T> {
  const exchange = new NetlinkExchange(NETLINK_NETFILTER);
  try {
    return await work(exchange);
  } finally {
    exchange.close();
  }
}

async function eachMatching(
  exchange: NetlinkExchange,
  match: ConnectionMatch,
  visit: (view: DataView, message: Message) => void,
): Promise<void> {
  if (match.zone === undefined && match.ruleSlots === undefined && match.ip === undefined)
    throw new ConnectionMatchError('a match must say a zone, rules or an address');
  const row = new DataView(new ArrayBuffer(ROW));
  const address = new Uint8Array(16);
  if (match.ip !== undefined) packAddress(match.ip, address, 0);
  const isMatch = (): boolean => {
    if (match.zone !== undefined && row.getUint16(ZONE, true) !== match.zone) return false;
    const mark = row.getUint32(MARK, true);
    const slots = match.ruleSlots;
    if (slots && !slots.has(mark >>> 16) && !slots.has(mark & 0xffff)) return false;
    return match.ip === undefined || [SRC, DST, REPLY_SRC].some((at) => isAddress(row, at, address));
  };
  await exchange.dump(dumpRequest, (view, message) => {
    if (parseConntrack(view, message.start, message.end, row, 0) && isMatch()) visit(view, message);
  });
}

function isAddress(row: DataView, at: number, address: Uint8Array): boolean {
  for (let i = 0; i < 16; i++) if (row.getUint8(at + i) !== address[i]) return false;
  return true;
}
