/**
 * Notices a peer that has gone without a word: after silence it asks, and when so many questions stay
 * unanswered it says so. Anything received counts as an answer.
 */
export interface KeepaliveOptions {
  /** Silence before the first question and between questions, ms. */
  readonly intervalMs: number;
  /** Unanswered questions after which the peer is given up. */
  readonly count: number;
}

export class Keepalive {
  readonly #options: KeepaliveOptions;
  readonly #ping: () => void;
  readonly #dead: () => void;
  #timer: NodeJS.Timeout | undefined;
  #heard = false;
  #unanswered = 0;

  constructor(options: KeepaliveOptions, ping: () => void, dead: () => void) {
    this.#options = options;
    this.#ping = ping;
    this.#dead = dead;
  }

  start(): void {
    this.#timer ??= setInterval(() => this.#tick(), this.#options.intervalMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Something came from the peer. */
  received(): void {
    this.#heard = true;
  }

  #tick(): void {
    if (this.#heard) {
      this.#heard = false;
      this.#unanswered = 0;
      return;
    }
    if (this.#unanswered >= this.#options.count) {
      this.stop();
      this.#dead();
      return;
    }
    this.#unanswered++;
    this.#ping();
  }
}
