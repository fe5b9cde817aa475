// EVE lines on their way to the engine: in numbered messages, a few under way at a time, kept until acknowledged. When the
// engine is slow or away the oldest lines that wait are given up and counted.
import { EVE_WINDOW, MAX_EVE_LINES } from '@wocloud/protocol/gateway.ts';

/** Lines wait this long for others. */
const LINGER_MS = 100;
/** Of lines in one message. Escaped once more as JSON strings they still fit a frame. */
const MAX_MESSAGE_BYTES = 320 * 1024;
/** A message that is not acknowledged for this long is sent again with all after it. */
const PATIENCE_MS = 10_000;

export interface EveMessage {
  type: 'eve';
  sequence: number;
  lines: string[];
  lost: number;
  cut: number;
}

interface Waiting {
  line: string;
  bytes: number;
  since: number;
}

export class EveQueue {
  lost = 0;
  cut = 0;
  readonly #maxBytes: number;
  #waiting: Waiting[] = [];
  /** Index of the first that waits: the array is shortened now and then. */
  #first = 0;
  #bytes = 0;
  #sequence = 0;
  #underWay: EveMessage[] = [];
  /** How many of those under way were sent in this session. */
  #sent = 0;
  #movedAt = 0;
  #isHasty = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(line: string, now: number): void {
    // What takes memory is at most this: the text may hold characters of two bytes.
    const bytes = line.length * 2;
    this.#waiting.push({ line, bytes, since: now });
    this.#bytes += bytes;
    while (this.#bytes > this.#maxBytes && this.#first < this.#waiting.length) {
      this.#shift();
      this.lost++;
    }
  }

  /** From now on nothing waits for more. */
  hurry(): void {
    this.#isHasty = true;
  }

  /** The next message to send now; undefined when there is none, or too many are under way. */
  next(now: number): EveMessage | undefined {
    if (this.#sent > 0 && now - this.#movedAt > PATIENCE_MS) this.restart();
    if (this.#sent < this.#underWay.length) {
      this.#movedAt = now;
      return this.#underWay[this.#sent++];
    }
    if (this.#underWay.length >= EVE_WINDOW || !this.#isDue(now)) return undefined;
    const lines: string[] = [];
    for (let bytes = 0; lines.length < MAX_EVE_LINES;) {
      const line = this.#waiting[this.#first]?.line;
      if (line === undefined) break;
      bytes += Buffer.byteLength(line);
      if (lines.length > 0 && bytes > MAX_MESSAGE_BYTES) break;
      lines.push(line);
      this.#shift();
    }
    const message: EveMessage = {
      type: 'eve',
      sequence: ++this.#sequence,
      lines,
      lost: this.lost,
      cut: this.cut,
    };
    if (this.#sent === 0) this.#movedAt = now;
    this.#underWay.push(message);
    this.#sent++;
    return message;
  }

  /** Everything up to and including `sequence` is the engine's. */
  acknowledge(sequence: number, now: number): void {
    const first = this.#underWay[0]?.sequence ?? Infinity;
    const done = Math.min(this.#underWay.length, sequence - first + 1);
    if (!(done > 0)) return;
    this.#underWay.splice(0, done);
    this.#sent = Math.max(0, this.#sent - done);
    this.#movedAt = now;
  }

  /** A new session: what was under way is to be sent again. */
  restart(): void {
    this.#sent = 0;
  }

  #isDue(now: number): boolean {
    const waiting = this.#waiting.length - this.#first;
    const oldest = this.#waiting[this.#first];
    if (!oldest) return false;
    return (
      this.#isHasty ||
      waiting >= MAX_EVE_LINES ||
      this.#bytes >= MAX_MESSAGE_BYTES * 2 ||
      now - oldest.since >= LINGER_MS
    );
  }

  #shift(): void {
    this.#bytes -= this.#waiting[this.#first]?.bytes ?? 0;
    this.#first++;
    if (this.#first < 1024 && this.#first < this.#waiting.length) return;
    this.#waiting = this.#waiting.slice(this.#first);
    this.#first = 0;
  }
}
