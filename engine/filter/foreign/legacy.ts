// Tables of iptables-legacy, which nftables does not see: `iptables-legacy-save` → the model of model.ts. Pure.
import type { ForeignBase, ForeignChain, ForeignRule, InterfaceCondition, Verdict } from './model.ts';

const HOOKS: Record<string, ForeignBase['hook']> = {
  PREROUTING: 'prerouting',
  FORWARD: 'forward',
  POSTROUTING: 'postrouting',
};

/** Reads what `iptables-legacy-save` (family ip) or `ip6tables-legacy-save` (ip6) prints. */
export function readLegacySave(text: string, family: 'ip' | 'ip6'): ForeignBase[] {
  const bases: ForeignBase[] = [];
  let table = '';
  let chains = new Map<string, ForeignChain>();
  for (const line of text.split('\n')) {
    if (line.startsWith('*')) {
      table = line.slice(1).trim();
      chains = new Map();
    } else if (line.startsWith(':')) {
      const [name = '', policy = ''] = line.slice(1).split(' ');
      chains.set(name, { name, rules: [] });
      const hook = HOOKS[name];
      if (hook)
        bases.push({
          family,
          table,
          chain: name,
          hook,
          policy: policy === 'DROP' ? 'drop' : 'accept',
          chains,
          legacy: true,
        });
    } else if (line.startsWith('-A ')) {
      const words = line.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
      chains.get(words[1] ?? '')?.rules.push(readRule(words.slice(2), chains));
    }
  }
  return bases;
}

const VERDICTS: Record<string, Verdict['kind']> = {
  ACCEPT: 'accept',
  DROP: 'drop',
  REJECT: 'reject',
  NFQUEUE: 'queue',
  QUEUE: 'queue',
  RETURN: 'return',
};

function readRule(words: readonly string[], chains: ReadonlyMap<string, ForeignChain>): ForeignRule {
  const interfaces: InterfaceCondition[] = [];
  let conditional = false;
  let verdict: Verdict = { kind: 'none' };
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    const value = words[i + 1] ?? '';
    if (word === '-i' || word === '-o') {
      const negated = words[i - 1] === '!';
      interfaces.push({ side: word === '-i' ? 'in' : 'out', names: [value.replace(/\+$/, '*')], negated });
      i++;
    } else if (word === '-j' || word === '-g') {
      const kind = VERDICTS[value];
      if (kind) verdict = { kind } as Verdict;
      else if (chains.has(value)) verdict = { kind: word === '-j' ? 'jump' : 'goto', chain: value };
      // What follows the target are its own options.
      break;
    } else if (word === '-m' && value === 'comment') {
      i += 3;
    } else if (word !== '!') conditional = true;
  }
  return { interfaces, conditional, verdicts: [verdict] };
}
