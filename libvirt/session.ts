/**
 * A connection that heals: when it is lost it is opened again with growing, jittered pauses, its events are
 * registered again, and `reconnected` says that events may have been missed, so that the caller lists anew.
 * Events carry a sequence without holes and the number of the connection they came on.
 */
import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Connection } from './connection.ts';
import { LibvirtError } from './errors.ts';
import {
  decodeEvent,
  registerEvents,
  unregisterEvents,
  type LibvirtEvent,
  type Subscription,
} from './events.ts';
import { closeConnection, openConnection, type OpenOptions } from './open.ts';
import type { CallOptions, Caller, Procedure } from './procedure.ts';
import type { LibvirtStream } from './stream.ts';

export interface SessionOptions extends Omit<OpenOptions, 'signal'> {
  /** What to be told of, from the first connection on. */
  readonly events?: readonly Subscription[];
  readonly backoff?: BackoffOptions;
}

export interface BackoffOptions {
  /** First pause, ms; doubles up to `maxMs`; each is drawn between half of it and all of it. Default 100 and 10,000. */
  readonly minMs?: number;
  readonly maxMs?: number;
}

export interface SessionEvent {
  /** 1, 2, 3, … over the whole session: what is delivered has no holes. */
  readonly sequence: number;
  /** Which connection it came on; after `reconnected` it is one more. */
  readonly epoch: number;
  readonly event: LibvirtEvent;
}

export interface Reconnected {
  readonly epoch: number;
  /** How long there was no connection, ms. Events of that time are gone: list anew. */
  readonly downMs: number;
}

export type SessionEvents = {
  /** First connection; events are registered. */
  connected: [{ readonly epoch: number }];
  /** Comes before any event of the new connection. */
  reconnected: [Reconnected];
  disconnected: [reason: LibvirtError];
  /** One attempt failed; there will be another after `retryMs`. */
  retry: [reason: LibvirtError, retryMs: number];
  event: [SessionEvent];
};

export interface SessionCounters {
  /** Connections lost. */
  losses: number;
  events: number;
  /** Messages that are no event we know. */
  unknownMessages: number;
}

const subscriptionKey = (s: Subscription): string =>
  typeof s === 'string' ? s : `monitor ${s.flags ?? 0} ${s.monitor ?? ''}`;

export class Session extends EventEmitter<SessionEvents> implements Caller {
  readonly counters: SessionCounters = { losses: 0, events: 0, unknownMessages: 0 };
  readonly #options: SessionOptions;
  readonly #subscriptions = new Map<string, { subscription: Subscription; callbackId: number | undefined }>();
  readonly #stop = new AbortController();
  #connection: Connection | undefined;
  #running: Promise<void> | undefined;
  #epoch = 0;
  #sequence = 0;
  #lastFailure: LibvirtError | undefined;

  /** Does nothing yet; see start, or openSession. */
  constructor(options: SessionOptions = {}) {
    super();
    this.setMaxListeners(0);
    this.#options = options;
    for (const s of options.events ?? [])
      this.#subscriptions.set(subscriptionKey(s), { subscription: s, callbackId: undefined });
  }

  /** Begins to connect, and to stay connected until `close`. Calling it again does nothing. */
  start(): void {
    this.#running ??= this.#run();
  }

  get isConnected(): boolean {
    return this.#connection !== undefined;
  }

