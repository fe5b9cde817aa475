// A desired state as a judge: chains and address sets compiled to hash lookups, to ask what a chain says of a packet.
import type {
  DesiredChain,
  DesiredNic,
  DesiredRule,
  DesiredSet,
  DesiredState,
} from '@wocloud/protocol/desired.ts';
import { isLiteralSet } from './chains.ts';
import { isGroupAddress, parseAddress, parseCidr } from './cidr.ts';
import { PolicyError } from './errors.ts';
import { essential } from './essential.ts';
import { receivesGroups } from './multicast.ts';
import { matchesServices, type Headers, type Relation } from './packet.ts';
import type { Direction } from './rules.ts';
import { combine, type Judgement, type Match, type Outcome, type Side } from './verdict.ts';

/** Membership of one address in a set of prefixes. */
export class AddressMatcher {
  readonly #exact: ReadonlySet<string>;
  /** Family and length, then the prefixes of that length as numbers. */
  readonly #prefixes: { family: 4 | 6; shift: bigint; firsts: Set<bigint> }[] = [];

  constructor(elements: readonly string[]) {
    this.#exact = new Set(elements);
    const byLength = new Map<string, { family: 4 | 6; shift: bigint; firsts: Set<bigint> }>();
    for (const element of elements) {
      if (!element.includes('/')) continue;
      const { family, first, length } = parseCidr(element);
      const shift = BigInt((family === 4 ? 32 : 128) - length);
      const entry = byLength.get(`${family}/${length}`) ?? { family, shift, firsts: new Set<bigint>() };
      entry.firsts.add(first >> shift);
      byLength.set(`${family}/${length}`, entry);
    }
    this.#prefixes = [...byLength.values()];
  }

