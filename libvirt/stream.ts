/**
 * One libvirt stream (console, channel, screenshot): bytes in order both ways, and an end that is always told:
 * by iteration ending, or by an error that says why. Data the reader does not take is kept up to a bound.
 */
import { LibvirtError } from './errors.ts';

/** What a stream asks of its connection. */
export interface StreamLink {
  /** Sends a stream packet; resolves when the socket has taken it. */
  send(status: 'data' | 'finish' | 'abort', bytes?: Uint8Array): Promise<void>;
}

/** Data packets larger than this are split, as libvirt's own client does. */
const PACKET_MAX = 262_120;

type Reader = { resolve(result: IteratorResult<Buffer>): void; reject(error: unknown): void };

export class LibvirtStream implements AsyncIterable<Buffer>, AsyncDisposable {
  readonly #link: StreamLink;
  readonly #bufferMax: number;
  #buffered: Buffer[] = [];
  #bufferedBytes = 0;
  #reader: Reader | undefined;
  /** open → ending (we have finished or aborted, the peer has yet to confirm) → ended. */
  #state: 'open' | 'ending' | 'ended' = 'open';
  #peerEnded = false;
  #error: LibvirtError | undefined;
  readonly #whenEnded = Promise.withResolvers<void>();

  constructor(link: StreamLink, bufferMax: number) {
    this.#link = link;
    this.#bufferMax = bufferMax;
    this.#whenEnded.promise.catch(() => {}); // nobody has to wait for it
  }

  /** Resolves when both sides have ended the stream; rejects when it broke. */
  get ended(): Promise<void> {
    return this.#whenEnded.promise;
  }

  /** Sends bytes; resolves when the socket has taken them. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += PACKET_MAX) {
      if (this.#state !== 'open') throw this.#error ?? new LibvirtError('closed', 'stream is closed');
      await this.#link.send('data', bytes.subarray(at, at + PACKET_MAX));
    }
  }

  /** Ends the stream in order and waits for libvirt's confirmation. */
  async finish(): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'ending';
      await this.#link.send('finish');
    }
    await this.#whenEnded.promise;
  }

  /** Drops the stream now: what is buffered is discarded, a waiting reader sees the end. Safe to call again. */
  abort(): void {
    this.#buffered = [];
    this.#bufferedBytes = 0;
    this.#peerEnded = true;
    this.#reader?.resolve({ done: true, value: undefined });
    this.#reader = undefined;
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    this.#link.send('abort').catch(() => {}); // a lost connection has told the stream already
  }

  /** Everything until the end, at most `max` bytes. */
  async readAll(max = 64 * 1024 * 1024): Promise<Buffer> {
    const chunks: Buffer[] = [];
    let total = 0;
    for await (const chunk of this) {
      total += chunk.length;
      if (total > max) throw new LibvirtError('overflow', `stream is longer than ${max} bytes`);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks);
  }

  /** One reader at a time; leaving the loop early aborts the stream. */
  [Symbol.asyncIterator](): AsyncIterator<Buffer> {
    return {
      next: () => this.#next(),
      return: () => {
        this.abort();
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.abort();
    return Promise.resolve();
  }

  #next(): Promise<IteratorResult<Buffer>> {
    const chunk = this.#buffered.shift();
    if (chunk !== undefined) {
      this.#bufferedBytes -= chunk.length;
      return Promise.resolve({ done: false, value: chunk });
    }
    if (this.#error !== undefined) return Promise.reject(this.#error);
    if (this.#peerEnded) return Promise.resolve({ done: true, value: undefined });
    if (this.#reader !== undefined)
      return Promise.reject(new LibvirtError('invalid', 'stream has a reader already'));
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  /** For the connection: data has come. An empty packet is the end of data, which we confirm. */
  receive(bytes: Buffer): void {
    if (this.#peerEnded) return;
    if (bytes.length === 0) {
      this.#peerEnded = true;
      this.#reader?.resolve({ done: true, value: undefined });
      this.#reader = undefined;
      if (this.#state === 'open') {
        this.#state = 'ending';
        this.#link.send('finish').catch(() => {});
      }
      return;
    }
    if (this.#reader !== undefined) {
      this.#reader.resolve({ done: false, value: bytes });
      this.#reader = undefined;
      return;
    }
    if (this.#bufferedBytes + bytes.length > this.#bufferMax) {
      const error = new LibvirtError(
        'overflow',
        `stream's reader is more than ${this.#bufferMax} bytes behind`,
      );
      this.abort();
      this.#error ??= error;
      return;
    }
    this.#buffered.push(bytes);
    this.#bufferedBytes += bytes.length;
  }

  /** For the connection: the peer has confirmed the end, or broken the stream, or is gone. */
  close(error?: LibvirtError): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    if (error !== undefined && !this.#peerEnded) this.#error ??= error;
    this.#peerEnded = true;
    if (this.#error === undefined) this.#reader?.resolve({ done: true, value: undefined });
    else this.#reader?.reject(this.#error);
    this.#reader = undefined;
    if (error === undefined) this.#whenEnded.resolve();
    else this.#whenEnded.reject(error);
  }
}
