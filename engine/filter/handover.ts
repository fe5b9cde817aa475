// A bridge whose frames are shown to IP's rules from now on: what was under way on it, and what the rules allow, is put
// into connection tracking first. So an answer on its way is an answer, and a connection whose other end happens to
// speak next is not taken for one the other way round.
import { Evaluator } from '@wocloud/policy/evaluate.ts';
import type { DesiredState } from '@wocloud/protocol/desired.ts';
import type { Directory } from '../directory.ts';
import { deleteConnections, restoreConnections } from '../flows/connections.ts';
import type { UnderWay } from '../flows/flows.ts';
import { newConnection, type PortableConnection } from '../netlink/conntrack-transfer.ts';

/** Makes `conversations` known in the zones of these bridges, whatever stood there before; how many there are. */
export async function handOver(
  state: DesiredState,
  bridges: ReadonlySet<string>,
  conversations: readonly UnderWay[],
  directory: Directory,
  slot: (rule: string) => number,
): Promise<number> {
  const networks = state.networks.filter(({ bridge }) => bridges.has(bridge));
  // What was tracked before it was observed has moved on unseen: its windows would refuse what comes.
  for (const { zone } of networks) await deleteConnections({ zone });
  const evaluator = new Evaluator(state);
  const found: PortableConnection[] = [];
  for (const { bridge, vlan, isCertain, ...tuple } of conversations) {
    const zone = networks.find((n) => n.bridge === bridge && n.vlan === vlan)?.zone;
    if (zone === undefined) continue;
    const ways = isCertain ? [tuple] : [tuple, reversed(tuple)];
    for (const way of ways) {
      const mark = allowed(evaluator, directory, zone, way, slot);
      if (mark === undefined) continue;
      found.push(newConnection({ ...way, zone, mark }));
      break;
    }
  }
  await restoreConnections(found);
  return found.length;
}

type Tuple = Pick<UnderWay, 'src' | 'dst' | 'protocol' | 'sport' | 'dport'>;

const reversed = ({ src, dst, protocol, sport, dport }: Tuple): Tuple => ({
  src: dst,
  dst: src,
  protocol,
  sport: dport,
  dport: sport,
});

/** The connection mark it would have got, or undefined when the rules refuse it. */
function allowed(
  evaluator: Evaluator,
  directory: Directory,
  zone: number,
  { src, dst, protocol, sport, dport }: Tuple,
  slot: (rule: string) => number,
): number | undefined {
  const { verdict, ruleOut, ruleIn } = evaluator.flow({
    source: directory.byAddress(zone, src)?.id ?? null,
    destination: directory.byAddress(zone, dst)?.id ?? null,
    src,
    dst,
    relation: 'network',
    headers: { protocol, port: dport, icmpType: 0 },
    sourcePort: sport,
  });
  if (verdict === 'dropped' || verdict === 'rejected') return undefined;
  return ((slot(ruleOut) << 16) | slot(ruleIn)) >>> 0;
}
