// New rules as they come, in parts → their text, once it is whole and is what its digest says.
import { createHash } from 'node:crypto';
import type { ToGateway } from '@wocloud/protocol/gateway.ts';

type Part = Extract<ToGateway, { type: 'rules' }>;

export class RuleParts {
  readonly #max: number;
  #digest = '';
  #total = 0;
  #parts: string[] = [];
  #length = 0;

  /** @param max longest text that is taken, in UTF-16 code units */
  constructor(max: number) {
    this.#max = max;
  }

  /** The text when this was its last part, the reason when it cannot become one; undefined while parts are missing. */
  take(part: Part): { text: string } | { error: string } | undefined {
    if (part.offset === 0) {
      this.clear();
      this.#digest = part.digest;
      this.#total = part.total;
    }
    // Of a transfer that was given up: its first part will come again.
    if (part.digest !== this.#digest || part.offset !== this.#length) return undefined;
    if (
      part.total > this.#max ||
      part.total !== this.#total ||
      this.#length + part.part.length > part.total
    ) {
      this.clear();
      return { error: `rules of ${part.total} characters are more than this gateway takes (${this.#max})` };
    }
    this.#parts.push(part.part);
    this.#length += part.part.length;
    if (this.#length < part.total) return undefined;
    const text = this.#parts.join('');
    this.clear();
    if (createHash('sha256').update(text).digest('hex') !== part.digest)
      return { error: 'the rules that arrived are not those that were sent' };
    return { text };
  }

  clear(): void {
    this.#digest = '';
    this.#parts = [];
    this.#length = 0;
  }
}
