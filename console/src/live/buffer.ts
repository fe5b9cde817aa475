// Rows that arrive while someone reads: they wait until asked for, and what is on screen never jumps.

export interface BufferView<T> {
  rows: readonly T[];
  /** How many new rows wait. */
  waiting: number;
  /** Rows let go because the buffer is bounded. */
  forgotten: number;
}

/** Newest first, by key. A row that is shown already is updated where it stands, waiting or not. */
export class LiveBuffer<T> {
  readonly #key: (row: T) => string;
  readonly #cap: number;
  readonly #order: ((a: T, b: T) => number) | undefined;
  #rows: T[] = [];
  #waiting: T[] = [];
  #held = false;
  #forgotten = 0;

  /** `order`: below zero when the first belongs above the second; without it, as they came. */
  constructor(key: (row: T) => string, cap = 5000, order?: (a: T, b: T) => number) {
    this.#key = key;
    this.#cap = cap;
    this.#order = order;
  }

  /** Starts over from rows that were read, newest first; rows that came live meanwhile and are newer stay on top. */
  seed(rows: readonly T[], isNewer: (row: T) => boolean = () => false): void {
    const known = new Set(rows.map(this.#key));
    const kept = this.#rows.filter((r) => isNewer(r) && !known.has(this.#key(r)));
    this.#rows = [...kept, ...rows].slice(0, this.#cap);
    this.#waiting = this.#waiting.filter((r) => !known.has(this.#key(r)));
  }

  /** Adds what arrived, oldest first. */
  push(arrived: readonly T[]): void {
    if (arrived.length === 0) return;
    // The last word about a row counts; it keeps the place of the first.
    const latest = new Map(arrived.map((r) => [this.#key(r), r]));
    this.#rows = replace(this.#rows, latest, this.#key);
    this.#waiting = replace(this.#waiting, latest, this.#key);
    const fresh = [...latest.values()].toReversed();
    if (fresh.length === 0) return;
    if (this.#held) this.#waiting = this.#bound([...fresh, ...this.#waiting]);
    else this.#rows = this.#bound([...fresh, ...this.#rows]);
  }

  /** While held, new rows wait. */
  hold(held: boolean): void {
    this.#held = held;
    if (!held) this.release();
  }

  /** Lets those that wait in, without changing whether it holds. */
  release(): void {
    if (this.#waiting.length === 0) return;
    this.#rows = this.#bound([...this.#waiting, ...this.#rows]);
    this.#waiting = [];
  }

  get view(): BufferView<T> {
    return { rows: this.#rows, waiting: this.#waiting.length, forgotten: this.#forgotten };
  }

  #bound(unordered: T[]): T[] {
    // Nearly sorted already: news comes a little out of turn at most.
    const rows = this.#order ? unordered.toSorted(this.#order) : unordered;
    this.#forgotten += Math.max(0, rows.length - this.#cap);
    return rows.length > this.#cap ? rows.slice(0, this.#cap) : rows;
  }
}

/** Puts the latest of each row in its place and takes it out of `latest`; the same array when nothing matched. */
function replace<T>(rows: T[], latest: Map<string, T>, key: (row: T) => string): T[] {
  let changed = false;
  const next = rows.map((row) => {
    const k = key(row);
    const update = latest.get(k);
    if (update === undefined) return row;
    latest.delete(k);
    changed = true;
    return update;
  });
  return changed ? next : rows;
}
