// Intent on its way down one link: the whole desired state after a hello and once a minute, deltas in between.
import type { Down } from '@wocloud/protocol/link.ts';
import type { DesiredState } from '@wocloud/protocol/desired.ts';
import { diffStates } from '@wocloud/policy/delta.ts';

/** Where desired states come from (platform/plan). */
export interface Plans {
  current(host: string): DesiredState | undefined;
  /** Called with each new state. Returns its undo. */
  onChange(listener: (host: string, state: DesiredState) => void): () => void;
}

const RECONCILE_MS = 60_000;

export class Intent {
  readonly #host: string;
  readonly #plans: Plans;
  readonly #send: (message: Down) => void;
  readonly #stop: () => void;
  readonly #timer: NodeJS.Timeout;
  #sent: DesiredState | undefined;

  constructor(host: string, plans: Plans, send: (message: Down) => void) {
    this.#host = host;
    this.#plans = plans;
    this.#send = send;
    this.#stop = plans.onChange((changed, state) => {
      if (changed === host) this.#change(state);
    });
    this.#timer = setInterval(() => this.full(), RECONCILE_MS * (0.9 + Math.random() / 5));
    this.#timer.unref();
  }

  /** Sends the whole state, if there is one. */
  full(): void {
    const state = this.#plans.current(this.#host);
    if (!state) return;
    this.#send({ type: 'desired', state });
    this.#sent = state;
  }

  close(): void {
    clearInterval(this.#timer);
    this.#stop();
  }

  #change(state: DesiredState): void {
    const before = this.#sent;
    // Numbers only rise; an older plan that arrives late is not sent.
    if (before && state.generation <= before.generation) return;
    this.#sent = state;
    if (before) this.#send({ type: 'delta', delta: diffStates(before, state) });
    else this.#send({ type: 'desired', state });
  }
}
