// The engine's end of a gateway's channel: one owner of its unix socket, which stays open when the gateway dies. What
// comes is hostile: framed, bounded in rate and size, and checked against the protocol before anyone sees it.
import { randomInt } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { connect, type Socket } from 'node:net';
import { FromGateway, type ToGateway } from '@wocloud/protocol/gateway.ts';
import { FrameSession } from '@wocloud/protocol/session.ts';
import { Compile } from 'typebox/compile';
import { RulesDelivery } from './rules-delivery.ts';

const fromGateway = Compile(FromGateway);
const TICK_MS = 1_000;
const SILENCE_MS = 5_000;
const PAUSE_MS = { first: 100, most: 2_000 };
/** Bytes a gateway may send a second; more is left on the wire until its turn. */
const RATE = 16 * 1024 * 1024;
const REFILL_MS = 100;
/** A gateway that reads slower than this gets nothing that is said again anyway. */
const MAX_WAITING = 1024 * 1024;
/** Clocks this close are taken for the same: the rest is the way of the message. */
const SAME_CLOCK_MICROS = 2_000_000;

type Message<T extends FromGateway['type']> = Extract<FromGateway, { type: T }>;
export type Hello = Message<'hello'>;
export type EveLines = Message<'eve'>;
export type GatewayHealth = Message<'health'>;
export type RulesResult = Message<'rulesResult'>;

export type GatewayChannelEvents = {
  /** A session began: first of the events of each. */
  hello: [Hello];
  /** In order and once each; to be acknowledged when they are kept. */
  eve: [EveLines];
  health: [GatewayHealth];
  rulesResult: [RulesResult];
  /** Nothing has been heard for five seconds; said once until something is heard again. */
  silent: [];
};

export class GatewayChannel extends EventEmitter<GatewayChannelEvents> {
  readonly counters = {
    'channel.connections': 0,
    'channel.messages': 0,
    'channel.malformed': 0,
    'channel.repeated': 0,
    'channel.skipped': 0,
    'channel.garbage': 0,
    'channel.stale': 0,
  };
  readonly #path: string;
  readonly #session: FrameSession;
  readonly #rules: RulesDelivery;
  readonly #timers: NodeJS.Timeout[] = [];
  #socket: Socket | undefined;
  #retry: NodeJS.Timeout | undefined;
  #pause = PAUSE_MS.first;
  #isStopped = true;
  #isDraining = false;
  #budget = RATE;
  /** Since when nothing is heard; undefined while something is, or once it was told. */
  #silentSince: number | undefined;
  /** Of the daemon that speaks; '' until its hello in this session. */
  #boot = '';
  #lastBoot = '';
  #sequence: number | undefined;
  #clockOffset = 0;

