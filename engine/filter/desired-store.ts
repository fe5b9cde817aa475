// The desired state of this host: numbered, only ever newer, and kept on disk, so that a restarted engine enforces it
// before the platform has said a word.
import { applyDelta } from '@wocloud/policy/delta.ts';
import { DesiredState, EMPTY_STATE, type DesiredDelta } from '@wocloud/protocol/desired.ts';
import { Compile } from 'typebox/compile';
import { readStateFile, writeStateFile, writeStateFileSlowly } from '../state-file.ts';

const schema = Compile(DesiredState);
const KEEP_AFTER_MS = 200;

export class DesiredStore {
  readonly #path: string;
  #state: DesiredState = EMPTY_STATE;
  #soon: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  #written: DesiredState;
  readonly #onFailure: (error: unknown) => void;
  readonly counters = { 'desired.refused': 0, 'desired.notKept': 0 };

  /** @param onFailure told when the state could not be written. */
  constructor(path: string, onFailure: (error: unknown) => void = () => {}) {
    this.#path = path;
    this.#onFailure = onFailure;
    const kept = read(path);
    if (kept) this.#state = kept;
    this.#written = this.#state;
  }

  get state(): DesiredState {
    return this.#state;
  }

  /** Takes a whole state. False for an older one than ours: it is refused. */
  set(state: DesiredState): boolean {
    if (state.generation < this.#state.generation) {
      this.counters['desired.refused']++;
      return false;
    }
    this.#state = sharing(this.#state, state);
    this.#keepSoon();
    return true;
  }

  /** Takes a change. False when it is not for our state: then the whole state must be asked for. */
  change(delta: DesiredDelta): boolean {
    if (delta.generation <= this.#state.generation) {
      this.counters['desired.refused']++;
      return true;
    }
    try {
      this.#state = applyDelta(this.#state, delta);
    } catch {
      this.counters['desired.refused']++;
      return false;
    }
    this.#keepSoon();
    return true;
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    clearTimeout(this.#soon);
    await this.#writing;
    if (this.#written !== this.#state) writeStateFile(this.#path, JSON.stringify(this.#state));
  }

  #keepSoon(): void {
    this.#soon ??= setTimeout(() => {
      this.#writing = this.#keep().catch((error: unknown) => this.#failed(error));
    }, KEEP_AFTER_MS);
  }

  async #keep(): Promise<void> {
    const state = this.#state;
    await writeStateFileSlowly(this.#path, JSON.stringify(state));
    this.#written = state;
    this.#soon = undefined;
    if (this.#state !== state) this.#keepSoon();
  }

  /** A full disk must not stop enforcing; it is tried again with the next change. */
  #failed(error: unknown): void {
    this.#soon = undefined;
    this.counters['desired.notKept']++;
    this.#onFailure(error);
  }
}

/** The new state, made of the old one's objects where they are equal: so that later steps see what did not change. */
function sharing(old: DesiredState, state: DesiredState): DesiredState {
  const part = <T extends { id: string }>(before: readonly T[], after: T[]): T[] => {
    const known = new Map(before.map((item) => [item.id, item]));
    return after.map((item) => {
      const same = known.get(item.id);
      return same && JSON.stringify(same) === JSON.stringify(item) ? same : item;
    });
  };
  return {
    generation: state.generation,
    networks: part(old.networks, state.networks),
    nics: part(old.nics, state.nics),
    chains: part(old.chains, state.chains),
    sets: part(old.sets, state.sets),
    insertions: part(old.insertions, state.insertions),
    gateways: part(old.gateways, state.gateways),
    rules: part(old.rules, state.rules),
  };
}

function read(path: string): DesiredState | undefined {
  try {
    const kept = JSON.parse(readStateFile(path) ?? 'null') as object | null;
    // An older engine's state lacks what came since, and is as good as ever.
    const value: unknown = kept && { ...EMPTY_STATE, ...kept };
    return schema.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
