// Notices when someone else touches our rules or switches, within a tenth of a second and again every few seconds, has
// them put right, and says who it was.
import type { NewAlert } from '../alerts/alerts.ts';
import type { Logger } from 'pino';
import { TABLES } from '@wocloud/policy/render/names.ts';
import type { Enforcer } from './enforcer.ts';
import type { Kernel } from './kernel.ts';
import type { NftWatch, Transaction } from './watch.ts';

const POLL_MS = 50;
const LOOK_MS = 5_000;
/** Looking at everything without any sign of a change. */
const FULL_LOOK_MS = 60_000;
/** Other people's firewalls are looked at once they have been quiet for this long. */
const FOREIGN_QUIET_MS = 300;

const OURS: ReadonlySet<string> = new Set(TABLES);
const OWN_PREFIX = / wocloud(_|$)/;

export interface DriftOptions {
  enforcer: Enforcer;
  kernel: Kernel;
  watch: NftWatch;
  alert: (alert: NewAlert) => void;
  log: Logger;
}

export class DriftWatch {
  readonly counters = { 'drift.repaired': 0, 'drift.looks': 0 };
  readonly #o: DriftOptions;
  readonly #timers: NodeJS.Timeout[];
  #suspects: Transaction[] = [];
  #missed = false;
  #looking: Promise<void> | undefined;
  #seen = 0;
  #lookedAt = performance.now();
  #foreign: NodeJS.Timeout | undefined;

  constructor(options: DriftOptions) {
    this.#o = options;
    this.#timers = [setInterval(() => this.#poll(), POLL_MS), setInterval(() => this.#periodic(), LOOK_MS)];
  }

  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#foreign);
    await this.#looking;
  }

  #poll(): void {
    this.#collect();
    if (this.#suspects.length > 0 || this.#missed) this.#lookNow();
  }

  #collect(): void {
    const { transactions, missed } = this.#o.watch.poll();
    if (missed) this.#missed = true;
    for (const transaction of transactions) {
      this.#seen = transaction.generation;
      if ([...transaction.tables].some((table) => OURS.has(table))) this.#suspects.push(transaction);
      if ([...transaction.tables].some((table) => !OWN_PREFIX.test(table))) this.#foreignSoon();
    }
    if (missed) this.#foreignSoon();
  }

  #periodic(): void {
    this.#o.enforcer.checkSwitches();
    const now = this.#o.watch.generation();
    if (now !== this.#seen || performance.now() - this.#lookedAt > FULL_LOOK_MS) {
      this.#seen = now;
      this.#missed = true;
      this.#lookNow();
    }
  }

  #lookNow(): void {
    this.#looking ??= this.#look()
      .catch((error: unknown) => this.#o.log.error({ err: error }, 'our tables cannot be read back'))
      .finally(() => (this.#looking = undefined));
  }

  async #look(): Promise<void> {
    const { enforcer } = this.#o;
    const found = await enforcer.between(() => this.#find());
    if (!found) return;
    this.#raise(found.objects, found.by);
    enforcer.distrust();
    await enforcer.idle();
    this.counters['drift.repaired']++;
  }

  /** Between rounds: our own transactions are told apart only once they are done. */
  async #find(): Promise<{ objects: string[]; by: Transaction | undefined } | undefined> {
    const { enforcer } = this.#o;
    const strangers = this.#strangers();
    const missed = this.#missed;
    this.#suspects = [];
    this.#missed = false;
    if ((strangers.length === 0 && !missed) || !enforcer.isEnforcing) return undefined;
    this.counters['drift.looks']++;
    this.#lookedAt = performance.now();
    const objects = await enforcer.drift();
    if (objects.length === 0) return undefined;
    // It may have happened while we looked: then the kernel has only now told who it was.
    this.#collect();
    return { objects, by: this.#strangers().at(-1) ?? strangers.at(-1) };
  }

  #strangers(): Transaction[] {
    return this.#suspects.filter(({ generation }) => !this.#o.kernel.isOwn(generation));
  }

  #raise(objects: string[], by: Transaction | undefined): void {
    const who = by ? `${by.process} (process ${by.pid})` : 'someone';
    this.#o.log.warn(
      { objects: objects.slice(0, 20), by: who },
      'our rules were changed from outside; putting them right',
    );
    this.#o.alert({
      kind: 'firewall.drift',
      key: 'ruleset',
      severity: 'high',
      title: `${who} changed the firewall rules of this host; they were put right`,
      vm: null,
      evidence: {
        objects: objects.slice(0, 20).join(', '),
        count: objects.length,
        process: by?.process ?? '',
        pid: by?.pid ?? 0,
      },
    });
  }

  /** Our own accept rules in the chains of others come by here as well; the next look finds nothing to do. */
  #foreignSoon(): void {
    clearTimeout(this.#foreign);
    this.#foreign = setTimeout(() => this.#o.enforcer.foreignChanged(), FOREIGN_QUIET_MS);
  }
}
