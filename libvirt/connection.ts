/**
 * One connection: calls with deadlines, streams, and messages from the server in the order they came. When the
 * socket is lost, or the peer sends what is not the protocol, every waiter fails at once and nothing hangs.
 */
import type { Duplex } from 'node:stream';
import { LibvirtError, ProtocolError, RemoteError } from './errors.ts';
import { encodeFrame, FrameParser, FrameStatus, FrameType, rawFrame, type Frame } from './frame.ts';
import { Keepalive, type KeepaliveOptions } from './keepalive.ts';
import {
  KEEPALIVE_PROGRAM,
  PROTOCOL_VERSION,
  type CallOptions,
  type Caller,
  type Procedure,
} from './procedure.ts';
import { LibvirtStream } from './stream.ts';
import { remoteError } from './wire.ts';
import { XdrReader } from './xdr.ts';

export interface ConnectionOptions {
  /** Deadline of calls that bring none, ms. Default 30,000. */
  readonly callTimeoutMs?: number;
  /**
   * Calls sent and not answered. libvirtd stops reading from a client with 5 (`max_client_requests`), keepalive
   * answers included, and then drops it as dead: so 4 unless told, and further calls wait their turn here.
   */
  readonly maxInFlight?: number;
  /** Calls that may wait their turn; more are refused as `overloaded`. Default 10,000. */
  readonly maxQueued?: number;
  /** Bytes a stream keeps for a slow reader. Default 16 MiB. */
  readonly streamBufferMax?: number;
  readonly keepalive?: KeepaliveOptions;
}

/** What has happened on a connection so far. */
export interface ConnectionCounters {
  calls: number;
  messages: number;
  /** Answers to calls that had been given up. */
  lateReplies: number;
  /** Packets for streams that are gone. */
  strayStreamPackets: number;
}

interface Pending {
  readonly procedure: Procedure<unknown, unknown>;
  readonly serial: number;
  readonly opensStream: boolean;
  /** Its data may come before the reply. */
  stream: LibvirtStream | undefined;
  /** The whole packet, until it is sent. */
  packet: Buffer | undefined;
  /** Cleared when the caller gives up; the turn is kept until libvirt answers. */
  waiter: { resolve(value: unknown): void; reject(error: unknown): void } | undefined;
  stopWaiting(): void;
}

interface OpenStream {
  readonly procedure: Procedure<unknown, unknown>;
  readonly stream: LibvirtStream;
}

const KEEPALIVE_PING = 1;
const KEEPALIVE_PONG = 2;

export class Connection implements Caller {
  readonly counters: ConnectionCounters = { calls: 0, messages: 0, lateReplies: 0, strayStreamPackets: 0 };
  readonly #socket: Duplex;
  readonly #parser = new FrameParser();
  readonly #callTimeoutMs: number;
  readonly #maxInFlight: number;
  readonly #maxQueued: number;
  readonly #streamBufferMax: number;
  readonly #keepalive: Keepalive;
  readonly #waiting: Pending[] = [];
  readonly #sent = new Map<number, Pending>();
  readonly #streams = new Map<number, OpenStream>();
  readonly #whenClosed = Promise.withResolvers<LibvirtError>();
  #serial = 0;
  #closed: LibvirtError | undefined;
  #onMessage: ((frame: Frame) => void) | undefined;

