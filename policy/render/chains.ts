// One rule list → the kernel rules of its chain, for one way it is used; and the small chains that carry out verdicts.
import type { DesiredChain, DesiredRule, DesiredSet } from '@wocloud/protocol/desired.ts';
import type { Action } from '@wocloud/protocol/resources/policy.ts';
import { isLiteralSet } from '../chains.ts';
import { PolicyError } from '../errors.ts';
import type { Direction } from '../rules.ts';
import {
  LOG_GROUP,
  REFUSE_PREFIX,
  commentOf,
  counterName,
  setName,
  verdictName,
  verdictPrefix,
  type Variant,
} from './names.ts';
import { INLINE_LIMIT, buildStages, type Stage, type StagedRule } from './stages.ts';

/** A verdict some chain goes to. */
export interface VerdictUse {
  direction: Direction;
  slot: number;
  action: Action;
  log: boolean;
  /** Rejects what the host itself sends: only there the kernel can answer without asking for a route. */
  local: boolean;
  rule: string;
}

export interface ChainText {
  rules: string[];
  /** By verdict chain name. */
  verdicts: Map<string, VerdictUse>;
  /** Ids of the sets matched by name. */
  sets: Set<string>;
}

/** Rules that can match in a variant: VMs are known by their network alone, `host` only where the host is an end. */
function inVariant(rule: DesiredRule, variant: Variant): DesiredRule['peers'] {
  const peers: DesiredRule['peers'] = [];
  for (const peer of rule.peers) {
    if (peer === 'any') return ['any'];
    if (peer === 'host') {
      if (variant === 'h') return ['any'];
    } else if (variant === 'n' || isLiteralSet(peer.set)) peers.push(peer);
  }
  return peers;
}

export function chainText(
  chain: DesiredChain,
  direction: Direction,
  variant: Variant,
  sets: ReadonlyMap<string, DesiredSet>,
  slots: ReadonlyMap<string, number>,
): ChainText {
  const verdicts = new Map<string, VerdictUse>();
  const staged: StagedRule[] = [];
  for (const rule of chain.rules) {
    if (rule.staged) continue;
    const peers = inVariant(rule, variant);
    if (peers.length === 0) continue;
    const slot = slots.get(rule.id);
    if (slot === undefined) throw new PolicyError('render.slots', `rule ${rule.id} has no slot`);
    const { action, log } = rule;
    const local = action === 'reject' && direction === 'in' && variant === 'h';
    const use: VerdictUse = { direction, slot, action, log, local, rule: rule.id };
    const verdict = verdictName(use);
    verdicts.set(verdict, use);
    staged.push({ peers, services: rule.services, verdict });
  }
  const literal = (id: string) => {
    const elements = isLiteralSet(id) ? sets.get(id)?.elements : undefined;
    return elements && elements.length <= INLINE_LIMIT ? elements : null;
  };
  const used = new Set<string>();
  const rules = buildStages(staged, literal).flatMap((stage) => stageText(stage, direction, used));
  return { rules, verdicts, sets: used };
}

function stageText(stage: Stage, direction: Direction, used: Set<string>): string[] {
  const field = direction === 'out' ? 'daddr' : 'saddr';
  const { shape } = stage;
  if (shape === 'any') return [matchText('', stage)];
  if (typeof shape === 'object') {
    used.add(shape.set);
    return ([4, 6] as const)
      .filter((family) => stage.category !== 'icmp' || family === 4)
      .filter((family) => stage.category !== 'icmp6' || family === 6)
      .map((family) =>
        matchText(`${family === 4 ? 'ip' : 'ip6'} ${field} @${setName(shape.set, family)} `, stage),
      );
  }
  return [inlineText(`${shape === 'inline4' ? 'ip' : 'ip6'} ${field}`, stage)];
}

const range = (first: number, last: number): string => (first === last ? `${first}` : `${first}-${last}`);

function matchText(before: string, { category, entries }: Stage): string {
  const [only] = entries;
  if (category === 'all') return `${before}goto ${only?.verdict}`;
  const keys = {
    ports: 'meta l4proto . th dport',
    protocol: 'meta l4proto',
    icmp: 'icmp type',
    icmp6: 'icmpv6 type',
  };
  const elements = entries.map(({ protocol, first, last, verdict }) => {
    const key =
      category === 'ports'
        ? `${protocol} . ${range(first, last)}`
        : category === 'protocol'
          ? protocol
          : range(first, last);
    return `${key} : goto ${verdict}`;
  });
  return `${before}${keys[category]} vmap { ${elements.join(', ')} }`;
}

function inlineText(address: string, { category, entries }: Stage): string {
  const keys = {
    ports: `${address} . meta l4proto . th dport`,
    protocol: `${address} . meta l4proto`,
    icmp: `${address} . icmp type`,
    icmp6: `${address} . icmpv6 type`,
    all: address,
  };
  const elements = entries.map(({ address: peer, protocol, first, last, verdict }) => {
    const rest =
      category === 'ports'
        ? ` . ${protocol} . ${range(first, last)}`
        : category === 'protocol'
          ? ` . ${protocol}`
          : category === 'all'
            ? ''
            : ` . ${range(first, last)}`;
    return `${peer?.text}${rest} : goto ${verdict}`;
  });
  return `${keys[category]} vmap { ${elements.join(', ')} }`;
}

/**
 * The kernel answers through the host's routes. A reset finds the way by itself when there is any route; an ICMP
 * error must go back where the packet came from, or it would reach whoever has the same address on another network.
 * Where there is no such route the engine is asked to answer on the tap.
 */
function rejectRules(local: boolean): string[] {
  if (local) return ['meta l4proto tcp reject with tcp reset', 'reject with icmpx admin-prohibited'];
  return [
    'meta l4proto tcp fib saddr oif exists reject with tcp reset',
    'meta l4proto != tcp fib saddr . iif oif exists reject with icmpx admin-prohibited',
    `limit rate 200/second burst 400 packets log prefix "${REFUSE_PREFIX}" group ${LOG_GROUP.refuse} snaplen 128`,
    'drop',
  ];
}

/** Logs of one rule per second; the counter has them all. */
const LOG_LIMIT = 'limit rate 50/second burst 100 packets';

/**
 * What a verdict does: an allowed connection carries its rule in the mark and goes on to the other end's chain,
 * a refused one is logged and ends. The rule's id is the comment, for whoever finds the table.
 */
export function verdictRules(use: VerdictUse): string[] {
  const { direction, slot, action, log, rule } = use;
  const refused = action === 'drop' || action === 'reject';
  const counter = counterName(direction, slot);
  const rules: string[] = [];
  if (refused || log)
    rules.push(
      `${LOG_LIMIT} log prefix "${verdictPrefix(direction, slot, action)}" group ${LOG_GROUP.verdict} snaplen 128`,
    );
  const comment = `comment "${commentOf(rule)}"`;
  if (action === 'drop') return [...rules, `counter name "${counter}" drop ${comment}`];
  if (action === 'reject')
    return [...rules, `counter name "${counter}" ${comment}`, ...rejectRules(use.local)];
  const [keep, value] = direction === 'out' ? ['0x0000ffff', slot * 65_536] : ['0xffff0000', slot];
  const mark = `0x${value.toString(16).padStart(8, '0')}`;
  return [...rules, `counter name "${counter}" ct mark set ct mark & ${keep} | ${mark} ${comment}`];
}
