// One reader of live events: a bounded queue in front of a connection. A reader that is too slow loses events and is
// told how many.
import { Readable } from 'node:stream';
import type { ServerEvent } from '@wocloud/protocol/views.ts';

export const MAX_QUEUED = 2_000;
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;
const BEAT_MS = 15_000;

export class EventStream {
  readonly body: Readable;
  #queue: string[] = [];
  #bytes = 0;
  #wanted = false;
  readonly #lost = new Map<string, number>();
  readonly #beat: NodeJS.Timeout;
  readonly #onLost: (topic: string, count: number) => void;

  constructor(onLost: (topic: string, count: number) => void) {
    this.#onLost = onLost;
    this.body = new Readable({
      highWaterMark: 64 * 1024,
      read: () => {
        this.#wanted = true;
        this.#flush();
      },
      destroy: (error, done) => {
        clearInterval(this.#beat);
        done(error);
      },
    });
    this.#beat = setInterval(() => this.#add(': \n\n'), BEAT_MS);
    // The client's wait before it connects again, ms.
    this.#add('retry: 2000\n\n');
  }

  send(event: ServerEvent): void {
    const text = `event: ${event.topic}\ndata: ${JSON.stringify(event.data)}\n\n`;
    if (this.#queue.length >= MAX_QUEUED || this.#bytes + text.length > MAX_QUEUED_BYTES)
      this.lose(event.topic, 1);
    else this.#add(text);
  }

  /** Events of a topic that this reader will not get. */
  lose(topic: string, count: number): void {
    if (count <= 0) return;
    this.#onLost(topic, count);
    this.#lost.set(topic, (this.#lost.get(topic) ?? 0) + count);
    this.#flush();
  }

  /** Ends the connection; the client connects again and is asked who it is. */
  end(): void {
    clearInterval(this.#beat);
    if (!this.body.destroyed) this.body.push(null);
  }

  #add(text: string): void {
    this.#queue.push(text);
    this.#bytes += text.length;
    this.#flush();
  }

  #flush(): void {
    while (this.#wanted && this.#queue.length > 0) {
      const text = this.#queue.shift() ?? '';
      this.#bytes -= text.length;
      this.#wanted = this.body.push(text);
    }
    if (!this.#wanted || this.#lost.size === 0) return;
    for (const [topic, count] of this.#lost)
      this.#wanted = this.body.push(`event: lost\ndata: ${JSON.stringify({ topic, count })}\n\n`);
    this.#lost.clear();
  }
}
