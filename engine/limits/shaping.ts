// Which devices hold which NICs to which rates: what is wanted against what is there. Pure.
// What a VM receives waits in a queue of its tap. What it sends goes through a pair of devices named after the tap's
// number, once the rules have found it sound, and waits there.
import type { Port } from '@wocloud/policy/render/local.ts';
import type { DesiredNic } from '@wocloud/protocol/desired.ts';
import type { Notice } from '../health/facts.ts';
import type { Bridges } from '../inventory/bridges.ts';
import type { Link, PairNames } from './pairs.ts';
import type { Queue, Rate } from './queues.ts';

/** Another tap under the same name has another pair. */
export function pairNames({ index }: Pick<Port, 'index'>): PairNames {
  const name = `wol${index}`;
  return { first: `${name}a`, second: `${name}b`, unfinished: `${name}n` };
}
const OURS = /^wol[1-9]\d{0,9}[abn]$/;

/** Those of the NICs whose sending can be held to a rate now, with the device they are sent through. */
export function shapersOf(
  nics: readonly DesiredNic[],
  taps: ReadonlyMap<string, string>,
  { ports }: Pick<Bridges, 'ports'>,
): Map<string, Port> {
  const found = new Map<string, Port>();
  for (const { id, limits } of nics) {
    const tap = ports.get(taps.get(id) ?? '');
    const first = tap && (limits?.sendKbps ?? null) !== null ? ports.get(pairNames(tap).first) : undefined;
    if (first) found.set(id, { device: first.device, index: first.index });
  }
  return found;
}

/** A NIC with a tap and a limit on its bandwidth; kbit/s, null without. */
export interface Held {
  name: string;
  mac: string;
  tap: Port;
  send: number | null;
  receive: number | null;
}

export function heldOf(
  nics: readonly DesiredNic[],
  taps: ReadonlyMap<string, string>,
  { ports }: Pick<Bridges, 'ports'>,
): Held[] {
  return nics.flatMap(({ id, name, mac, limits }) => {
    const tap = ports.get(taps.get(id) ?? '');
    const { sendKbps: send = null, receiveKbps: receive = null } = limits ?? {};
    return tap && (send !== null || receive !== null)
      ? [{ name, mac, tap: { device: tap.device, index: tap.index }, send, receive }]
      : [];
  });
}

/** Room for one full frame, jumbo frames included; below that a frame could never pass. */
const LEAST_BURST = 16_384;
/** What a guest hands over at once may be as long: a shorter queue would lose a part of each. */
const LEAST_QUEUE = 65_536;
/** In bytes: a kernel's 32 bits are not filled by any rate. */
const MOST = 2 ** 30;

/** At most 20 ms of the rate at once, at most 150 ms of it waiting: measured, half of that loses a tenth at 20 Mbit/s. */
export function rateOf(kbps: number): Rate & { burst: number } {
  const rate = kbps * 125;
  const burst = Math.min(MOST, Math.max(LEAST_BURST, Math.ceil(rate * 0.02)));
  return { rate, burst, limit: burst + Math.min(MOST, Math.max(LEAST_QUEUE, Math.ceil(rate * 0.15))) };
}

export type Step =
  | { do: 'add'; names: PairNames; mac: string; tap: number; kbps: number }
  | { do: 'lead'; index: number; mac: string; tap: number }
  | { do: 'rate'; index: number; kbps: number }
  | { do: 'up' | 'delete' | 'free'; index: number };

export interface Found {
  pairs: readonly Link[];
  queues: ReadonlyMap<number, Queue>;
  /** Devices whose entrance leads to another. */
  leading: ReadonlySet<number>;
}

/** What is to be done, and what stands in the way. */
export function stepsTo(
  held: readonly Held[],
  { pairs, queues, leading }: Found,
): { steps: Step[]; notices: Notice[] } {
  const own = new Map(pairs.filter(isOurs).map((link) => [link.name, link]));
  const rates = new Map<number, number>();
  const kept = new Set<number>();
  const [steps, added, notices]: [Step[], Step[], Notice[]] = [[], [], []];
  for (const { name, mac, tap, send, receive } of held) {
    if (receive !== null) {
      const queue = queues.get(tap.index);
      if (queue && 'foreign' in queue) notices.push(taken(name, tap.device, queue.foreign));
      else rates.set(tap.index, receive);
    }
    if (send === null) continue;
    const names = pairNames(tap);
    const [first, second] = [own.get(names.first), own.get(names.second)];
    if (!first || !second) {
      added.push({ do: 'add', names, mac, tap: tap.index, kbps: send });
      continue;
    }
    kept.add(first.index).add(second.index);
    rates.set(first.index, send);
    if (!leading.has(second.index)) steps.push({ do: 'lead', index: second.index, mac, tap: tap.index });
    for (const { isUp, index } of [second, first]) if (!isUp) steps.push({ do: 'up', index });
  }
  for (const [index, kbps] of rates)
    if (!holds(queues.get(index), kbps)) steps.push({ do: 'rate', index, kbps });
  const devices = new Set([...own.values()].map(({ index }) => index));
  for (const index of devices) if (!kept.has(index)) steps.push({ do: 'delete', index });
  for (const [index, queue] of queues)
    if (queue && 'own' in queue && !rates.has(index) && !devices.has(index))
      steps.push({ do: 'free', index });
  // What is left of a pair must be gone before it is made anew.
  return { steps: [...steps, ...added], notices };
}

export const isOurs = ({ name }: Pick<Link, 'name'>): boolean => OURS.test(name);

function holds(queue: Queue | undefined, kbps: number): boolean {
  if (!queue || !('own' in queue)) return false;
  const { rate, limit } = rateOf(kbps);
  return queue.own.rate === rate && queue.own.limit === limit;
}

const taken = (name: string, tap: string, queue: string): Notice => ({
  code: 'limit.bandwidth.taken',
  message: `What VM ${name} receives is not held to its Limit: its tap ${tap} has a queue of somebody else's (${queue}), as libvirt makes for <bandwidth>`,
  action: `Take <bandwidth> out of the VM's interface (virsh domiftune), or receiveKbps out of the Limit`,
});

/** What a kernel says no to, in words. */
export const unable = (what: string, reason: string): Notice => ({
  code: 'limit.bandwidth.unable',
  message: `Limits on bandwidth are not all in force: ${what} (${reason})`,
  action: 'The kernel modules veth, sch_tbf, sch_ingress, cls_u32 and act_mirred must be there to be loaded',
});