  /** Takes over a connected socket; nothing has been said on it yet (see openConnection). */
  constructor(socket: Duplex, options: ConnectionOptions = {}) {
    this.#socket = socket;
    this.#callTimeoutMs = options.callTimeoutMs ?? 30_000;
    this.#maxInFlight = options.maxInFlight ?? 4;
    this.#maxQueued = options.maxQueued ?? 10_000;
    this.#streamBufferMax = options.streamBufferMax ?? 16 * 1024 * 1024;
    this.#keepalive = new Keepalive(
      options.keepalive ?? { intervalMs: 5_000, count: 5 },
      () => this.#sendKeepalive(KEEPALIVE_PING),
      () => this.destroy(new LibvirtError('lost', 'libvirt no longer answers keepalive')),
    );
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', (error: Error) =>
      this.destroy(new LibvirtError('lost', `connection lost: ${error.message}`, { cause: error })),
    );
    socket.on('end', () => this.destroy(new LibvirtError('lost', 'libvirt closed the connection')));
    socket.on('close', () => this.destroy(new LibvirtError('lost', 'connection lost')));
  }

  /** Resolves with the reason once the connection is over, however it ended. */
  get closed(): Promise<LibvirtError> {
    return this.#whenClosed.promise;
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** Events and other messages go here, in order; one receiver, set before any is asked for. Must not throw. */
  onMessage(receiver: (frame: Frame) => void): void {
    this.#onMessage = receiver;
  }

  /** Begins to ask the peer whether it is still there; only after it has said it knows keepalive. */
  startKeepalive(): void {
    if (this.#closed === undefined) this.#keepalive.start();
  }

  async call<A, R>(procedure: Procedure<A, R>, args: A, options: CallOptions = {}): Promise<R> {
    return (await this.#start(procedure, args, options, false)) as R;
  }

  async openStream<A, R>(
    procedure: Procedure<A, R>,
    args: A,
    options: CallOptions = {},
  ): Promise<{ reply: R; stream: LibvirtStream }> {
    return (await this.#start(procedure, args, options, true)) as { reply: R; stream: LibvirtStream };
  }

  /** Ends the connection: all waiters and streams fail with `reason`. */
  destroy(reason: LibvirtError = new LibvirtError('closed', 'connection was closed')): void {
    if (this.#closed !== undefined) return;
    this.#closed = reason;
    this.#keepalive.stop();
    this.#socket.destroy();
    const pending = [...this.#sent.values(), ...this.#waiting];
    this.#sent.clear();
    this.#waiting.length = 0;
    for (const call of pending) this.#settle(call, (waiter) => waiter.reject(this.#closedError()));
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const { stream } of streams) stream.close(this.#closedError());
    this.#whenClosed.resolve(reason);
  }

  /** A fresh error per waiter, so that each stack and message is its own. */
  #closedError(): LibvirtError {
    const reason = this.#closed as LibvirtError;
    return reason.code === 'closed' ? reason : new LibvirtError('lost', reason.message, { cause: reason });
  }

  #start<A, R>(
    procedure: Procedure<A, R>,
    args: A,
    options: CallOptions,
    opensStream: boolean,
  ): Promise<unknown> {
    const { signal, timeoutMs = this.#callTimeoutMs } = options;
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) throw this.#closedError();
      if (signal?.aborted === true) throw aborted(procedure, signal);
      if (this.#waiting.length >= this.#maxQueued) {
        throw new LibvirtError(
          'overloaded',
          `${procedure.name}: ${this.#waiting.length} calls are waiting already`,
        );
      }
      const serial = this.#nextSerial();
      const header = {
        program: procedure.program,
        version: PROTOCOL_VERSION,
        procedure: procedure.number,
        type: FrameType.call,
        serial,
        status: FrameStatus.ok,
      };
      const packet = encodeFrame(header, procedure.args, args);
      const timer = Number.isFinite(timeoutMs)
        ? setTimeout(
            () => giveUp(new LibvirtError('timeout', `${procedure.name}: no answer within ${timeoutMs} ms`)),
            timeoutMs,
          )
        : undefined;
      const onAbort = (): void => giveUp(aborted(procedure, signal));
      const call: Pending = {
        procedure,
        serial,
        opensStream,
        stream: undefined,
        packet,
        waiter: { resolve, reject },
        stopWaiting: () => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', onAbort);
        },
      };
      const giveUp = (error: LibvirtError): void => {
        const at = this.#waiting.indexOf(call);
        if (at >= 0) this.#waiting.splice(at, 1);
        this.#settle(call, (waiter) => waiter.reject(error));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.counters.calls++;
      this.#waiting.push(call);
      this.#sendWaiting();
    });
  }

  #settle(call: Pending, how: (waiter: NonNullable<Pending['waiter']>) => void): void {
    const waiter = call.waiter;
    if (waiter === undefined) return;
    call.waiter = undefined;
    call.stopWaiting();
    how(waiter);
  }

  #nextSerial(): number {
    do this.#serial = (this.#serial + 1) >>> 0;
    while (this.#serial === 0 || this.#sent.has(this.#serial) || this.#streams.has(this.#serial));
    return this.#serial;
  }

  #sendWaiting(): void {
    while (this.#sent.size < this.#maxInFlight) {
      const call = this.#waiting.shift();
      if (call?.packet === undefined) return;
      this.#sent.set(call.serial, call);
      this.#socket.write(call.packet);
      call.packet = undefined;
    }
  }

  #sendKeepalive(procedure: number): void {
    const header = {
      program: KEEPALIVE_PROGRAM,
      version: PROTOCOL_VERSION,
      procedure,
      type: FrameType.message,
      serial: 0,
      status: FrameStatus.ok,
    };
    this.#socket.write(rawFrame(header));
  }

  #receive(chunk: Buffer): void {
    this.#keepalive.received();
    try {
      for (const frame of this.#parser.push(chunk)) {
        if (this.#closed !== undefined) return;
        this.#dispatch(frame);
      }
    } catch (error) {
      if (!(error instanceof LibvirtError)) throw error;
      this.destroy(error);
    }
  }

  #dispatch(frame: Frame): void {
    if (frame.version !== PROTOCOL_VERSION)
      throw new ProtocolError('malformed', `packet of protocol version ${frame.version}`);
    switch (frame.type) {
      case FrameType.reply:
        return this.#reply(frame);
      case FrameType.stream:
        return this.#streamPacket(frame);
      case FrameType.message:
        return this.#message(frame);
      default:
        throw new ProtocolError('malformed', `packet of type ${frame.type}, which we never asked for`);
    }
  }

  #reply(frame: Frame): void {
    const call = this.#sent.get(frame.serial);
    if (call === undefined)
      throw new ProtocolError('malformed', `reply to call ${frame.serial}, which is not waiting`);
    const { procedure } = call;
    if (
      frame.program !== procedure.program ||
      frame.procedure !== procedure.number ||
      frame.status === FrameStatus.continue
    ) {
      throw new ProtocolError(
        'malformed',
        `reply to ${procedure.name} is for procedure ${frame.procedure}, status ${frame.status}`,
      );
    }
    this.#sent.delete(frame.serial);
    this.#sendWaiting();
    const failed = frame.status === FrameStatus.error;
    if (call.waiter === undefined) this.counters.lateReplies++;
    let result: unknown;
    try {
      const reader = new XdrReader(frame.payload);
      result = failed ? remoteError.decode(reader) : procedure.ret.decode(reader);
      reader.end();
    } catch (error) {
      // The caller learns what was wrong; the connection ends too, for what follows cannot be trusted.
      this.#settle(call, (waiter) => waiter.reject(error));
      throw error;
    }
    if (failed) {
      const error = new RemoteError(procedure.name, result as ConstructorParameters<typeof RemoteError>[1]);
      this.#streams.delete(call.serial);
      call.stream?.close(error);
      this.#settle(call, (waiter) => waiter.reject(error));
    } else if (call.opensStream) {
      const stream = this.#streamOf(call);
      if (call.waiter === undefined) stream.abort();
      this.#settle(call, (waiter) => waiter.resolve({ reply: result, stream }));
    } else {
      this.#settle(call, (waiter) => waiter.resolve(result));
    }
  }

  #streamOf(call: Pending): LibvirtStream {
    if (call.stream !== undefined) return call.stream;
    const { procedure, serial } = call;
    const status = { data: FrameStatus.continue, finish: FrameStatus.ok, abort: FrameStatus.error };
    const stream = new LibvirtStream(
      {
        send: (kind, bytes) =>
          this.#write(
            rawFrame(
              {
                program: procedure.program,
                version: PROTOCOL_VERSION,
                procedure: procedure.number,
                type: FrameType.stream,
                serial,
                status: status[kind],
              },
              bytes,
            ),
          ),
      },
      this.#streamBufferMax,
    );
    call.stream = stream;
    this.#streams.set(serial, { procedure, stream });
    return stream;
  }

  #write(packet: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed !== undefined) return reject(this.#closedError());
      this.#socket.write(packet, (error) => {
        if (error) reject(new LibvirtError('lost', error.message, { cause: error }));
        else resolve();
      });
    });
  }

  #streamPacket(frame: Frame): void {
    const opening = this.#sent.get(frame.serial);
    if (opening?.opensStream === true) this.#streamOf(opening);
    const open = this.#streams.get(frame.serial);
    if (open === undefined) {
      this.counters.strayStreamPackets++;
      return;
    }
    if (frame.program !== open.procedure.program || frame.procedure !== open.procedure.number) {
      throw new ProtocolError(
        'malformed',
        `stream packet of ${open.procedure.name} is for procedure ${frame.procedure}`,
      );
    }
    if (frame.status === FrameStatus.continue) {
      // Copied: a console's few bytes must not keep the whole socket buffer alive.
      open.stream.receive(Buffer.from(frame.payload));
      return;
    }
    this.#streams.delete(frame.serial);
    if (frame.status === FrameStatus.ok) {
      open.stream.close();
      return;
    }
    const reader = new XdrReader(frame.payload);
    const fields = remoteError.decode(reader);
    reader.end();
    open.stream.close(new RemoteError(open.procedure.name, fields));
  }

  #message(frame: Frame): void {
    if (frame.program === KEEPALIVE_PROGRAM) {
      if (frame.procedure === KEEPALIVE_PING) this.#sendKeepalive(KEEPALIVE_PONG);
      return;
    }
    this.counters.messages++;
    this.#onMessage?.(frame);
  }
}

const aborted = (
  procedure: Procedure<never, unknown> | Procedure<unknown, unknown>,
  signal: AbortSignal | undefined,
): LibvirtError => new LibvirtError('aborted', `${procedure.name}: aborted`, { cause: signal?.reason });
