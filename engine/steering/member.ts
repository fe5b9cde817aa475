// One gateway instance as steering knows it: what its runner, its probes and its own daemon say of it, side by side.
import type { EventEmitter } from 'node:events';
import type {
  GatewayChannel,
  GatewayChannelEvents,
  GatewayHealth,
  Hello,
} from '../channels/gateway-channel.ts';
import type { RunningInstance } from '../gateways/runner.ts';
import type { Instance } from './instances.ts';
import type { Lapse, ProbeState } from './probing.ts';

/** What is fixed about it. */
export type Identity = Pick<RunningInstance, 'number' | 'gateway' | 'form' | 'image'> &
  Pick<Instance, 'vcpus' | 'memoryMiB'>;

type Asked = 'start' | 'stop' | 'rules' | 'noRules' | 'acknowledge' | 'drain' | 'clockOffset';
/** What steering asks of an instance's channel. */
export interface Channel extends EventEmitter<GatewayChannelEvents>, Pick<GatewayChannel, Asked> {
  readonly counters: Readonly<Record<string, number>>;
}

/** For so long an end of the daemon is told, though it is over: whoever looks after it is to know. */
const RENEWED_MS = 5_000;

export class Member {
  readonly identity: Identity;
  state: Instance['state'];
  passing = false;
  alive = false;
  placed = false;
  lapse: Lapse | null = null;
  hasPassed = false;
  failingSince: number | null;
  /** Since when the runner has it up. */
  upSince: number;
  idleSince: number | null = null;
  /** Its daemon has spoken, and has not fallen silent since. */
  speaks = false;
  silent = false;
  hello: Hello | undefined;
  health: GatewayHealth | undefined;
  rules: string | null;
  refused = '';
  rulesError = '';
  channel: Channel | undefined;
  /** What it failed of; '' while it has not. */
  failure = '';
  /** It could not be ended; not tried again before then. */
  stopAgainAt = 0;
  #isDraining = false;
  #renewedAt = -Infinity;

  /** @param adopted it was there before this engine */
  constructor(identity: Identity, state: Instance['state'], now: number, adopted: boolean) {
    this.identity = identity;
    this.state = state;
    this.failingSince = now;
    this.upSince = now;
    this.rules = adopted ? null : '';
  }

  get id(): string {
    return `${this.identity.gateway}/${this.identity.number}`;
  }

  probed({ passing, alive, lapse }: ProbeState, now: number): void {
    this.passing = passing;
    this.alive = alive;
    this.lapse = lapse;
    if (passing) {
      this.hasPassed = true;
      this.failingSince = null;
    } else this.failingSince ??= now;
  }

  /** Listens to its channel. `changed`: something that matters to others; `refusedRules`: with Suricata's words. */
  listen(channel: Channel, changed: () => void, refusedRules: (error: string) => void): void {
    this.channel = channel;
    channel.on('hello', (hello) => {
      if (this.hello !== undefined && this.hello.boot !== hello.boot) this.#renewedAt = performance.now();
      this.hello = hello;
      this.#spoke(hello.rules);
      changed();
    });
    channel.on('health', (health) => {
      const before = `${this.rules} ${this.silent} ${this.health?.suricata} ${this.health?.loaded}`;
      this.health = health;
      this.#spoke(health.rules);
      if (before !== `${this.rules} ${this.silent} ${health.suricata} ${health.loaded}`) changed();
    });
    channel.on('rulesResult', ({ digest, error }) => {
      this.refused = error === '' ? '' : digest;
      this.rulesError = error;
      if (error === '') this.rules = digest;
      else refusedRules(error);
      changed();
    });
    channel.on('silent', () => {
      this.speaks = false;
      this.silent = true;
      changed();
    });
  }

  /** Its daemon ended and was started anew, just now. */
  get isRenewed(): boolean {
    return performance.now() - this.#renewedAt < RENEWED_MS;
  }

  /** It gets no more connections, and will be stopped. */
  drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.channel?.drain();
  }

  #spoke(rules: string): void {
    this.speaks = true;
    this.silent = false;
    this.rules = rules;
  }

  asInstance(): Instance {
    const { state, passing, placed, failingSince, hasPassed, rules, refused, idleSince } = this;
    return { ...this.identity, state, passing, placed, failingSince, hasPassed, rules, refused, idleSince };
  }
}