  /** @param path unix socket of the instance's channel */
  constructor(path: string) {
    super();
    this.#path = path;
    this.#session = new FrameSession({
      role: 'host',
      transmit: (bytes) => {
        if (this.#waiting < 2 * MAX_WAITING) this.#socket?.write(bytes);
      },
      opened: () => this.#opened(),
      message: (payload) => this.#take(payload),
      closed: (why) => this.#closed(why),
      nonce: () => randomInt(1, 2 ** 32),
    });
    this.#rules = new RulesDelivery((message) => this.#waiting < MAX_WAITING && this.#send(message));
  }

  /** Whether the gateway's daemon speaks. */
  get isOpen(): boolean {
    return this.#session.isOpen && this.#boot !== '';
  }

  /** µs to add to the gateway's times to have ours; 0 while they are about the same. */
  get clockOffset(): number {
    return this.#clockOffset;
  }

  /** Connects, and connects again whenever it must, until `stop`. */
  start(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#silentSince = performance.now();
    this.#timers.push(
      setInterval(() => this.#tick(), TICK_MS),
      setInterval(() => this.#refill(), REFILL_MS),
    );
    this.#connect();
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    clearTimeout(this.#retry);
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  /** The rules the gateway is to have: sent when it has others, in this session and every later one. */
  rules(digest: string, text: string): void {
    this.#rules.want(digest, text);
  }

  /** The gateway is to look for nothing. */
  noRules(): void {
    this.#rules.wantNone();
  }

  /** Lines up to and including this message's are kept. */
  acknowledge(sequence: number): void {
    this.#send({ type: 'ack', sequence });
  }

  /** The gateway will be stopped soon. */
  drain(): void {
    this.#isDraining = true;
    this.#send({ type: 'drain' });
  }

  get #waiting(): number {
    return this.#socket?.writableLength ?? 0;
  }

  #connect(): void {
    const socket = connect(this.#path);
    this.#socket = socket;
    socket.on('connect', () => {
      this.counters['channel.connections']++;
      this.#session.begin();
    });
    socket.on('data', (chunk: Buffer) => {
      this.#pause = PAUSE_MS.first;
      this.#budget -= chunk.length;
      if (this.#budget <= 0) socket.pause();
      this.#session.receive(chunk);
    });
    socket.on('drain', () => this.#rules.pump());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      if (this.#isStopped || socket !== this.#socket) return;
      this.#socket = undefined;
      this.#session.begin();
      this.#silentSince ??= performance.now();
      this.#retry = setTimeout(() => this.#connect(), this.#pause);
      this.#pause = Math.min(PAUSE_MS.most, this.#pause * 2);
    });
  }

  #tick(): void {
    this.#session.tick();
    this.#rules.pump();
    const { reader, counters } = this.#session;
    this.counters['channel.garbage'] = reader.counters.garbage;
    this.counters['channel.stale'] = counters.stale;
    if (this.#silentSince === undefined || performance.now() - this.#silentSince < SILENCE_MS) return;
    this.#silentSince = Infinity;
    this.emit('silent');
  }

  #refill(): void {
    this.#budget = Math.min(RATE, this.#budget + (RATE * REFILL_MS) / 1_000);
    if (this.#budget > 0) this.#socket?.resume();
  }

  #send(message: ToGateway): boolean {
    return this.#session.send(Buffer.from(JSON.stringify(message)));
  }

  #opened(): void {
    this.#send({ type: 'welcome', time: Date.now() * 1_000 });
    if (this.#isDraining) this.#send({ type: 'drain' });
  }

  #closed(why: 'silent' | 'replaced'): void {
    this.#boot = '';
    this.#rules.lost();
    if (this.#isStopped) return;
    // The session has waited for as long already.
    this.#silentSince = performance.now() - (why === 'silent' ? SILENCE_MS : 0);
  }

  #take(payload: Uint8Array): void {
    const message = parse(payload);
    if (!message || (message.type !== 'hello' && this.#boot === '')) {
      this.counters['channel.malformed']++;
      return;
    }
    this.counters['channel.messages']++;
    switch (message.type) {
      case 'hello':
        return this.#takeHello(message);
      case 'eve':
        return this.#takeEve(message);
      case 'health':
        this.#compareClocks(message.time);
        this.#rules.has(message.rules);
        this.emit('health', message);
        return;
      case 'rulesResult':
        this.#rules.answered(message.digest, message.error);
        this.emit('rulesResult', message);
    }
  }

  #takeHello(hello: Hello): void {
    if (hello.boot !== this.#lastBoot) {
      this.#sequence = undefined;
      this.#rules.forgive();
    }
    this.#boot = this.#lastBoot = hello.boot;
    this.#silentSince = undefined;
    this.emit('hello', hello);
    this.#rules.has(hello.rules);
  }

  #takeEve(message: EveLines): void {
    if (this.#sequence !== undefined && message.sequence !== this.#sequence + 1) {
      if (message.sequence > this.#sequence) this.counters['channel.skipped']++;
      else {
        this.counters['channel.repeated']++;
        this.acknowledge(this.#sequence);
      }
      return;
    }
    this.#sequence = message.sequence;
    this.emit('eve', message);
  }

  #compareClocks(theirs: number): void {
    const offset = Date.now() * 1_000 - theirs;
    this.#clockOffset = Math.abs(offset) < SAME_CLOCK_MICROS ? 0 : offset;
  }
}

function parse(payload: Uint8Array): FromGateway | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(payload).toString('utf8'));
    return fromGateway.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
