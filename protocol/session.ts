// A conversation over frames between a guest's program and the engine: opened by nonces from both sides, alive by
// heartbeats, and over when one side begins anew or falls silent. What belongs to another session is dropped and counted.
//
//   guest               host
//     <────── reset ──────     the host has just come, or has heard nothing for a while
//     ──── hello g,0 ────>
//     <─── welcome g,h ───
//     ── heartbeat g,h ──>     now it is open for the host too
//     <───── data g,h ────>
import { encodeFrame, FrameReader, type Frame, type FrameType } from './frames.ts';

/** Ticks without a frame of the session after which it is over. */
const SILENCE = 5;
const NOTHING = new Uint8Array();

export interface SessionOptions {
  role: 'guest' | 'host';
  /** Puts bytes on the wire; what it cannot take it drops. */
  transmit: (bytes: Uint8Array) => void;
  opened: () => void;
  /** A message; its bytes are valid only during the call. */
  message: (payload: Uint8Array) => void;
  closed: (why: 'silent' | 'replaced') => void;
  /** A number between 1 and 2^32 - 1 that was not drawn before. */
  nonce: () => number;
}

export class FrameSession {
  readonly counters = { sessions: 0, stale: 0 };
  readonly reader: FrameReader;
  readonly #options: SessionOptions;
  #guest = 0;
  #host = 0;
  #isOpen = false;
  #silent = 0;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.reader = new FrameReader((frame) => this.#take(frame));
    if (options.role === 'guest') this.#guest = options.nonce();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The wire is another one, or has just become one: whatever was under way is over. */
  begin(): void {
    this.reader.reset();
    this.#close('replaced');
    this.#call();
  }

  receive(bytes: Uint8Array): void {
    this.reader.push(bytes);
  }

  /** False when no session is open: nobody would read it. */
  send(payload: Uint8Array): boolean {
    if (this.#isOpen) this.#send('data', payload);
    return this.#isOpen;
  }

  /** To be called about once a second. */
  tick(): void {
    this.reader.tick();
    if (this.#isOpen && ++this.#silent > SILENCE) this.#close('silent');
    if (this.#isOpen) this.#send('heartbeat');
    else this.#call();
  }

  #call(): void {
    if (this.#options.role === 'guest') return this.#send('hello');
    // A welcome may have been lost; a guest that does not answer it at all may be another one by now.
    if (this.#host !== 0 && ++this.#silent > SILENCE) this.#guest = this.#host = 0;
    this.#send(this.#host === 0 ? 'reset' : 'welcome');
  }

  #send(type: FrameType, payload: Uint8Array = NOTHING): void {
    const host = type === 'hello' ? 0 : this.#host;
    this.#options.transmit(encodeFrame({ type, guest: this.#guest, host, payload }));
  }

  #take(frame: Frame): void {
    if (this.#options.role === 'guest') this.#takeAsGuest(frame);
    else this.#takeAsHost(frame);
  }

  #takeAsGuest(frame: Frame): void {
    if (frame.type === 'welcome') {
      if (frame.guest !== this.#guest || frame.host === 0) this.counters.stale++;
      else if (!this.#isOpen) {
        this.#host = frame.host;
        this.#send('heartbeat');
        this.#open();
      } else if (frame.host !== this.#host) this.#anew();
    } else if (frame.type === 'reset') this.#anew();
    else this.#takeOurs(frame);
  }

  #takeAsHost(frame: Frame): void {
    if (frame.type !== 'hello') {
      if (!this.#isOpen && this.#isOurs(frame)) this.#open();
      return this.#takeOurs(frame);
    }
    if (frame.guest === 0) return void this.counters.stale++;
    if (frame.guest !== this.#guest) {
      this.#close('replaced');
      this.#guest = frame.guest;
      this.#host = this.#options.nonce();
      this.#silent = 0;
    }
    this.#send('welcome');
  }

  /** Data and heartbeats, when they are of this session. */
  #takeOurs(frame: Frame): void {
    if (!this.#isOpen || !this.#isOurs(frame)) return void this.counters.stale++;
    this.#silent = 0;
    if (frame.type === 'data') this.#options.message(frame.payload);
  }

  #isOurs(frame: Frame): boolean {
    return this.#host !== 0 && frame.guest === this.#guest && frame.host === this.#host;
  }

  #anew(): void {
    if (this.#isOpen) this.#close('replaced');
    this.#send('hello');
  }

  #open(): void {
    this.#isOpen = true;
    this.#silent = 0;
    this.counters.sessions++;
    this.#options.opened();
  }

  /** Ends what is open, and makes sure that nothing of it is taken for the next. */
  #close(why: 'silent' | 'replaced'): void {
    const was = this.#isOpen;
    this.#isOpen = false;
    this.#host = 0;
    this.#guest = this.#options.role === 'guest' ? this.#options.nonce() : 0;
    if (was) this.#options.closed(why);
  }
}
