// Names of everything we put in the kernel, and the way back from a log line, mark or comment to what it means.
import type { Action } from '@wocloud/protocol/resources/policy.ts';
import { digest } from '../digest.ts';
import type { Direction } from '../rules.ts';

/** The three tables that are ours; nothing else in the kernel is touched. */
export const TABLES = ['inet wocloud', 'netdev wocloud', 'bridge wocloud'] as const;
export type TableId = (typeof TABLES)[number];

/** NFLOG groups: verdicts of rules, refusals of the guard, and rejected packets whose sender the host cannot answer. */
export const LOG_GROUP = { verdict: 100, guard: 101, refuse: 102 } as const;
export const REFUSE_PREFIX = 'wocloud-refuse';

/** Where a chain is used: between VMs of one network, towards the host itself, or across the host's routing. */
export const VARIANTS = ['n', 'h', 'r'] as const;
export type Variant = (typeof VARIANTS)[number];

export const chainName = (id: string, variant: Variant): string => `${id}-${variant}`;

/** Named counter of a rule in one direction: `o-17`, `i-17`. */
export const counterName = (direction: Direction, slot: number): string =>
  `${direction === 'out' ? 'o' : 'i'}-${slot}`;

/** `local`: for what the host itself sends. */
export function verdictName(use: {
  direction: Direction;
  slot: number;
  action: Action;
  log: boolean;
  local: boolean;
}): string {
  const { direction, slot, action, log, local } = use;
  return `${counterName(direction, slot)}-${action}${log ? '-log' : ''}${local ? '-local' : ''}`;
}

/** Conntrack mark of an allowed connection: which rule let it out, and which let it in. 0: none asked. */
export const markOf = (outSlot: number, inSlot: number): number => ((outSlot << 16) | inSlot) >>> 0;
export const slotsOfMark = (mark: number): { out: number; in: number } => ({
  out: mark >>> 16,
  in: mark & 0xffff,
});

const WORDS = { allow: 'allowed', inspect: 'allowed', drop: 'dropped', reject: 'rejected' } as const;

export interface VerdictLog {
  outSlot: number;
  inSlot: number;
  verdict: (typeof WORDS)[Action];
}

/** `wocloud:17:0:dropped`; the slot of the side that did not decide is 0 (the mark of the packet's connection has it). */
export const verdictPrefix = (direction: Direction, slot: number, action: Action): string =>
  direction === 'out' ? `wocloud:${slot}:0:${WORDS[action]}` : `wocloud:0:${slot}:${WORDS[action]}`;

export function parseVerdictPrefix(prefix: string): VerdictLog | null {
  const match = /^wocloud:(\d{1,5}):(\d{1,5}):(allowed|dropped|rejected)\0*$/.exec(prefix);
  if (!match) return null;
  return { outSlot: Number(match[1]), inSlot: Number(match[2]), verdict: match[3] as VerdictLog['verdict'] };
}

/** Rules that refuse what is beyond a limit, by what is limited. */
export const LIMIT_RULES = { connections: 'limit/connections', rate: 'limit/rate' } as const;

/** What a guest may forge, each by the name its refusal carries. */
export const GUARD_KINDS = [
  'mac',
  'vlan',
  'ethertype',
  'arp',
  'ipv4',
  'ipv6',
  'fragment',
  'dhcp',
  'dhcp-client',
  'dhcpv6',
  'nd',
  'nd-option',
  'nd-dad',
  'ra',
  'redirect',
  'route',
  'theft',
  /** Not forged, but too many: attempts to connect to one port. */
  'syn',
] as const;
export type GuardKind = (typeof GUARD_KINDS)[number];

/** Which tap it was, the log message says by its input interface; so the rules are the same for all taps. */
export const guardPrefix = (kind: GuardKind): string => `wocloud-guard:${kind}:`;

export function parseGuardPrefix(prefix: string): GuardKind | null {
  const match = /^wocloud-guard:([a-z0-9-]+):.*$/s.exec(prefix);
  return GUARD_KINDS.find((kind) => kind === match?.[1]) ?? null;
}

/** Named set of the addresses of one family: `s4-<digest>`. */
export const setName = (id: string, family: 4 | 6): string => `s${family}-${digest(id)}`;

const LONGEST_COMMENT = 120;

/** A rule's or set's id as a comment; longer ones end in their digest, so look comments up rather than parse them. */
export function commentOf(id: string): string {
  const clean = id.replaceAll(/[^\x20-\x7e]|["\\]/g, '?');
  if (clean === id && id.length <= LONGEST_COMMENT) return id;
  return `${clean.slice(0, 90)}~${digest(id)}`;
}

/** Device names we can write between quotes without meaning something else. */
export const isDeviceName = (name: string): boolean => /^[A-Za-z0-9_.:@-]{1,15}$/.test(name);

export const tapChain = (device: string): string =>
  /^[A-Za-z0-9_.-]+$/.test(device) ? `tap-${device}` : `tap-${digest(device)}`;
