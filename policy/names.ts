// "Did you mean": the nearest known name to a misspelt one.
import { distance } from 'fastest-levenshtein';

/** The nearest of `known`, when it is near enough to be worth saying. */
export function nearest(name: string, known: Iterable<string>): string | null {
  let best: string | null = null;
  let bestDistance = Math.max(2, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const d = distance(name, candidate);
    if (d < bestDistance) [best, bestDistance] = [candidate, d];
  }
  return best;
}

/** `did you mean "x"?`, or null. */
export function didYouMean(name: string, known: Iterable<string>): string | null {
  const found = nearest(name, known);
  return found === null ? null : `did you mean "${found}"?`;
}
