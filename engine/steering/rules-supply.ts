// The rules that the desired state names, for the gateways of this host: from disk, or asked of the platform until it
// sends them.
import type { DesiredState } from '@wocloud/protocol/desired.ts';
import type { Logger } from 'pino';
import type { RulesStore } from './rules-store.ts';

const ASK_EVERY_MS = 10_000;

export interface RulesSupplyOptions {
  store: RulesStore;
  desired: () => DesiredState;
  /** Asks the platform; false while there is no link. */
  ask: (digest: string) => boolean;
  /** To all gateways; null: none are wanted. */
  give: (rules: { digest: string; text: string } | null) => void;
  log: Logger;
}

export class RulesSupply {
  readonly counters = { 'steering.rulesWanted': 0 };
  readonly #o: RulesSupplyOptions;
  #asked: { digest: string; at: number } | undefined;
  #given: string | undefined;
  readonly #timer: NodeJS.Timeout;

  constructor(options: RulesSupplyOptions) {
    this.#o = options;
    this.#timer = setInterval(() => this.look(), ASK_EVERY_MS);
  }

  /** The desired state, or the link, is another. `anew`: what was asked for before the link broke is not coming. */
  look(anew = false): void {
    const { store, desired, give, ask } = this.#o;
    const { generation, rules } = desired();
    if (generation === 0) return;
    const digest = rules[0]?.digest ?? '';
    const text = digest === '' ? '' : store.get(digest);
    if (text !== undefined) {
      if (this.#given === digest) return;
      this.#given = digest;
      return give(digest === '' ? null : { digest, text });
    }
    const now = performance.now();
    if (!anew && this.#asked?.digest === digest && now - this.#asked.at < ASK_EVERY_MS / 2) return;
    if (!ask(digest)) return;
    this.#asked = { digest, at: now };
    this.counters['steering.rulesWanted']++;
  }

  /** The platform has sent rules. What is not wanted (any more) is not kept. */
  async take(digest: string, packed: string): Promise<void> {
    const { store, desired, log } = this.#o;
    if (desired().rules[0]?.digest !== digest) return;
    const isTrue = await store.put(digest, packed, (error) =>
      log.error({ err: error }, 'the rules of the gateways cannot be kept on disk'),
    );
    if (isTrue) this.look();
    else
      log.error({ digest }, 'the platform sent rules that are not what their digest says; they are not used');
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
