// Which devices hold which NICs to which rates: what is wanted against what is there. Pure.
// What a VM receives waits in a queue of its tap; what it sends, in the queue of an ifb device named after the tap's
// number, through which the rules lead it once they have found it sound.
import type { Port } from '@wocloud/policy/render/local.ts';
import type { DesiredNic } from '@wocloud/protocol/desired.ts';
import type { Notice } from '../health/facts.ts';
import type { Bridges } from '../inventory/bridges.ts';
import type { Ifb, Queue, Rate } from './traffic-control.ts';

/** The device through which what enters by a tap is sent. Another tap under the same name has another. */
export const shaperName = (tap: Pick<Port, 'index'>): string => `wol${tap.index}`;
export const isShaperName = (name: string): boolean => /^wol[1-9]\d{0,9}$/.test(name);

/** Those of the NICs whose sending can be held to a rate now, with the device that does it. */
export function shapersOf(
  nics: readonly DesiredNic[],
  taps: ReadonlyMap<string, string>,
  { ports }: Pick<Bridges, 'ports'>,
): Map<string, Port> {
  const found = new Map<string, Port>();
  for (const { id, limits } of nics) {
    const tap = ports.get(taps.get(id) ?? '');
    const device = tap && (limits?.sendKbps ?? null) !== null ? ports.get(shaperName(tap)) : undefined;
    if (device) found.set(id, { device: device.device, index: device.index });
  }
  return found;
}

/** A NIC with a tap and a limit on its bandwidth; kbit/s, null without. */
export interface Held {
  name: string;
  tap: Port;
  send: number | null;
  receive: number | null;
}

export function heldOf(
  nics: readonly DesiredNic[],
  taps: ReadonlyMap<string, string>,
  { ports }: Pick<Bridges, 'ports'>,
): Held[] {
  return nics.flatMap(({ id, name, limits }) => {
    const tap = ports.get(taps.get(id) ?? '');
    const { sendKbps: send = null, receiveKbps: receive = null } = limits ?? {};
    return tap && (send !== null || receive !== null)
      ? [{ name, tap: { device: tap.device, index: tap.index }, send, receive }]
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
  | { do: 'add'; name: string }
  | { do: 'up' | 'delete' | 'free'; index: number }
  | { do: 'rate'; index: number; kbps: number };

export interface Found {
  ifbs: readonly Ifb[];
  queues: ReadonlyMap<number, Queue>;
}

/** What is to be done, and what stands in the way. A device that is added now gets its rate the next time. */
export function stepsTo(
  held: readonly Held[],
  { ifbs, queues }: Found,
): { steps: Step[]; notices: Notice[] } {
  const own = new Map(ifbs.filter((ifb) => isShaperName(ifb.name)).map((ifb) => [ifb.name, ifb]));
  const rates = new Map<number, number>();
  const kept = new Set<number>();
  const steps: Step[] = [];
  const notices: Notice[] = [];
  for (const { name, tap, send, receive } of held) {
    if (receive !== null) {
      const queue = queues.get(tap.index);
      if (queue && 'foreign' in queue) notices.push(taken(name, tap.device, queue.foreign));
      else rates.set(tap.index, receive);
    }
    if (send === null) continue;
    const ifb = own.get(shaperName(tap));
    if (!ifb) {
      steps.push({ do: 'add', name: shaperName(tap) });
      continue;
    }
    kept.add(ifb.index);
    rates.set(ifb.index, send);
    if (!ifb.isUp) steps.push({ do: 'up', index: ifb.index });
  }
  for (const [index, kbps] of rates)
    if (!holds(queues.get(index), kbps)) steps.push({ do: 'rate', index, kbps });
  for (const { index } of own.values()) if (!kept.has(index)) steps.push({ do: 'delete', index });
  const shapers = new Set([...own.values()].map((ifb) => ifb.index));
  for (const [index, queue] of queues)
    if (queue && 'own' in queue && !rates.has(index) && !shapers.has(index))
      steps.push({ do: 'free', index });
  return { steps, notices };
}

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
  action: 'Load the kernel modules sch_tbf and ifb, or install the kernel package that has them',
});
