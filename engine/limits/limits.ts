// Holds NICs to their bandwidth: one loop that takes no input. Each round looks at what stands in the rules, and makes
// the host's queues and devices into what that needs. Signalled by every placement, and periodic. What is not ours stays.
import type { Logger } from 'pino';
import type { Placement } from '../filter/placement.ts';
import type { Notice } from '../health/facts.ts';
import type { Bridges } from '../inventory/bridges.ts';
import { NetlinkError } from '../netlink/libc.ts';
import { deleteDevice, leadOn, leadsOn, makePair, readPairs, setUp } from './pairs.ts';
import { freeRate, readQueues, setRate } from './queues.ts';
import { RouteExchange } from './route-message.ts';
import { heldOf, isOurs, rateOf, stepsTo, unable, type Found, type Held, type Step } from './shaping.ts';

const EVERY_MS = 10_000;
/** One to do what is to be done, one to see that nothing is left to do; one more for what changed meanwhile. */
const PASSES = 3;

export interface LimitsOptions {
  bridges: () => Bridges;
  onNotices: (notices: readonly Notice[]) => void;
  log: Pick<Logger, 'warn'>;
}

export class Limits {
  readonly counters = { 'limits.rounds': 0, 'limits.changes': 0, 'limits.failures': 0 };
  readonly #o: LimitsOptions;
  readonly #route = new RouteExchange();
  readonly #timer: NodeJS.Timeout;
  #placement: Pick<Placement, 'state' | 'taps'> | undefined;
  #dirty = false;
  #running: Promise<void> | undefined;
  #told = '[]';
  #stopped = false;

  constructor(options: LimitsOptions) {
    this.#o = options;
    this.#timer = setInterval(() => this.#signal(), EVERY_MS).unref();
  }

  /** This stands in the kernel's rules now. */
  placed(placement: Pick<Placement, 'state' | 'taps'>): void {
    this.#placement = placement;
    this.#signal();
  }

  /** Waits for the rounds under way. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  /** Ends the loop. What holds goes on holding. */
  async close(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.idle();
    this.#route.close();
  }

  #signal(): void {
    this.#dirty = true;
    if (!this.#stopped) this.#running ??= this.#rounds().finally(() => (this.#running = undefined));
  }

  async #rounds(): Promise<void> {
    while (this.#dirty && !this.#stopped) {
      this.#dirty = false;
      if (!this.#placement) return;
      const { state, taps } = this.#placement;
      this.counters['limits.rounds']++;
      const notices = await this.#round(heldOf(state.nics, taps, this.#o.bridges()));
      const text = JSON.stringify(notices);
      if (text === this.#told) continue;
      this.#told = text;
      this.#o.onNotices(notices);
    }
  }

  async #round(held: readonly Held[]): Promise<readonly Notice[]> {
    let found: Notice[] = [];
    for (let pass = 1; pass <= PASSES; pass++)
      try {
        const { steps, notices } = stepsTo(held, await readAll(this.#route));
        const problems: Notice[] = [];
        for (const step of steps) problems.push(...(await this.#take(step)));
        found = [...notices, ...problems];
        if (steps.length === 0 || problems.length > 0) return found;
      } catch (error) {
        return [...found, this.#failed('the queues could not be read', error)];
      }
    return found;
  }

  async #take(step: Step): Promise<Notice[]> {
    try {
      await take(this.#route, step);
      this.counters['limits.changes']++;
      return [];
    } catch (error) {
      // Gone since it was read: it needs nothing any more.
      if (error instanceof NetlinkError && error.errno === 'ENODEV') return [];
      return [this.#failed(`could not ${step.do}`, error)];
    }
  }

  #failed(what: string, error: unknown): Notice {
    this.counters['limits.failures']++;
    this.#o.log.warn({ err: error }, `a limit on bandwidth is not in force: ${what}`);
    return unable(what, error instanceof Error ? error.message : String(error));
  }
}

async function readAll(route: RouteExchange): Promise<Found> {
  const pairs = await readPairs(route);
  const leading = new Set<number>();
  for (const link of pairs) if (isOurs(link) && (await leadsOn(route, link.index))) leading.add(link.index);
  return { pairs, queues: await readQueues(route), leading };
}

async function take(route: RouteExchange, step: Step): Promise<void> {
  switch (step.do) {
    case 'add':
      return makePair(route, step.names, { ...step, rate: rateOf(step.kbps) });
    case 'lead':
      return leadOn(route, step.index, step);
    case 'up':
      return setUp(route, step.index);
    case 'delete':
      return deleteDevice(route, step.index);
    case 'free':
      return freeRate(route, step.index);
    case 'rate':
      if (!(await setRate(route, step.index, rateOf(step.kbps))))
        throw new Error('this kernel has no queue of kind tbf');
  }
}

/** Takes every queue and device of ours away; how many there were. After the rules that lead to them are gone. */
export async function removeLimits(): Promise<number> {
  const route = new RouteExchange();
  try {
    const { steps } = stepsTo([], await readAll(route));
    for (const step of steps)
      await take(route, step).catch((error: unknown) => {
        // With the other end of its pair.
        if (!(error instanceof NetlinkError && error.errno === 'ENODEV')) throw error;
      });
    return steps.length;
  } finally {
    route.close();
  }
}
