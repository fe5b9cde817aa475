// The desired state of this host: numbered, only ever newer, and kept on disk, so that a restarted engine enforces it
// before the platform has said a word.
import { applyDelta } from '@wocloud/policy/delta.ts';
import { DesiredState, EMPTY_STATE, type DesiredDelta } from '@wocloud/protocol/desired.ts';
import { Compile } from 'typebox/compile';
import { readStateFile, writeStateFile } from '../state-file.ts';

const schema = Compile(DesiredState);
const KEEP_AFTER_MS = 200;

export class DesiredStore {
  readonly #path: string;
  #state: DesiredState = EMPTY_STATE;
  #keeping: NodeJS.Timeout | undefined;
  readonly counters = { 'desired.refused': 0 };

  constructor(path: string) {
    this.#path = path;
    const kept = read(path);
    if (kept) this.#state = kept;
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
  close(): void {
    if (!this.#keeping) return;
    clearTimeout(this.#keeping);
    this.#keep();
  }

  #keepSoon(): void {
    this.#keeping ??= setTimeout(() => this.#keep(), KEEP_AFTER_MS);
  }

  #keep(): void {
    this.#keeping = undefined;
    writeStateFile(this.#path, JSON.stringify(this.#state));
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
  };
}

function read(path: string): DesiredState | undefined {
  try {
    const value: unknown = JSON.parse(readStateFile(path) ?? 'null');
    return schema.Check(value) ? (value as DesiredState) : undefined;
  } catch {
    return undefined;
  }
}
