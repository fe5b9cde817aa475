// The rules a gateway is to have, on their way to it: in parts, at the pace it takes them, again after every break, and
// not again when it has refused them.
import { createHash } from 'node:crypto';
import type { InspectionRules, ToGateway } from '@wocloud/protocol/gateway.ts';

/** Characters of a part: escaped as JSON, six bytes each at worst, it still fits a frame. */
const PART = 128 * 1024;

const EMPTY: InspectionRules = { rules: '', thresholds: '' };
const NO_RULES = JSON.stringify(EMPTY);
const NO_RULES_DIGEST = createHash('sha256').update(NO_RULES).digest('hex');

export class RulesDelivery {
  readonly #send: (message: ToGateway) => boolean;
  #wanted: { digest: string; text: string } | undefined;
  /** Digest of those in force; undefined while nobody is there. */
  #has: string | undefined;
  #refused = '';
  /** What is under way: the next part's offset, or the whole length while the answer is out. */
  #underWay: { digest: string; offset: number } | undefined;

  /** @param send answers false when it takes no more now: `pump` is to be called when it does. */
  constructor(send: (message: ToGateway) => boolean) {
    this.#send = send;
  }

  want(digest: string, text: string): void {
    if (this.#wanted?.digest === digest) return;
    this.#wanted = { digest, text };
    this.pump();
  }

  wantNone(): void {
    this.want(NO_RULES_DIGEST, NO_RULES);
  }

  /** What the gateway says it has. */
  has(digest: string): void {
    this.#has = digest === '' ? NO_RULES_DIGEST : digest;
    this.pump();
  }

  answered(digest: string, error: string): void {
    if (error !== '') this.#refused = digest;
    else this.#has = digest;
    if (this.#underWay?.digest === digest) this.#underWay = undefined;
    this.pump();
  }

  /** The session is over: what was under way has to begin again. */
  lost(): void {
    this.#has = undefined;
    this.#underWay = undefined;
  }

  /** Another daemon may take what the last one refused. */
  forgive(): void {
    this.#refused = '';
  }

  pump(): void {
    const wanted = this.#wanted;
    if (!wanted || this.#has === undefined) return;
    if (this.#underWay?.digest !== wanted.digest) {
      if (wanted.digest === this.#has || wanted.digest === this.#refused) return;
      this.#underWay = { digest: wanted.digest, offset: 0 };
    }
    const { digest, text } = wanted;
    const total = text.length;
    while (this.#underWay.offset < total) {
      const { offset } = this.#underWay;
      const part = text.slice(offset, offset + PART);
      if (!this.#send({ type: 'rules', digest, offset, total, part })) return;
      this.#underWay.offset += part.length;
    }
  }
}
