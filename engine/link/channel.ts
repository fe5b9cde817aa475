// One WebSocket to the platform that heals: mutual TLS, jittered pauses between attempts, heartbeats both ways.
// What comes down is checked against the protocol before anyone sees it.
import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { Down, HEARTBEAT_SECONDS, LINK_PATH, MAX_CONTROL_BYTES, type Up } from '@wocloud/protocol/link.ts';
import type { Logger } from 'pino';
import { Compile } from 'typebox/compile';
import WebSocket from 'ws';
import { openTls, type Endpoint } from './endpoint.ts';
import type { Identity } from './identity.ts';

const CONNECT_MS = 10_000;
const PAUSE_MS = { first: 200, most: 10_000 };
/** Two answers missing and one in doubt. */
const SILENCE_MS = HEARTBEAT_SECONDS * 2_500;
/** A platform that reads slower than this much waiting is not given more batches. */
const MAX_BUFFERED = 8 * 1024 * 1024;
const MAX_MALFORMED = 3;

const down = Compile(Down);

export type ChannelEvents = {
  open: [];
  down: [Down];
  closed: [reason: string];
  /** There is room again after `transmit` has answered false. */
  drained: [];
};

export class Channel extends EventEmitter<ChannelEvents> {
  readonly counters = { 'link.connections': 0, 'link.failures': 0, 'link.malformed': 0 };
  readonly #endpoint: Endpoint;
  readonly #identity: () => Identity;
  readonly #log: Logger;
  readonly #stop = new AbortController();
  #socket: WebSocket | undefined;
  #running: Promise<void> | undefined;
  #full = false;

  constructor(endpoint: Endpoint, identity: () => Identity, log: Logger) {
    super();
    this.#endpoint = endpoint;
    this.#identity = identity;
    this.#log = log;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Sends a control message; false when there is no connection: nobody will see it. */
  send(message: Up): boolean {
    if (!this.isOpen) return false;
    this.#socket?.send(JSON.stringify(message));
    return true;
  }

  /** Sends a batch; false when no more should be given before `drained`. */
  transmit(frame: Uint8Array): boolean {
    const socket = this.#socket;
    if (!socket || !this.isOpen) return false;
    socket.send(frame, () => {
      if (!this.#full || socket.bufferedAmount > MAX_BUFFERED / 2) return;
      this.#full = false;
      this.emit('drained');
    });
    this.#full = socket.bufferedAmount > MAX_BUFFERED;
    return !this.#full;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#socket?.close(1000, 'engine stops');
    setTimeout(() => this.#socket?.terminate(), 500).unref();
    await this.#running;
  }

  async #run(): Promise<void> {
    const stop = this.#stop.signal;
    let pause = PAUSE_MS.first;
    while (!stop.aborted) {
      const began = performance.now();
      try {
        const reason = await this.#connection();
        this.emit('closed', reason);
        if (!stop.aborted)
          this.#log.warn({ reason }, 'the platform is away; what stands in the kernel goes on standing');
      } catch (error) {
        this.counters['link.failures']++;
        this.#log.warn({ reason: reasonOf(error) }, 'the platform cannot be reached');
      }
      if (performance.now() - began > 5_000) pause = PAUSE_MS.first;
      await delay(pause * (0.5 + Math.random() / 2), undefined, { signal: stop }).catch(() => {});
      pause = Math.min(PAUSE_MS.most, pause * 2);
    }
  }

  /** Lives as long as one connection; answers why it ended. Rejects when there was none. */
  async #connection(): Promise<string> {
    const { key, certificate, ca } = this.#identity();
    const tls = await openTls(this.#endpoint, { key, cert: certificate, ca }, CONNECT_MS);
    const socket = new WebSocket(`ws://platform${LINK_PATH}`, {
      createConnection: () => tls,
      perMessageDeflate: false,
      maxPayload: MAX_CONTROL_BYTES,
      handshakeTimeout: CONNECT_MS,
    });
    return new Promise((resolve, reject) => {
      let opened = false;
      let malformed = 0;
      let heard = performance.now();
      let failure = '';
      const beat = setInterval(() => {
        if (performance.now() - heard > SILENCE_MS) {
          failure = `silent for ${SILENCE_MS / 1000} s`;
          socket.terminate();
        } else socket.ping();
      }, HEARTBEAT_SECONDS * 1_000);
      const alive = () => (heard = performance.now());
      socket.on('ping', alive).on('pong', alive);
      socket.on('open', () => {
        opened = true;
        this.#socket = socket;
        this.#full = false;
        this.counters['link.connections']++;
        if (this.#stop.signal.aborted) socket.close();
        else this.emit('open');
      });
      socket.on('message', (data, binary) => {
        alive();
        const message = binary ? undefined : parseDown(data);
        if (message) {
          this.emit('down', message);
          return;
        }
        this.counters['link.malformed']++;
        if (++malformed < MAX_MALFORMED) return;
        failure = 'the platform repeatedly sent what is not the protocol';
        socket.close(1002);
      });
      socket.on('error', (error) => (failure ||= reasonOf(error)));
      socket.on('close', (code, reason) => {
        clearInterval(beat);
        if (this.#socket === socket) this.#socket = undefined;
        tls.destroy();
        const why = failure || reason.toString() || `closed (${code})`;
        if (opened) resolve(why);
        else reject(new Error(why));
      });
    });
  }
}

function parseDown(data: WebSocket.RawData): Down | undefined {
  try {
    const value: unknown = JSON.parse((data as Buffer).toString('utf8'));
    return down.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = (error as NodeJS.ErrnoException).code;
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'no answer in time';
  return code === undefined || error.message.includes(code) ? error.message : `${code}: ${error.message}`;
}
