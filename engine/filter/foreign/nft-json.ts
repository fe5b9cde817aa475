// nft's JSON listing of other tables → the model of model.ts. Pure.
import type { ForeignBase, ForeignChain, ForeignRule, InterfaceCondition, Verdict } from './model.ts';

type Json = Record<string, unknown>;
interface ChainJson {
  family: string;
  table: string;
  name: string;
  hook?: string;
  policy?: string;
  type?: string;
}
interface RuleJson {
  family: string;
  table: string;
  chain: string;
  expr?: Json[];
}

const HOOKS: ReadonlySet<string> = new Set(['prerouting', 'forward', 'postrouting']);
const FAMILIES: ReadonlySet<string> = new Set(['ip', 'ip6', 'inet', 'arp']);
export const OWN_TABLE = 'wocloud';

/** The base chains that bridged frames pass once the bridge hands them to IP's rules. */
export function readListing(listing: unknown): ForeignBase[] {
  const items = ((listing as Json)['nftables'] as Json[] | undefined) ?? [];
  const tables = new Map<string, Map<string, ForeignChain>>();
  const bases: { chain: ChainJson; chains: Map<string, ForeignChain> }[] = [];
  const chainsOf = (family: string, table: string) => {
    const key = `${family} ${table}`;
    let chains = tables.get(key);
    if (!chains) tables.set(key, (chains = new Map()));
    return chains;
  };
  for (const item of items) {
    const chain = item['chain'] as ChainJson | undefined;
    if (!chain || chain.table === OWN_TABLE || !FAMILIES.has(chain.family)) continue;
    const chains = chainsOf(chain.family, chain.table);
    chains.set(chain.name, { name: chain.name, rules: [] });
    // A nat chain sees the first packet of a connection and its policy is always accept: the same walk serves.
    if (chain.hook !== undefined && HOOKS.has(chain.hook)) bases.push({ chain, chains });
  }
  for (const item of items) {
    const rule = item['rule'] as RuleJson | undefined;
    if (!rule) continue;
    tables
      .get(`${rule.family} ${rule.table}`)
      ?.get(rule.chain)
      ?.rules.push(readRule(rule.expr ?? []));
  }
  return bases.map(({ chain, chains }) => ({
    family: chain.family,
    table: chain.table,
    chain: chain.name,
    hook: chain.hook as ForeignBase['hook'],
    policy: chain.policy === 'drop' ? 'drop' : 'accept',
    chains,
    legacy: false,
  }));
}

/** Statements that neither match nor decide. */
const PASSIVE: ReadonlySet<string> = new Set([
  'counter',
  'log',
  'mangle',
  'notrack',
  'ct helper',
  'flow',
  'xt-target',
]);
const XT_VERDICTS: Record<string, Verdict['kind']> = {
  REJECT: 'reject',
  DROP: 'drop',
  NFQUEUE: 'queue',
  TPROXY: 'queue',
};

function readRule(expressions: readonly Json[]): ForeignRule {
  const interfaces: InterfaceCondition[] = [];
  let conditional = false;
  let verdicts: Verdict[] = [];
  for (const expression of expressions) {
    const [key = '', value] = Object.entries(expression)[0] ?? [];
    const verdict = readVerdict(key, value);
    if (verdict) verdicts = [verdict];
    else if (key === 'match') {
      const condition = readInterface(value as Json);
      if (condition) interfaces.push(condition);
      else conditional = true;
    } else if (key === 'vmap') {
      verdicts = mapVerdicts(value as Json);
      conditional = true;
    } else if (key === 'xt') {
      const { type, name } = (value ?? {}) as { type?: string; name?: string };
      if (type === 'target') verdicts = [{ kind: XT_VERDICTS[name ?? ''] ?? 'none' } as Verdict];
      else if (name !== 'comment') conditional = true;
    } else if (!PASSIVE.has(key)) conditional = true;
  }
  return { interfaces, conditional, verdicts };
}

function readVerdict(key: string, value: unknown): Verdict | undefined {
  switch (key) {
    case 'accept':
    case 'drop':
    case 'reject':
    case 'queue':
    case 'return':
      return { kind: key };
    case 'continue':
      return { kind: 'none' };
    case 'jump':
    case 'goto':
      return { kind: key, chain: String((value as Json | null)?.['target'] ?? '') };
    default:
      return undefined;
  }
}

function readInterface(match: Json): InterfaceCondition | undefined {
  const key = ((match['left'] as Json | undefined)?.['meta'] as Json | undefined)?.['key'];
  const side =
    key === 'iifname' || key === 'iif' ? 'in' : key === 'oifname' || key === 'oif' ? 'out' : undefined;
  const { op, right } = match;
  if (side === undefined || (op !== '==' && op !== '!=' && op !== 'in')) return undefined;
  const set = typeof right === 'object' && right !== null ? (right as Json)['set'] : [right];
  if (!Array.isArray(set) || !set.every((name) => typeof name === 'string' && !name.startsWith('@')))
    return undefined;
  return { side, names: set as string[], negated: op === '!=' };
}

/** Any verdict of an anonymous map; a named one may hold anything, so a drop. */
function mapVerdicts(vmap: Json): Verdict[] {
  const set = (vmap['data'] as Json | undefined)?.['set'];
  if (!Array.isArray(set)) return [{ kind: 'drop' }];
  return set.flatMap((pair) => {
    const [key, value] = Object.entries(((pair as unknown[])[1] ?? {}) as Json)[0] ?? ['', undefined];
    return readVerdict(key, value) ?? [];
  });
}
