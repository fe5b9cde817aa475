// What is to be done about the gateway instances of a host: which to start, which to end, and which share of the
// connections each gets. Pure: it depends on what is there now, never on how that came about.
import type { DesiredGateway } from '@wocloud/protocol/desired.ts';
import { MAX_INSTANCES } from '@wocloud/protocol/resources/gateway.ts';
import type { InstanceSpec } from '../gateways/runner.ts';
import type { Wait } from './backoff.ts';
import { share } from './buckets.ts';

/** A new instance boots, starts Suricata and loads rules; on an emulated processor that takes its time. */
export const START_MS = 240_000;
/** One that has passed and does not any more may only be held up; then it is started anew. */
export const FAILING_MS = 60_000;
/** Once no new frame is sent there: what is still inside comes out. */
export const DRAIN_MS = 10_000;

export interface Instance {
  number: number;
  gateway: string;
  form: DesiredGateway['form'];
  image: string;
  /** Null: not known, started by an engine before us that left no note. */
  vcpus: number | null;
  memoryMiB: number | null;
  /** `ended`: by itself, remains are there. `starting`, `stopping`: the runner is at it. */
  state: 'starting' | 'up' | 'ended' | 'stopping';
  passing: boolean;
  /** The firewall's rules know its devices. */
  placed: boolean;
  /** It does not pass since then, ms of the monotonic clock; null while it does. */
  failingSince: number | null;
  hasPassed: boolean;
  /** Digest of its rules, '' for none; null: it has not said yet, and was there before us. */
  rules: string | null;
  /** Digest of the rules it refused last. */
  refused: string;
  /** In the kernel no bucket goes there since then. */
  idleSince: number | null;
}

export interface Situation {
  desired: readonly DesiredGateway[];
  /** Versions on this host, newest first. */
  images: readonly string[];
  /** Digest of the rules all should have; '' for none. */
  rules: string;
  instances: readonly Instance[];
  buckets: readonly number[];
  /** By gateway: not before then is one more started, because of what happened to the last. */
  waits: ReadonlyMap<string, Wait>;
  /** How long what goes gets no new frame before it is ended. */
  drainMs: number;
  now: number;
}

/** `failed`: it did not work any more, and counts against its gateway. */
export type StopReason = 'failed' | 'replaced' | 'unwanted';

export interface Problem {
  message: string;
  action: string;
}

export interface Decision {
  start: InstanceSpec[];
  stop: { number: number; why: StopReason }[];
  buckets: readonly number[];
  /** On their way out. */
  retiring: ReadonlySet<number>;
  /** Why a gateway has fewer instances than it should, and what to do, in words. */
  problems: ReadonlyMap<string, Problem>;
}

export function decide(situation: Situation): Decision {
  const { desired, instances } = situation;
  const retiring = new Map<number, StopReason>();
  const known = new Set(desired.map(({ id }) => id));
  for (const { number, gateway } of instances) if (!known.has(gateway)) retiring.set(number, 'unwanted');
  const gateways = desired.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  for (const gateway of gateways)
    for (const [number, why] of retire(gateway, situation)) retiring.set(number, why);

  const start: InstanceSpec[] = [];
  const problems = new Map<string, Problem>();
  const taken = new Set(instances.map(({ number }) => number));
  for (const gateway of gateways) {
    const image = imageOf(gateway, situation.images);
    const wanted = missing(gateway, situation);
    if (wanted === 0) continue;
    if (image === undefined) {
      problems.set(gateway.id, noImage(gateway));
      continue;
    }
    const wait = situation.waits.get(gateway.id);
    if (wait && situation.now < wait.until) {
      problems.set(gateway.id, {
        message: `the last one failed: ${wait.reason}`,
        action: 'It is tried again by itself. The log of the engine has the details.',
      });
      continue;
    }
    for (let i = 0; i < wanted; i++) {
      const number = free(taken);
      if (number === undefined) {
        problems.set(gateway.id, {
          message: `all ${MAX_INSTANCES} instances that a host can have are there`,
          action: 'Lower the number of instances of the Gateways of this host.',
        });
        makeRoom(gateway, situation, retiring);
        break;
      }
      taken.add(number);
      const { form, vcpus, memoryMiB } = gateway;
      start.push({ number, gateway: gateway.id, form, vcpus, memoryMiB, image });
    }
  }
  return {
    start,
    stop: stops(situation, retiring),
    buckets: bucketsOf(situation, retiring),
    retiring: new Set(retiring.keys()),
    problems,
  };
}

/** It may have connections: probes pass, rules lead to it, and it has rules to look by if there are any. */
export const isServing = (instance: Instance, rules: string): boolean =>
  instance.state === 'up' && instance.passing && instance.placed && (rules === '' || instance.rules !== '');

/** It is as good as it will get: an older one can go. */
const isReady = (instance: Instance, rules: string): boolean =>
  isServing(instance, rules) && (rules === '' || instance.rules === rules || instance.refused === rules);

