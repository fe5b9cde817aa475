// Alerts on their way to the platform: repetitions are one alert with a count, storms are held back and counted,
// and what happens while the platform is away waits for it, bounded.
import type { EngineAlert } from '@wocloud/protocol/reports.ts';

/** The same alert again within this time only counts. */
const REPEAT_MS = 10_000;
const PER_SECOND = 20;
const BURST = 100;
const MAX_WAITING = 2_000;

export type NewAlert = Omit<EngineAlert, 'time' | 'count'> & { time?: number; count?: number };

export class Alerts {
  readonly counters = { 'alerts.raised': 0, 'alerts.sent': 0, 'alerts.dropped': 0 };
  /** Insertion order is the order in which they go out. */
  readonly #waiting = new Map<string, EngineAlert>();
  readonly #sentAt = new Map<string, number>();
  readonly #send: (alert: EngineAlert) => boolean;
  readonly #now: () => number;
  #tokens = BURST;
  #refilled: number;

  /** @param send answers false when it cannot take the alert now. */
  constructor(send: (alert: EngineAlert) => boolean, now: () => number = () => performance.now()) {
    this.#send = send;
    this.#now = now;
    this.#refilled = now();
  }

  raise(alert: NewAlert): void {
    const count = alert.count ?? 1;
    this.counters['alerts.raised'] += count;
    const id = `${alert.kind} ${alert.key}`;
    const waiting = this.#waiting.get(id);
    if (waiting) {
      waiting.count += count;
      return;
    }
    if (this.#waiting.size >= MAX_WAITING) {
      this.counters['alerts.dropped'] += count;
      return;
    }
    this.#waiting.set(id, {
      ...alert,
      key: alert.key.slice(0, 255),
      title: alert.title.slice(0, 300),
      evidence: clipped(alert.evidence),
      time: alert.time ?? Date.now() * 1000,
      count,
    });
    this.flush();
  }

  /** Sends what may go now. To be called when the link opens and about every second. */
  flush(): void {
    const now = this.#now();
    this.#tokens = Math.min(BURST, this.#tokens + ((now - this.#refilled) / 1000) * PER_SECOND);
    this.#refilled = now;
    for (const [id, at] of this.#sentAt) if (now - at >= REPEAT_MS) this.#sentAt.delete(id);
    for (const [id, alert] of this.#waiting) {
      if (this.#tokens < 1) return;
      if (this.#sentAt.has(id)) continue;
      if (!this.#send(alert)) return;
      this.#waiting.delete(id);
      this.#sentAt.set(id, now);
      this.#tokens--;
      this.counters['alerts.sent']++;
    }
  }
}

const clipped = (evidence: EngineAlert['evidence']): EngineAlert['evidence'] =>
  Object.fromEntries(
    Object.entries(evidence)
      .slice(0, 32)
      .map(([key, value]) => [key.slice(0, 64), typeof value === 'string' ? value.slice(0, 2000) : value]),
  );
