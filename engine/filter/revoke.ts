// Ends connections that the present rules would refuse: a rule that is gone must not live on in what it once allowed.
// What is still allowed is left alone, so that publishing a policy costs no packet.
import { Evaluator } from '@wocloud/policy/evaluate.ts';
import { isGroup } from '@wocloud/policy/evaluate.ts';
import type { DesiredState } from '@wocloud/protocol/desired.ts';
import { unpackAddress } from '@wocloud/protocol/columns.ts';
import type { Directory, LocalNic } from '../directory.ts';
import {
  connectionName,
  CTA_STATUS,
  deleteRequest,
  dumpRequest,
  parseConntrack,
  type ConnectionName,
} from '../netlink/conntrack-message.ts';
import { DPORT, DST, PROTOCOL, REPLY_SRC, ROW, SPORT, SRC, ZONE } from '../netlink/conntrack-row.ts';
import { NetlinkExchange } from '../netlink/exchange.ts';
import { attributes, NFGEN } from '../netlink/message.ts';
import { NETLINK_NETFILTER } from '../netlink/socket.ts';

/** A connection that another one announced (FTP data): its parent was judged. */
const IPS_EXPECTED = 1;
const ICMP: ReadonlySet<number> = new Set([1, 58]);

export interface Ends {
  /** The NIC of an address the host itself reaches by routing. */
  routed: (ip: string) => LocalNic | undefined;
  /** Addresses of the host itself. */
  own: ReadonlySet<string>;
}

/**
 * Judges every connection of an enforced NIC anew and ends those that are refused; how many. Throws NetlinkError.
 */
export async function endRefused(evaluator: Evaluator, directory: Directory, ends: Ends): Promise<number> {
  const exchange = new NetlinkExchange(NETLINK_NETFILTER);
  try {
    const row = new DataView(new ArrayBuffer(ROW));
    const bytes = new Uint8Array(row.buffer);
    const refused: ConnectionName[] = [];
    await exchange.dump(dumpRequest, (view, message) => {
      if (!parseConntrack(view, message.start, message.end, row, 0)) return;
      const status = attributes(view, message.start + NFGEN, message.end)?.get(CTA_STATUS);
      if (status && (view.getUint32(status.start) & IPS_EXPECTED) !== 0) return;
      if (!isRefused(evaluator, directory, ends, row, bytes)) return;
      const name = connectionName(view, message.start, message.end);
      if (name) refused.push(name);
    });
    return await exchange.change(refused, (writer, sequence, name) => deleteRequest(writer, sequence, name));
  } finally {
    exchange.close();
  }
}

function isRefused(
  evaluator: Evaluator,
  directory: Directory,
  ends: Ends,
  row: DataView,
  bytes: Uint8Array,
): boolean {
  const zone = row.getUint16(ZONE, true);
  const src = unpackAddress(bytes, SRC);
  // Rules see a destination as it is after translation: who answers.
  const replies = unpackAddress(bytes, REPLY_SRC);
  const dst = replies === '::' ? unpackAddress(bytes, DST) : replies;
  if (isGroup(dst)) return false;
  const find = (ip: string) => (zone === 0 ? ends.routed(ip) : directory.byAddress(zone, ip));
  const [source, destination] = [find(src), find(dst)];
  if (source?.mode !== 'enforce' && destination?.mode !== 'enforce') return false;
  const protocol = row.getUint8(PROTOCOL);
  const icmp = ICMP.has(protocol);
  const [sport, dport] = [row.getUint16(SPORT, true), row.getUint16(DPORT, true)];
  const relation = zone !== 0 ? 'network' : ends.own.has(src) || ends.own.has(dst) ? 'host' : 'routed';
  const outcome = evaluator.flow({
    source: source?.id ?? null,
    destination: destination?.id ?? null,
    src,
    dst,
    relation,
    headers: { protocol, port: icmp ? 0 : dport, icmpType: icmp ? sport : 0 },
    sourcePort: icmp ? 0 : sport,
  });
  return outcome.verdict === 'dropped' || outcome.verdict === 'rejected';
}

/** Whether going from one state to the other can have taken a permission away. */
export function mayRevoke(from: DesiredState, to: DesiredState): boolean {
  return from.chains !== to.chains || from.sets !== to.sets || from.nics !== to.nics;
}
