// Rule ids as numbers of 16 bits, as connection marks and NFLOG prefixes carry them. A number keeps its meaning
// across restarts, and a freed one is not given out again before all others were.
import { readStateFile, writeStateFile } from '../state-file.ts';

const MAX = 65_535;

interface Kept {
  next: number;
  slots: Record<string, number>;
}

export class Slots {
  readonly #path: string;
  readonly #byRule = new Map<string, number>();
  readonly #bySlot = new Map<number, string>();
  #next = 1;
  #all: ReadonlyMap<string, number> | undefined;

  constructor(path: string) {
    this.#path = path;
    for (const [rule, slot] of Object.entries(read(path)?.slots ?? {})) {
      if (!Number.isInteger(slot) || slot < 1 || slot > MAX || this.#bySlot.has(slot)) continue;
      this.#byRule.set(rule, slot);
      this.#bySlot.set(slot, rule);
    }
    const next = read(path)?.next ?? 1;
    this.#next = Number.isInteger(next) && next >= 1 && next <= MAX ? next : 1;
  }

  /** The number of a rule; 0 when it has none. */
  slot(rule: string): number {
    return this.#byRule.get(rule) ?? 0;
  }

  /** The rule of a number; '' when there is none. */
  rule(slot: number): string {
    return this.#bySlot.get(slot) ?? '';
  }

  /** All numbers; the same object as long as they do not change. */
  get all(): ReadonlyMap<string, number> {
    return (this.#all ??= new Map(this.#byRule));
  }

  /** Gives every rule a number, and keeps that before it is used. Beyond 65,535 rules there is none left to give. */
  assign(rules: Iterable<string>): void {
    let added = false;
    for (const rule of rules) {
      if (this.#byRule.has(rule) || this.#byRule.size >= MAX) continue;
      while (this.#bySlot.has(this.#next)) this.#next = (this.#next % MAX) + 1;
      this.#byRule.set(rule, this.#next);
      this.#bySlot.set(this.#next, rule);
      this.#next = (this.#next % MAX) + 1;
      added = true;
    }
    if (added) this.#keep();
  }

  /** Takes back the numbers of all other rules. Only once no connection carries them any more. */
  keepOnly(rules: ReadonlySet<string>): void {
    let removed = false;
    for (const [rule, slot] of this.#byRule) {
      if (rules.has(rule)) continue;
      this.#byRule.delete(rule);
      this.#bySlot.delete(slot);
      removed = true;
    }
    if (removed) this.#keep();
  }

  get size(): number {
    return this.#byRule.size;
  }

  #keep(): void {
    this.#all = undefined;
    const kept: Kept = { next: this.#next, slots: Object.fromEntries(this.#byRule) };
    // Connections and their marks do not outlive the machine's kernel: no need to survive its crash.
    writeStateFile(this.#path, JSON.stringify(kept), false);
  }
}

function read(path: string): Kept | undefined {
  try {
    const value = JSON.parse(readStateFile(path) ?? 'null') as Kept | null;
    return value && typeof value.slots === 'object' ? value : undefined;
  } catch {
    // Unreadable: flows of before name no rule, which is what 0 means.
    return undefined;
  }
}
