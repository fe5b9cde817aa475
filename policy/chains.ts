// The rule list of a class of NICs: equal tenant, network and policies share one chain, and the chain's id says so.
import type { DesiredChain, DesiredRule, DesiredSet } from '@wocloud/protocol/desired.ts';
import { canonical } from './cidr.ts';
import { digest } from './digest.ts';
import { setId } from './resolve.ts';
import type { Direction, ExpandedPolicy, ExpandedRule, TenantDefaults } from './rules.ts';
import { KNOWN, tenantSelection } from './selection.ts';

export interface BuiltChain {
  chain: DesiredChain;
  /** Address lists written in the rules themselves: they change only with the rules. */
  literals: DesiredSet[];
  /** Selections whose set on this network the chain looks at, by set id. */
  selections: ReadonlyMap<string, string>;
}

/** The same for NICs that are judged alike, whatever the rules say today: a rule's change keeps the id. */
export function chainId(
  direction: Direction,
  network: string,
  tenant: string | null,
  policies: readonly ExpandedPolicy[],
): string {
  return `${direction}-${digest(JSON.stringify([network, tenant, policies.map((p) => p.key)]))}`;
}

/** `policies` in order. */
export function buildChain(
  id: string,
  direction: Direction,
  network: string,
  tenant: string | null,
  policies: readonly ExpandedPolicy[],
  defaults: TenantDefaults,
): BuiltChain {
  const literals = new Map<string, DesiredSet>();
  const selections = new Map<string, string>();
  const rules: DesiredRule[] = [];
  const select = (key: string) => {
    const set = setId(key, network);
    selections.set(set, key);
    return { set };
  };
  for (const policy of policies)
    for (const rule of policy[direction]) {
      const peers = peersOf(rule, network, select, literals);
      if (peers.length === 0) continue;
      rules.push({
        id: rule.id,
        action: rule.action,
        staged: rule.staged,
        peers,
        services: rule.services,
        log: rule.log,
        ...(rule.failure === undefined ? {} : { failure: rule.failure }),
      });
    }
  const fallback = (name: string, action: 'allow' | 'drop', peers: DesiredRule['peers']) =>
    rules.push({ id: `default/${name}`, action, staged: false, peers, services: [], log: false });
  fallback('within', defaults.within, [select(tenantSelection(tenant).key)]);
  fallback('between', 'drop', [select(KNOWN.key)]);
  const last = direction === 'in' ? 'ingress' : 'egress';
  fallback(last, defaults[last], ['any']);
  return { chain: { id, rules }, literals: [...literals.values()], selections };
}

function peersOf(
  { peers }: ExpandedRule,
  network: string,
  select: (key: string) => { set: string },
  literals: Map<string, DesiredSet>,
): DesiredRule['peers'] {
  if (peers.any) return ['any'];
  const out = new Map<string, DesiredRule['peers'][number]>();
  if (peers.host) out.set('host', 'host');
  if (peers.cidrs.length > 0) {
    const elements = canonical(peers.cidrs);
    const name = elements.length === 1 ? (elements[0] as string) : `#${digest(elements.join())}`;
    const id = setId(`c:${name}`, network);
    literals.set(id, { id, network, elements });
    out.set(id, { set: id });
  }
  for (const { key } of peers.selections) {
    const peer = select(key);
    out.set(peer.set, peer);
  }
  return [...out.keys()].sort().map((id) => out.get(id) as DesiredRule['peers'][number]);
}

/** Sets of literal addresses match wherever a packet comes from; sets of VMs only on their network. */
export const isLiteralSet = (id: string): boolean => id.startsWith('c:');
