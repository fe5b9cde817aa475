// What the engine says of itself: every part's counters in one list, and the memory it takes.
import type { Health } from '@wocloud/protocol/reports.ts';

export type Counters = Readonly<Record<string, number>>;

export class HealthReport {
  readonly #parts: (() => Counters)[] = [];

  /** Adds a part; its counters only ever grow, but for those that name a present amount (`…bytes`, `…pending`). */
  add(part: () => Counters): void {
    this.#parts.push(part);
  }

  report(): Health {
    return {
      time: Date.now() * 1000,
      uptimeSeconds: process.uptime(),
      residentBytes: process.memoryUsage.rss(),
      counters: Object.assign({}, ...this.#parts.map((part) => part())) as Record<string, number>,
    };
  }
}
