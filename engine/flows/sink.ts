// Rows on their way from the reading thread to the engine's: filled here, handed over whole, bounded in number.
import { ROW } from '../netlink/conntrack-row.ts';

const BATCH_ROWS = 2048;
/** A row waits at most this long for others, in ms. */
export const LINGER = 40;

export class RowSink {
  #bytes = new Uint8Array(BATCH_ROWS * ROW);
  #rows = 0;
  #since = 0;
  readonly #send: (rows: ArrayBuffer, count: number) => void;

  /** @param send takes the buffer over: it is not touched here again. */
  constructor(send: (rows: ArrayBuffer, count: number) => void) {
    this.#send = send;
  }

  /** Adds a copy of the row at `at`. */
  add(source: Uint8Array, at: number): void {
    if (this.#rows === 0) this.#since = performance.now();
    this.#bytes.set(source.subarray(at, at + ROW), this.#rows * ROW);
    if (++this.#rows === BATCH_ROWS) this.flush();
  }

  /** ms until what is held must go, or -1 when nothing is held. */
  due(): number {
    return this.#rows === 0 ? -1 : Math.max(0, this.#since + LINGER - performance.now());
  }

  flush(): void {
    if (this.#rows === 0) return;
    // A small batch is copied out, so that quiet times do not cost a fresh quarter of a megabyte each.
    const count = this.#rows;
    this.#rows = 0;
    if (count < BATCH_ROWS) this.#send(this.#bytes.buffer.slice(0, count * ROW), count);
    else {
      const full = this.#bytes;
      this.#bytes = new Uint8Array(BATCH_ROWS * ROW);
      this.#send(full.buffer, count);
    }
  }
}