const imageOf = ({ image }: DesiredGateway, images: readonly string[]): string | undefined =>
  image === null ? images[0] : images.includes(image) ? image : undefined;

const noImage = ({ image }: DesiredGateway): Problem => ({
  message: image === null ? 'no gateway image is on it' : `the gateway image ${image} is not on it`,
  action: 'Build or copy the gateway image onto this host; it is then found by itself.',
});

const isLiving = ({ state }: Instance): boolean => state === 'starting' || state === 'up';

/** Those of a gateway that live: as they should be, and others. Without their image on the host all are as they should be. */
function partition(gateway: DesiredGateway, { instances, images }: Situation) {
  const image = imageOf(gateway, images);
  const mine = instances.filter((i) => i.gateway === gateway.id);
  const living = mine.filter(isLiving);
  const matches = (i: Instance) =>
    image === undefined ||
    (i.form === gateway.form &&
      i.image === image &&
      (i.vcpus ?? gateway.vcpus) === gateway.vcpus &&
      (i.memoryMiB ?? gateway.memoryMiB) === gateway.memoryMiB);
  return { mine, current: living.filter(matches), old: living.filter((i) => !matches(i)) };
}

/** Most dispensable first. */
const dispensable =
  (rules: string) =>
  (a: Instance, b: Instance): number =>
    Number(isServing(a, rules)) - Number(isServing(b, rules)) ||
    Number(isReady(a, rules)) - Number(isReady(b, rules)) ||
    Number(b.idleSince !== null) - Number(a.idleSince !== null) ||
    b.number - a.number;

/** Of the old as many as the new ones make up for; of the new what is too many. */
function retire(gateway: DesiredGateway, situation: Situation): Map<number, StopReason> {
  const { rules } = situation;
  const { current, old } = partition(gateway, situation);
  const order = dispensable(rules);
  const ready = Math.min(gateway.instances, current.filter((i) => isReady(i, rules)).length);
  const replaced = old.toSorted(order).slice(0, Math.max(0, ready + old.length - gateway.instances));
  const surplus = current.toSorted(order).slice(0, Math.max(0, current.length - gateway.instances));
  return new Map([
    ...replaced.map(({ number }): [number, StopReason] => [number, 'replaced']),
    ...surplus.map(({ number }): [number, StopReason] => [number, 'unwanted']),
  ]);
}

/** How many to start now. While old ones are there, one at a time beside them: twice the memory may not be there. */
function missing(gateway: DesiredGateway, situation: Situation): number {
  const { mine, current, old } = partition(gateway, situation);
  const most = gateway.instances + (old.length > 0 ? 1 : 0);
  return Math.max(0, Math.min(gateway.instances - current.length, most - mine.length));
}

function free(taken: ReadonlySet<number>): number | undefined {
  for (let number = 1; number <= MAX_INSTANCES; number++) if (!taken.has(number)) return number;
  return undefined;
}

/** No number is left for a new one beside the old: one of the old goes first, unless something is going already. */
function makeRoom(gateway: DesiredGateway, situation: Situation, retiring: Map<number, StopReason>): void {
  if (retiring.size > 0 || !situation.instances.every(isLiving)) return;
  const [first] = partition(gateway, situation).old.toSorted(dispensable(situation.rules));
  if (first) retiring.set(first.number, 'replaced');
}

function stops(situation: Situation, retiring: ReadonlyMap<number, StopReason>): Decision['stop'] {
  return situation.instances.flatMap((instance) => {
    const { number, state } = instance;
    if (state === 'ended') return [{ number, why: 'failed' }];
    if (state !== 'up') return [];
    const why = retiring.get(number);
    if (why !== undefined) return isDrained(instance, situation) ? [{ number, why }] : [];
    return hasFailed(instance, situation.now) ? [{ number, why: 'failed' }] : [];
  });
}

const isDrained = ({ passing, idleSince }: Instance, { drainMs, now }: Situation): boolean =>
  !passing || (idleSince !== null && now - idleSince >= drainMs);

const hasFailed = ({ failingSince, hasPassed }: Instance, now: number): boolean =>
  failingSince !== null && now - failingSince >= (hasPassed ? FAILING_MS : START_MS);

function bucketsOf({ instances, buckets, rules }: Situation, retiring: ReadonlyMap<number, StopReason>) {
  const staying = instances.filter((i) => !retiring.has(i.number) && isLiving(i));
  const serving = staying.filter((i) => isServing(i, rules));
  if (serving.length > 0)
    return share(
      buckets,
      serving.map(({ number }) => number),
    );
  // Nobody can take over. Who may come back finds its connections where they were.
  const may = new Set(staying.map(({ number }) => number));
  const kept = buckets.map((number) => (may.has(number) ? number : 0));
  return kept.every((number, i) => number === buckets[i]) ? buckets : kept;
}
