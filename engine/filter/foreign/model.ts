// Other people's firewall rules, as far as they decide about frames a bridge forwards: could they drop one? Pure.
// Whatever is not understood counts as "may match": better to stand back once too often than to lose a packet.

export type Verdict =
  | { kind: 'accept' | 'drop' | 'reject' | 'queue' | 'return' | 'none' }
  | { kind: 'jump' | 'goto'; chain: string };

/** A condition on an interface name; patterns may end in `*`. */
export interface InterfaceCondition {
  side: 'in' | 'out';
  names: readonly string[];
  negated: boolean;
}

export interface ForeignRule {
  interfaces: readonly InterfaceCondition[];
  /** Something else must hold, too, which is not known here. */
  conditional: boolean;
  /** More than one: any of them (a verdict map). */
  verdicts: readonly Verdict[];
}

export interface ForeignChain {
  name: string;
  rules: ForeignRule[];
}

export interface ForeignBase {
  family: string;
  table: string;
  chain: string;
  hook: 'prerouting' | 'forward' | 'postrouting';
  policy: 'accept' | 'drop';
  chains: ReadonlyMap<string, ForeignChain>;
  /** iptables-legacy's tables are not nftables'. */
  legacy: boolean;
}

const MAX_DEPTH = 32;

/** Why a frame that enters and leaves by `bridge` could be dropped by this chain; empty when it cannot. */
export function couldDrop(base: ForeignBase, bridge: string): string[] {
  const found = new Set<string>();
  const end = walk(base, base.chain, bridge, found, 0);
  if (end && base.policy === 'drop') found.add(`policy of ${base.chain} is drop`);
  return [...found];
}

/** Adds the drops a frame can meet from here on; true when it can come out at the end (or by return). */
function walk(base: ForeignBase, name: string, bridge: string, found: Set<string>, depth: number): boolean {
  const chain = base.chains.get(name);
  if (!chain || depth > MAX_DEPTH) return true;
  for (const rule of chain.rules) {
    const match = matches(rule, base, bridge);
    if (match === 'no') continue;
    // One verdict that surely applies may end the walk; one of several, or a conditional one, never does.
    const sure = match === 'yes' && rule.verdicts.length === 1;
    for (const verdict of rule.verdicts) {
      switch (verdict.kind) {
        case 'none':
          break;
        case 'accept':
          if (sure) return false;
          break;
        case 'drop':
        case 'reject':
        case 'queue':
          found.add(`${verdict.kind} in ${name}`);
          if (sure) return false;
          break;
        case 'return':
          if (sure) return true;
          break;
        case 'jump': {
          const out = walk(base, verdict.chain, bridge, found, depth + 1);
          if (sure && !out) return false;
          break;
        }
        case 'goto': {
          const out = walk(base, verdict.chain, bridge, found, depth + 1);
          if (sure) return out;
          break;
        }
      }
    }
  }
  return true;
}

function matches(rule: ForeignRule, base: ForeignBase, bridge: string): 'yes' | 'no' | 'maybe' {
  for (const { side, names, negated } of rule.interfaces) {
    // Before routing there is no way out yet, after it no way in; a frame's is the bridge.
    const known =
      (side === 'in' && base.hook !== 'postrouting') || (side === 'out' && base.hook !== 'prerouting');
    const equal = known && names.some((pattern) => sameName(pattern, bridge));
    if (equal === negated) return 'no';
  }
  return rule.conditional ? 'maybe' : 'yes';
}

const sameName = (pattern: string, name: string): boolean =>
  pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : pattern === name;
