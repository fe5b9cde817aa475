// Which parts of protocol x port (x address) space a verdict map has already taken.

/** Port ranges per protocol: a new range gets what is left of it. */
export class PortIndex {
  /** Per protocol: sorted, disjoint. */
  readonly #taken = new Map<number, [number, number][]>();

  /** Takes a range; returns the pieces that were free. */
  claim(protocol: number, first: number, last: number): [number, number][] {
    let ranges = this.#taken.get(protocol);
    if (!ranges) this.#taken.set(protocol, (ranges = []));
    let at = firstNotBelow(ranges, first);
    const free: [number, number][] = [];
    let next = first;
    const start = at;
    while (at < ranges.length && (ranges[at] as [number, number])[0] <= last) {
      const [low, high] = ranges[at] as [number, number];
      if (next < low) free.push([next, low - 1]);
      next = high + 1;
      at++;
    }
    if (next <= last) free.push([next, last]);
    if (free.length === 0) return free;
    const kept = ranges.slice(start, at);
    ranges.splice(start, at - start, ...[...kept, ...free].sort((a, b) => a[0] - b[0]));
    return free;
  }

  hasProtocol(protocol: number): boolean {
    return this.#taken.has(protocol);
  }

  touchesPorts(protocol: number, first: number, last: number): boolean {
    const ranges = this.#taken.get(protocol) ?? [];
    const found = ranges[firstNotBelow(ranges, first)];
    return found !== undefined && found[0] <= last;
  }
}

/** Index of the first range that ends at `value` or after. */
function firstNotBelow(ranges: readonly [number, number][], value: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ranges[middle] as [number, number])[1] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

export interface Span {
  low: bigint;
  high: bigint;
  key: string;
}

interface Bucket {
  first: number;
  last: number;
  /** Sorted, disjoint. */
  spans: Span[];
}

/** Boxes of addresses x ports: disjoint, because the kernel's maps hold nothing else. */
export class BoxIndex {
  readonly #protocols = new Map<
    number,
    { single: Map<number, Bucket>; ranges: Bucket[]; ports: PortIndex }
  >();

  /**
   * `free`: taken now. `covered`: wholly inside one that is there, so it can never decide. `conflict`: it overlaps
   * and must go to a later map.
   */
  claim(protocol: number, first: number, last: number, span: Span): 'free' | 'covered' | 'conflict' {
    let entry = this.#protocols.get(protocol);
    if (!entry) {
      entry = { single: new Map(), ranges: [], ports: new PortIndex() };
      this.#protocols.set(protocol, entry);
    }
    const exact = first === last ? entry.single.get(first) : undefined;
    const near = first === last ? [] : [...entry.single.values()];
    for (const bucket of exact ? [exact, ...entry.ranges] : [...near, ...entry.ranges]) {
      if (bucket.last < first || bucket.first > last) continue;
      const found = overlapping(bucket.spans, span);
      if (!found) continue;
      const inside =
        bucket.first <= first && bucket.last >= last && found.low <= span.low && found.high >= span.high;
      return inside ? 'covered' : 'conflict';
    }
    const bucket = exact ??
      (first === last ? undefined : entry.ranges.find((b) => b.first === first && b.last === last)) ?? {
        first,
        last,
        spans: [],
      };
    if (bucket.spans.length === 0) {
      if (first === last) entry.single.set(first, bucket);
      else entry.ranges.push(bucket);
    }
    bucket.spans.splice(position(bucket.spans, span.low), 0, span);
    entry.ports.claim(protocol, first, last);
    return 'free';
  }

  hasProtocol(protocol: number): boolean {
    return this.#protocols.has(protocol);
  }

  touchesPorts(protocol: number, first: number, last: number): boolean {
    return this.#protocols.get(protocol)?.ports.touchesPorts(protocol, first, last) ?? false;
  }
}

function overlapping(spans: readonly Span[], span: Span): Span | null {
  const at = position(spans, span.low);
  const before = spans[at - 1];
  if (before && before.high >= span.low) return before;
  const after = spans[at];
  return after && after.low <= span.high ? after : null;
}

/** Index of the first span that starts at `low` or after. */
function position(spans: readonly Span[], low: bigint): number {
  let [a, b] = [0, spans.length];
  while (a < b) {
    const middle = (a + b) >>> 1;
    if ((spans[middle] as Span).low < low) a = middle + 1;
    else b = middle;
  }
  return a;
}
