// What the reading thread counts, in memory both threads see: nothing is lost without a number going up.

export const TALLIES = [
  /** Connection events received. */
  'flows.events',
  /** Messages that could not be read, of any kind. */
  'flows.malformed',
  /** Times the kernel said it had thrown events away (ENOBUFS). */
  'flows.overruns',
  /** Events the kernel threw away. What they said is recovered from the next dump as far as possible. */
  'flows.events_lost',
  /** Starts and ends that were found by dumping, because their event was lost. */
  'flows.starts_recovered',
  'flows.ends_recovered',
  /** Updates put off to the next dump because there were too many in one. */
  'flows.updates_deferred',
  /** Connections without a place in the live table: they have a start and an end, and no updates. */
  'flows.table_full',
  /** Complete dumps of the connection table, and dumps that had to be given up. */
  'flows.dumps',
  'flows.dumps_failed',
  /** Packets told by the kernel's log groups, and those it could not deliver. */
  'refusals.packets',
  'refusals.lost',
  /** Refused packets that are in no record because too many different ones came at once. */
  'refusals.overflow',
  'guard.packets',
  'guard.lost',
  /** Forged packets that are in no alert because too many different ones came at once. */
  'guard.overflow',
  /** Rejected packets the host could not answer by itself. */
  'answers.packets',
  'answers.lost',
  'observe.packets',
  'observe.lost',
  /** Observed flows without a place in the table. */
  'observe.table_full',
] as const;
export type TallyName = (typeof TALLIES)[number];

export class Tally {
  readonly memory: SharedArrayBuffer;
  readonly #values: Float64Array;

  constructor(memory = new SharedArrayBuffer(TALLIES.length * 8)) {
    this.memory = memory;
    this.#values = new Float64Array(memory);
  }

  /** Only the reading thread adds. */
  add(name: TallyName, count = 1): void {
    const i = TALLIES.indexOf(name);
    this.#values[i] = (this.#values[i] ?? 0) + count;
  }

  get(name: TallyName): number {
    return this.#values[TALLIES.indexOf(name)] ?? 0;
  }

  all(): Record<TallyName, number> {
    return Object.fromEntries(TALLIES.map((name) => [name, this.get(name)])) as Record<TallyName, number>;
  }
}
