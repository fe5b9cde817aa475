// Suricata's EVE log as bytes in any cut → lines of bounded length. A longer one is cut between its fields, so that what
// it begins with (when, who, which signature) is still read.

export class LineSplitter {
  readonly #max: number;
  readonly #take: (line: string, isWhole: boolean) => void;
  #parts: Buffer[] = [];
  #length = 0;
  #isOver = false;

  /** @param max bytes kept of a line; `isWhole` is false for one that was longer. */
  constructor(max: number, take: (line: string, isWhole: boolean) => void) {
    this.#max = max;
    this.#take = take;
  }

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      const end = chunk.indexOf(0x0a, at);
      this.#keep(chunk.subarray(at, end < 0 ? chunk.length : end));
      if (end < 0) return;
      this.#end();
      at = end + 1;
    }
  }

  #keep(part: Buffer): void {
    const room = this.#max - this.#length;
    if (part.length > room) this.#isOver = true;
    if (room <= 0 || part.length === 0) return;
    // A copy: what came in may be a small piece of a large buffer.
    const kept = Buffer.from(part.subarray(0, room));
    this.#parts.push(kept);
    this.#length += kept.length;
  }

  #end(): void {
    const line = (this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts)).toString('utf8');
    const isWhole = !this.#isOver;
    this.#parts = [];
    this.#length = 0;
    this.#isOver = false;
    if (line !== '') this.#take(line, isWhole);
  }
}

/** The complete top-level fields that a JSON object's beginning has, as an object; undefined when there are none. */
export function cutLine(text: string): string | undefined {
  let depth = 0;
  let inString = false;
  let end = -1;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (inString) {
      if (char === 0x5c) at++;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x7b || char === 0x5b) depth++;
    else if (char === 0x7d || char === 0x5d) depth--;
    else if (char === 0x2c && depth === 1) end = at;
  }
  return text.startsWith('{') && end > 0 ? `${text.slice(0, end)},"cut":true}` : undefined;
}
