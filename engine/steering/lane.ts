// One way through one gateway, judged by its probes: dead once three in a row have not come out, passing again once
// three in a row have. Pure; times are ms of the monotonic clock.

export const PROBE_EVERY_MS = 100;
/** In a row: misses until it is dead, passes until it is not. */
export const IN_A_ROW = 3;
/**
 * How late the first of the missed may be when the way is called dead, and how late a probe may be to count as one that
 * passed. The last of three misses has then had 50 ms: with the 100 ms until the first, a hang is seen within 350.
 */
export const LATE_MS = 250;
/** Latencies are of this long. */
export const REMEMBER_MS = 10_000;
const FORGET_MS = 5_000;

export class Lane {
  sent = 0;
  lost = 0;
  /** When each was sent that has not come out, in order. */
  readonly #under = new Map<number, number>();
  #passes = 0;
  /** Sent after the last one that passed, and when the first of them was. */
  #misses = 0;
  #since = 0;
  #latencies: { at: number; micros: number }[] = [];

  send(sequence: number, now: number): void {
    this.sent++;
    this.#under.set(sequence, now);
    if (this.#misses++ === 0) this.#since = now;
    for (const [old, at] of this.#under) {
      if (now - at < FORGET_MS) break;
      this.#lose(old);
    }
  }

  /** A probe has come out; one that was not under way is none (a copy, or of another session). */
  receive(sequence: number, now: number): void {
    const at = this.#under.get(sequence);
    if (at === undefined) return;
    // A wire keeps the order: those before it are lost.
    for (const old of this.#under.keys()) {
      if (old === sequence) break;
      this.#lose(old);
    }
    if (now - at > LATE_MS) return this.#lose(sequence);
    this.#under.delete(sequence);
    this.#passes++;
    this.#misses = this.#under.size;
    for (const next of this.#under.values()) {
      this.#since = next;
      break;
    }
    this.#latencies.push({ at: now, micros: (now - at) * 1000 });
  }

  #lose(sequence: number): void {
    this.#under.delete(sequence);
    this.lost++;
    this.#passes = 0;
  }

  isPassing(): boolean {
    return this.#passes >= IN_A_ROW;
  }

  isDead(now: number): boolean {
    return this.#misses >= IN_A_ROW && now - this.#since >= LATE_MS;
  }

  /** When the present misses began; undefined without any. */
  get silentSince(): number | undefined {
    return this.#misses === 0 ? undefined : this.#since;
  }

  /** When it will be dead unless something comes out; undefined when too few are under way to say. */
  get deadline(): number | undefined {
    return this.#misses >= IN_A_ROW ? this.#since + LATE_MS : undefined;
  }

  /** µs, of the last ten seconds. */
  latencies(now: number): number[] {
    const from = this.#latencies.findIndex(({ at }) => now - at <= REMEMBER_MS);
    this.#latencies = from < 0 ? [] : this.#latencies.slice(from);
    return this.#latencies.map(({ micros }) => micros);
  }
}

export function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