  /** `address`: canonical text. */
  has(address: string): boolean {
    if (this.#exact.has(address)) return true;
    if (this.#prefixes.length === 0) return false;
    const { family, first } = parseAddress(address);
    return this.#prefixes.some((p) => p.family === family && p.firsts.has(first >> p.shift));
  }
}

export interface ChainQuery extends Headers {
  /** The other end's address, canonical text. */
  peer: string;
  relation: Relation;
}

/** One step of a trace. */
export interface RuleStep {
  rule: string;
  action: DesiredRule['action'];
  staged: boolean;
  /** Why it did not match, or that it did. */
  result: 'matched' | 'other peer' | 'other service';
}

/** A chain as an index: rules that one protocol and port can match, in order. */
class CompiledChain {
  readonly #rules: readonly DesiredRule[];
  readonly #narrow: Map<number, number[]> | null;
  readonly #wide: number[] = [];

  constructor(chain: DesiredChain) {
    this.#rules = chain.rules;
    if (chain.rules.length < 64) {
      this.#narrow = null;
      return;
    }
    this.#narrow = new Map();
    chain.rules.forEach((rule, index) => {
      const keys = exactKeys(rule);
      if (!keys) this.#wide.push(index);
      else
        for (const key of keys) {
          const list = this.#narrow?.get(key);
          if (list) list.push(index);
          else this.#narrow?.set(key, [index]);
        }
    });
  }

  /** Rules that may match, first to last. */
  *candidates(headers: Headers): Generator<DesiredRule> {
    if (!this.#narrow) {
      yield* this.#rules;
      return;
    }
    const narrow = this.#narrow.get((headers.protocol << 16) | headers.port) ?? [];
    let [i, j] = [0, 0];
    while (i < narrow.length || j < this.#wide.length) {
      const [a, b] = [narrow[i] ?? Infinity, this.#wide[j] ?? Infinity];
      if (a < b) i++;
      else j++;
      yield this.#rules[Math.min(a, b)] as DesiredRule;
    }
  }
}

/** Protocol and port as one number, for rules of single ports only; null when the rule is wider. */
function exactKeys(rule: DesiredRule): number[] | null {
  if (rule.services.length === 0) return null;
  const keys: number[] = [];
  for (const { protocol, ports } of rule.services) {
    if (protocol === null || ports === null) return null;
    for (const [first, last] of ports) {
      if (first !== last || keys.length > 64) return null;
      keys.push((protocol << 16) | first);
    }
  }
  return keys;
}

const ESSENTIAL: Judgement = { enforced: { rule: '', action: 'allow', log: false }, staged: null };

/**
 * Answers for one desired state. `update` keeps what did not change (states share their parts), so it may be
 * called on every delta.
 */
export class Evaluator {
  #sets = new Map<string, { set: DesiredSet; matcher: AddressMatcher | null }>();
  #chains = new Map<string, { chain: DesiredChain; compiled: CompiledChain | null }>();
  #nics = new Map<string, DesiredNic>();

  constructor(state: DesiredState) {
    this.update(state);
  }

  update(state: DesiredState): void {
    const [sets, chains] = [this.#sets, this.#chains];
    this.#sets = new Map(
      state.sets.map((set) => {
        const old = sets.get(set.id);
        return [set.id, old?.set.elements === set.elements ? old : { set, matcher: null }];
      }),
    );
    this.#chains = new Map(
      state.chains.map((chain) => {
        const old = chains.get(chain.id);
        return [chain.id, old?.chain === chain ? old : { chain, compiled: null }];
      }),
    );
    this.#nics = new Map(state.nics.map((nic) => [nic.id, nic]));
  }

  nic(id: string): DesiredNic | undefined {
    return this.#nics.get(id);
  }

  inSet(id: string, address: string): boolean {
    const entry = this.#sets.get(id);
    if (!entry) return false;
    entry.matcher ??= new AddressMatcher(entry.set.elements);
    return entry.matcher.has(address);
  }

  /** What a chain says. Every chain ends with a rule that matches all; a chain without one refuses. */
  judge(chainId: string, query: ChainQuery, steps?: RuleStep[]): Judgement {
    const entry = this.#chains.get(chainId);
    let staged: Match | null = null;
    if (entry) {
      entry.compiled ??= new CompiledChain(entry.chain);
      const seen = new Map<string, boolean>();
      for (const rule of entry.compiled.candidates(query)) {
        const service = matchesServices(rule.services, query);
        const matched = service && rule.peers.some((peer) => this.#matchesPeer(peer, query, seen));
        steps?.push({
          rule: rule.id,
          action: rule.action,
          staged: rule.staged,
          result: matched ? 'matched' : service ? 'other peer' : 'other service',
        });
        if (!matched) continue;
        const match: Match = { rule: rule.id, action: rule.action, log: rule.log };
        if (!rule.staged) return { enforced: match, staged };
        staged ??= match;
      }
    }
    return { enforced: { rule: '', action: 'drop', log: false }, staged };
  }

  #matchesPeer(peer: DesiredRule['peers'][number], query: ChainQuery, seen: Map<string, boolean>): boolean {
    if (peer === 'any') return true;
    if (peer === 'host') return query.relation === 'host';
    if (query.relation !== 'network' && !isLiteralSet(peer.set)) return false;
    let answer = seen.get(peer.set);
    if (answer === undefined) {
      answer = this.inSet(peer.set, query.peer);
      seen.set(peer.set, answer);
    }
    return answer;
  }

  /**
   * What happens to a connection as far as this host's state knows its ends. `source` and `destination` are NIC
   * ids of this state, or null for an end that is elsewhere: its own host judges that side.
   */
  flow(flow: {
    source: string | null;
    destination: string | null;
    src: string;
    dst: string;
    relation: Relation;
    headers: Headers;
    sourcePort: number;
  }): Outcome {
    return combine(this.side('out', flow.source, flow), this.side('in', flow.destination, flow));
  }

  #groupSenders(chainId: string): string | null {
    const chain = this.#chains.get(chainId)?.chain;
    return chain ? receivesGroups(chain) : null;
  }

  /** One end's answer, or null when the NIC is not of this state. */
  side(
    direction: Direction,
    nicId: string | null,
    flow: { src: string; dst: string; relation: Relation; headers: Headers; sourcePort: number },
    steps?: RuleStep[],
  ): Side | null {
    const nic = nicId === null ? undefined : this.#nics.get(nicId);
    if (!nic) return null;
    const { mode } = nic;
    if (essential(direction, flow.headers, flow.sourcePort, isGroup(flow.dst))) return { ...ESSENTIAL, mode };
    if (direction === 'in' && isGroup(flow.dst)) {
      const senders = this.#groupSenders(nic.in);
      const heard = senders !== null && this.inSet(senders, flow.src);
      return { enforced: { rule: '', action: heard ? 'allow' : 'drop', log: false }, staged: null, mode };
    }
    const peer = direction === 'out' ? flow.dst : flow.src;
    return {
      ...this.judge(nic[direction], { ...flow.headers, peer, relation: flow.relation }, steps),
      mode,
    };
  }
}

export const compile = (state: DesiredState): Evaluator => new Evaluator(state);

/** Multicast or limited broadcast. Text that is no address is not. */
export function isGroup(address: string): boolean {
  try {
    return isGroupAddress(parseAddress(address));
  } catch (error) {
    if (error instanceof PolicyError) return false;
    throw error;
  }
}
