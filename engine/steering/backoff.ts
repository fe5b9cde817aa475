// How long a gateway waits before another instance of it is started after one has failed: longer each time, and as at
// first once nothing has failed for a while.

const PAUSE_MS = { first: 2_000, most: 300_000 };
const FORGIVE_MS = 600_000;

interface Failures {
  count: number;
  at: number;
  reason: string;
}

export interface Wait {
  /** ms of the monotonic clock. */
  until: number;
  reason: string;
}

export class Backoff {
  readonly #failures = new Map<string, Failures>();

  fail(gateway: string, reason: string, now: number): void {
    const before = this.#failures.get(gateway);
    const count = before && now - before.at < FORGIVE_MS ? before.count + 1 : 1;
    this.#failures.set(gateway, { count, at: now, reason });
  }

  /** By gateway: not before then, and what had happened. */
  waits(): Map<string, Wait> {
    return new Map(
      [...this.#failures].map(([gateway, { count, at, reason }]) => [
        gateway,
        { until: at + Math.min(PAUSE_MS.most, PAUSE_MS.first * 2 ** (count - 1)), reason },
      ]),
    );
  }
}