  /** Number of the current or last connection; 0 before the first. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Resolves once connected (at once, if so now); rejects with `timeout`, `aborted` or `closed`. */
  async whenConnected(options: CallOptions = {}): Promise<void> {
    const { signal, timeoutMs = Infinity } = options;
    if (this.#connection !== undefined) return;
    await new Promise<void>((resolve, reject) => {
      if (this.#stop.signal.aborted) return reject(new LibvirtError('closed', 'session is closed'));
      if (signal?.aborted === true)
        return reject(
          new LibvirtError('aborted', 'waiting for libvirt was aborted', { cause: signal.reason }),
        );
      const settle = (error?: LibvirtError): void => {
        clearTimeout(timer);
        this.off('connected', onConnected).off('reconnected', onConnected);
        this.#stop.signal.removeEventListener('abort', onClosed);
        signal?.removeEventListener('abort', onAbort);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onConnected = (): void => settle();
      const onClosed = (): void => settle(new LibvirtError('closed', 'session is closed'));
      const onAbort = (): void =>
        settle(new LibvirtError('aborted', 'waiting for libvirt was aborted', { cause: signal?.reason }));
      const timer = Number.isFinite(timeoutMs)
        ? setTimeout(() => {
            const why = this.#lastFailure === undefined ? '' : `: ${this.#lastFailure.message}`;
            settle(
              new LibvirtError('timeout', `no connection to libvirt within ${timeoutMs} ms${why}`, {
                cause: this.#lastFailure,
              }),
            );
          }, timeoutMs)
        : undefined;
      this.once('connected', onConnected).once('reconnected', onConnected);
      this.#stop.signal.addEventListener('abort', onClosed, { once: true });
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** As Connection.call; rejects with `disconnected` at once while there is no connection: nothing was sent then. */
  async call<A, R>(procedure: Procedure<A, R>, args: A, options?: CallOptions): Promise<R> {
    return this.#current().call(procedure, args, options);
  }

  async openStream<A, R>(
    procedure: Procedure<A, R>,
    args: A,
    options?: CallOptions,
  ): Promise<{ reply: R; stream: LibvirtStream }> {
    return this.#current().openStream(procedure, args, options);
  }

  /** Adds a subscription now and on every later connection. Resolves when it is in force or there is no connection. */
  async subscribe(subscription: Subscription, options?: CallOptions): Promise<void> {
    const key = subscriptionKey(subscription);
    if (this.#subscriptions.has(key)) return;
    const entry = { subscription, callbackId: undefined as number | undefined };
    this.#subscriptions.set(key, entry);
    if (this.#connection === undefined) return;
    try {
      entry.callbackId = await registerEvents(this.#connection, subscription, options);
    } catch (error) {
      // A loss in between is no failure: the next connection registers it.
      if (error instanceof LibvirtError && error.code === 'lost') return;
      this.#subscriptions.delete(key);
      throw error;
    }
  }

  async unsubscribe(subscription: Subscription, options?: CallOptions): Promise<void> {
    const key = subscriptionKey(subscription);
    const entry = this.#subscriptions.get(key);
    this.#subscriptions.delete(key);
    if (entry?.callbackId === undefined || this.#connection === undefined) return;
    await unregisterEvents(this.#connection, subscription, entry.callbackId, options);
  }

  /** Closes for good; what still waits fails as `closed`. */
  async close(): Promise<void> {
    this.#stop.abort(new LibvirtError('closed', 'session was closed'));
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection !== undefined) await closeConnection(connection);
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #current(): Connection {
    if (this.#connection !== undefined) return this.#connection;
    if (this.#stop.signal.aborted) throw new LibvirtError('closed', 'session is closed');
    throw new LibvirtError('disconnected', 'no connection to libvirt', { cause: this.#lastFailure });
  }

  async #run(): Promise<void> {
    const stop = this.#stop.signal;
    const { minMs = 100, maxMs = 10_000 } = this.#options.backoff ?? {};
    let pause = minMs;
    let downSince = performance.now();
    while (!stop.aborted) {
      try {
        const connection = await this.#open(downSince);
        pause = minMs;
        const reason = await connection.closed;
        downSince = performance.now();
        this.#connection = undefined;
        if (stop.aborted) return;
        this.counters.losses++;
        this.#lastFailure = reason;
        this.emit('disconnected', reason);
      } catch (error) {
        if (stop.aborted) return;
        if (!(error instanceof LibvirtError)) throw error;
        this.#lastFailure = error;
      }
      const wait = pause * (0.5 + Math.random() / 2);
      pause = Math.min(maxMs, pause * 2);
      this.emit('retry', this.#lastFailure, wait);
      await delay(wait, undefined, { signal: stop }).catch(() => {});
    }
  }

  /** Connects, registers all events, says so, and only then delivers what has come meanwhile. */
  async #open(downSince: number): Promise<Connection> {
    const stop = this.#stop.signal;
    const connection = await openConnection({ ...this.#options, signal: stop });
    const epoch = this.#epoch + 1;
    const early: LibvirtEvent[] = [];
    let announced = false;
    connection.onMessage((frame) => {
      const event = decodeEvent(frame);
      if (event === undefined) this.counters.unknownMessages++;
      else if (announced) this.#deliver(epoch, event);
      else early.push(event);
    });
    try {
      for (const entry of this.#subscriptions.values()) {
        entry.callbackId = undefined;
        entry.callbackId = await registerEvents(connection, entry.subscription, { signal: stop });
      }
      if (stop.aborted) throw new LibvirtError('closed', 'session was closed');
      if (connection.isClosed) throw await connection.closed;
    } catch (error) {
      connection.destroy();
      throw error;
    }
    this.#epoch = epoch;
    this.#connection = connection;
    if (epoch === 1) this.emit('connected', { epoch });
    else this.emit('reconnected', { epoch, downMs: performance.now() - downSince });
    announced = true;
    for (const event of early) this.#deliver(epoch, event);
    return connection;
  }

  #deliver(epoch: number, event: LibvirtEvent): void {
    this.counters.events++;
    this.emit('event', { sequence: ++this.#sequence, epoch, event });
  }
}

/** A started session that is connected; rejects with the reason when the first connection takes over `timeoutMs`. */
export async function openSession(
  options: SessionOptions & { readonly timeoutMs?: number } = {},
): Promise<Session> {
  const session = new Session(options);
  session.start();
  try {
    await session.whenConnected({ timeoutMs: options.timeoutMs ?? options.connectTimeoutMs ?? 10_000 });
  } catch (error) {
    await session.close();
    throw error;
  }
  return session;
}
