// What only the host knows, beside its desired state: taps, interfaces with their MACs, and numbers for rule ids.
import type { DesiredState } from '@wocloud/protocol/desired.ts';
import { PolicyError } from '../errors.ts';
import { limitRuleIds } from './limits.ts';

export interface LocalNetwork {
  /** Interfaces through which the host itself is on this network (the bridge, or a VLAN device on it), with their MACs. */
  interfaces: readonly { name: string; mac: string }[];
  /** Ports of the bridge that belong to no enforced NIC: they may not use an enforced NIC's MAC. */
  otherPorts: readonly string[];
}

export interface Port {
  device: string;
  /** The kernel's number: another one under the same name is another device. */
  index: number;
}

export interface BridgePort extends Port {
  mac: string;
}

/** A gateway's devices on this host: traffic enters at `a`, replies at `b`, copies at `m`. */
export interface GatewayPorts {
  a: Port;
  b: Port;
  m: Port;
}

/** Keep the maps that did not change: rendering notices by identity what it need not do again. */
export interface LocalFacts {
  /** Tap device by NIC id, for NICs that have one now. */
  taps: ReadonlyMap<string, string>;
  /** By network id. */
  networks: ReadonlyMap<string, LocalNetwork>;
  /** 1..65535 by rule id: what connection marks and log prefixes carry. */
  slots: ReadonlyMap<string, number>;
  /** By NIC id, for those whose sending is held to a rate: what it goes through, once it is there. */
  shapers?: ReadonlyMap<string, Port>;
  /** All ports of each bridge, by the bridge's name. Left out: the taps and the networks' other ports. */
  ports?: ReadonlyMap<string, readonly BridgePort[]>;
  /** Gateways by instance number, 1 to 15, whose devices are there now. */
  gateways?: ReadonlyMap<number, GatewayPorts>;
  /** Instance number by bucket; 0: none. */
  buckets?: readonly number[];
}

export const NO_LOCAL: LocalFacts = { taps: new Map(), networks: new Map(), slots: new Map() };

/** Ids of all enforced rules of a state: each needs a slot. */
export function ruleIds(state: DesiredState): Set<string> {
  const ids = new Set<string>();
  for (const chain of state.chains) for (const rule of chain.rules) if (!rule.staged) ids.add(rule.id);
  for (const id of limitRuleIds(state.nics)) ids.add(id);
  return ids;
}

const LAST_SLOT = 65_535;

/**
 * Slots for `ids`: known ones keep theirs, new ones take numbers after `from` that nobody has, wrapping around, so
 * that a freed number rests as long as possible before connections of another rule carry it. Returns the last
 * number given, to be the next `from`. Throws PolicyError `render.slots` when 65,535 are not enough.
 */
export function assignSlots(
  current: ReadonlyMap<string, number>,
  ids: Iterable<string>,
  from: number,
): { slots: Map<string, number>; last: number } {
  const slots = new Map<string, number>();
  const fresh: string[] = [];
  for (const id of ids) {
    const slot = current.get(id);
    if (slot === undefined) fresh.push(id);
    else slots.set(id, slot);
  }
  if (slots.size + fresh.length > LAST_SLOT)
    throw new PolicyError(
      'render.slots',
      `${slots.size + fresh.length} rules on one host, at most ${LAST_SLOT}`,
    );
  const taken = new Set(slots.values());
  let last = from;
  for (const id of fresh.sort()) {
    do last = (last % LAST_SLOT) + 1;
    while (taken.has(last));
    taken.add(last);
    slots.set(id, last);
  }
  return { slots, last };
}
