// The daemon's side of the talk with the engine: what it says, when, and what it does when told. Everything to say is
// either in the EVE queue, which keeps it until it is acknowledged, or said again the next second.
import { randomInt, randomUUID } from 'node:crypto';
import { MAX_PAYLOAD_BYTES } from '@wocloud/protocol/frames.ts';
import { GATEWAY_VERSION, ToGateway, type FromGateway } from '@wocloud/protocol/gateway.ts';
import { FrameSession } from '@wocloud/protocol/session.ts';
import { Compile } from 'typebox/compile';
import type { EveQueue } from './eve-queue.ts';
import { log } from './log.ts';
import { RuleParts } from './rule-parts.ts';
import { openWire, type Wire } from './wire.ts';

const toGateway = Compile(ToGateway);
const PUMP_EVERY_MS = 50;
const TICK_MS = 1_000;
/** With more than this on the wire no more lines are put on it. */
const ENOUGH_WAITING = 1024 * 1024;
const CALLS_WAITING = 1024;

type Message<T extends FromGateway['type']> = Extract<FromGateway, { type: T }>;

export interface Talk {
  hello: () => Omit<Message<'hello'>, 'type' | 'version' | 'boot'>;
  health: () => Omit<Message<'health'>, 'type'>;
  /** Puts rules in force; '' or what stands in the way. */
  rules: (digest: string, text: string) => Promise<string>;
}

export class Conversation {
  readonly #boot = randomUUID();
  readonly #wire: Wire;
  readonly #session: FrameSession;
  readonly #queue: EveQueue;
  readonly #talk: Talk;
  readonly #parts: RuleParts;

  constructor(channel: string, queue: EveQueue, maxRules: number, talk: Talk) {
    this.#queue = queue;
    this.#talk = talk;
    this.#parts = new RuleParts(maxRules);
    this.#session = new FrameSession({
      role: 'guest',
      // What only calls for somebody must not pile up while nobody is there.
      transmit: (bytes) => {
        if (this.#session.isOpen || this.#wire.waiting < CALLS_WAITING) this.#wire.transmit(bytes);
      },
      opened: () => this.#open(),
      message: (payload) => this.#take(payload),
      closed: (why) => log(`the engine's session is over: ${why}`),
      nonce: () => randomInt(1, 2 ** 32),
    });
    this.#wire = openWire(channel, {
      begun: () => this.#session.begin(),
      bytes: (chunk) => this.#session.receive(chunk),
    });
    setInterval(() => this.#pump(), PUMP_EVERY_MS);
    setInterval(() => {
      this.#session.tick();
      this.tellHealth();
    }, TICK_MS);
  }

  tellHealth(): void {
    this.#say({ type: 'health', ...this.#talk.health() });
  }

  /** Tells what became of rules. */
  tellRules(digest: string, error: string): void {
    this.#say({ type: 'rulesResult', digest, error });
    this.tellHealth();
  }

  #open(): void {
    this.#parts.clear();
    this.#queue.restart();
    this.#say({ type: 'hello', version: GATEWAY_VERSION, boot: this.#boot, ...this.#talk.hello() });
    this.tellHealth();
    this.#pump();
  }

  #pump(): void {
    while (this.#session.isOpen && this.#wire.waiting < ENOUGH_WAITING) {
      const message = this.#queue.next(performance.now());
      if (!message) return;
      this.#say(message);
    }
  }

  #say(message: FromGateway): void {
    const payload = Buffer.from(JSON.stringify(message));
    if (payload.length > MAX_PAYLOAD_BYTES) throw new Error(`a ${message.type} of ${payload.length} bytes`);
    this.#session.send(payload);
  }

  #take(payload: Uint8Array): void {
    const message = parse(payload);
    if (!message) return log('the engine said something that is not understood');
    switch (message.type) {
      case 'welcome':
        return;
      case 'ack':
        this.#queue.acknowledge(message.sequence, performance.now());
        return this.#pump();
      case 'rules':
        return this.#takeRules(message);
      case 'drain':
        log('draining');
        return this.#queue.hurry();
    }
  }

  #takeRules(part: Extract<ToGateway, { type: 'rules' }>): void {
    const whole = this.#parts.take(part);
    if (!whole) return;
    if ('error' in whole) return this.tellRules(part.digest, whole.error);
    void this.#load(part.digest, whole.text);
  }

  async #load(digest: string, text: string): Promise<void> {
    const error = await this.#talk.rules(digest, text);
    log(error === '' ? `rules ${digest} in force` : `rules ${digest} refused: ${error}`);
    this.tellRules(digest, error);
  }
}

function parse(payload: Uint8Array): ToGateway | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(payload).toString('utf8'));
    return toGateway.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
