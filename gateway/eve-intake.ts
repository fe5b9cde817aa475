// Where Suricata's EVE log arrives: a unix socket that is always read, whatever becomes of the lines, so that the log
// never holds up a packet.
import { rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { MAX_EVE_BYTES } from '@wocloud/protocol/gateway.ts';
import { cutLine, LineSplitter } from './eve-lines.ts';
import type { EveQueue } from './eve-queue.ts';
import { readStats, type Stats } from './stats.ts';

/** Statistics are for the gateway's health; of the events they are one a minute. */
const STATS_EVERY_MS = 60_000;

export class EveIntake {
  /** The latest statistics of the Suricata that runs. */
  stats: Stats | undefined;
  readonly #queue: EveQueue;
  readonly #server: Server;
  #statsTold = -Infinity;

  /** Listens on `path`; what comes goes to `queue`. */
  constructor(path: string, queue: EveQueue, fail: (error: Error) => void) {
    this.#queue = queue;
    rmSync(path, { force: true });
    this.#server = createServer((socket) => {
      const lines = new LineSplitter(MAX_EVE_BYTES, (line, isWhole) => this.take(line, isWhole));
      socket.on('data', (chunk: Buffer) => lines.push(chunk));
      socket.on('error', () => socket.destroy());
    });
    this.#server.on('error', fail);
    this.#server.listen(path);
  }

  take(line: string, isWhole: boolean, now: number = performance.now()): void {
    const text = isWhole ? line : cutLine(line);
    if (!isWhole) this.#queue.cut++;
    // Suricata writes what the socket takes at once: of a line that did not fit the rest is missing.
    if (text === undefined || !/^\{[^\x00-\x1f]*\}$/.test(text)) {
      this.#queue.lost++;
      return;
    }
    const stats = readStats(text);
    if (stats) {
      this.stats = stats;
      if (now - this.#statsTold < STATS_EVERY_MS) return;
      this.#statsTold = now;
    }
    this.#queue.add(text, now);
  }

  close(): void {
    this.#server.close();
  }
}
