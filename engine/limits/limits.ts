// Holds NICs to their bandwidth: one loop that takes no input. Each round looks at what stands in the rules, and makes
// the host's queues and devices into what that needs. Signalled by every placement, and periodic. What is not ours stays.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Logger } from 'pino';
import type { Placement } from '../filter/placement.ts';
import type { Notice } from '../health/facts.ts';
import type { Bridges } from '../inventory/bridges.ts';
import { NetlinkError } from '../netlink/libc.ts';
import { heldOf, rateOf, stepsTo, unable, type Held, type Step } from './shaping.ts';
import { TrafficControl } from './traffic-control.ts';

const run = promisify(execFile);
const EVERY_MS = 10_000;
/** One to add devices, one to give them their rates, one to see that nothing is left to do. */
const PASSES = 3;

export interface LimitsOptions {
  bridges: () => Bridges;
  onNotices: (notices: readonly Notice[]) => void;
  log: Pick<Logger, 'warn'>;
}

export class Limits {
  readonly counters = { 'limits.rounds': 0, 'limits.changes': 0, 'limits.failures': 0 };
  readonly #o: LimitsOptions;
  readonly #control = new TrafficControl();
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
    this.#control.close();
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

  async #round(held: readonly Held[]): Promise<Notice[]> {
    const found: Notice[] = [];
    for (let pass = 1; pass <= PASSES; pass++) {
      const problems: Notice[] = [];
      try {
        const there = { ifbs: await this.#control.ifbs(), queues: await this.#control.queues() };
        const { steps, notices } = stepsTo(held, there);
        for (const step of steps) problems.push(...(await this.#take(step)));
        found.splice(0, found.length, ...notices, ...problems);
        if (steps.length === 0 || problems.length > 0) return found;
      } catch (error) {
        return [...found, this.#failed('the queues could not be read', error)];
      }
    }
    return found;
  }

  async #take(step: Step): Promise<Notice[]> {
    try {
      if (step.do !== 'rate') await this.#change(step);
      else if (!(await this.#control.setRate(step.index, rateOf(step.kbps))))
        throw new Error('the kernel has no queue of kind tbf');
      this.counters['limits.changes']++;
      return [];
    } catch (error) {
      // Gone since it was read: it needs nothing any more.
      if (error instanceof NetlinkError && error.errno === 'ENODEV') return [];
      return [this.#failed(step.do === 'add' ? `no device ${step.name}` : `no rate set`, error)];
    }
  }

  async #change(step: Exclude<Step, { do: 'rate' }>): Promise<void> {
    switch (step.do) {
      case 'add':
        await loadIfb();
        return this.#control.addIfb(step.name);
      case 'up':
        return this.#control.setUp(step.index);
      case 'delete':
        return this.#control.deleteDevice(step.index);
      case 'free':
        return this.#control.deleteRate(step.index);
    }
  }

  #failed(what: string, error: unknown): Notice {
    this.counters['limits.failures']++;
    this.#o.log.warn({ err: error }, `a limit on bandwidth is not in force: ${what}`);
    return unable(what, error instanceof Error ? error.message : String(error));
  }
}

/** Loaded by itself the module would bring two devices that nobody asked for. */
async function loadIfb(): Promise<void> {
  if (existsSync('/sys/module/ifb')) return;
  // Where it is built in there is nothing to load; where it is missing, adding the device says so.
  await run('modprobe', ['ifb', 'numifbs=0']).catch(() => {});
}
