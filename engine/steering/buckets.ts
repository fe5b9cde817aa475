// Which instance each sixteenth of the connections goes to: even shares among those that may have some, and as few moves
// as that takes. Pure.

export const BUCKETS = 16;
export const NO_BUCKETS: readonly number[] = Array.from({ length: BUCKETS }, () => 0);

/**
 * Buckets for these instances: shares differ by one at most, and a bucket stays where it is unless its instance may
 * not have it or has too many. Without any instance all are 0. The same array when nothing moves.
 */
export function share(buckets: readonly number[], instances: readonly number[]): readonly number[] {
  const numbers = [...new Set(instances)].sort((a, b) => a - b);
  const held = new Map(numbers.map((number) => [number, 0]));
  for (const number of buckets) if (held.has(number)) held.set(number, (held.get(number) ?? 0) + 1);
  const quotas = quotasOf(numbers, held);
  const kept = new Map<number, number>();
  const moved: number[] = [];
  const next = Array.from({ length: BUCKETS }, (_, i) => {
    const number = buckets[i] ?? 0;
    const count = kept.get(number) ?? 0;
    if (count < (quotas.get(number) ?? 0)) {
      kept.set(number, count + 1);
      return number;
    }
    moved.push(i);
    return 0;
  });
  for (const i of moved) {
    const number = numbers.find((n) => (kept.get(n) ?? 0) < (quotas.get(n) ?? 0)) ?? 0;
    kept.set(number, (kept.get(number) ?? 0) + 1);
    next[i] = number;
  }
  return next.every((number, i) => number === buckets[i]) ? buckets : next;
}

/** The larger shares go to those that hold the most already. */
function quotasOf(numbers: readonly number[], held: ReadonlyMap<number, number>): Map<number, number> {
  const least = Math.floor(BUCKETS / Math.max(1, numbers.length));
  const larger = BUCKETS - least * numbers.length;
  const byHeld = numbers.toSorted((a, b) => (held.get(b) ?? 0) - (held.get(a) ?? 0) || a - b);
  return new Map(byHeld.map((number, i) => [number, i < larger ? least + 1 : least]));
}
