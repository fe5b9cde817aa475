// Tells the sender of a rejected packet that it was refused, where the host has no route to him: on his own tap.
import { refusalFrame } from '@wocloud/policy/render/refusal.ts';
import { checked, sys } from '../netlink/libc.ts';
import type { Unanswered } from './reading.ts';

const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;

export class Answers {
  /** Frames sent; packets nobody may answer (broken, or themselves answers); sends that failed (the tap is gone). */
  readonly counters = { 'answers.sent': 0, 'answers.declined': 0, 'answers.failed': 0 };
  readonly #fd: number;
  readonly #to = Buffer.alloc(20);

  /** Throws NetlinkError without the right to send raw frames. */
  constructor() {
    // Protocol 0: a socket that only sends.
    this.#fd = checked('socket(AF_PACKET)', sys.socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    this.#to.writeUInt16LE(AF_PACKET);
  }

  take({ inIndex, link, payload }: Unanswered): void {
    const frame = refusalFrame(Buffer.from(link), Buffer.from(payload));
    if (!frame || inIndex === 0) {
      this.counters['answers.declined']++;
      return;
    }
    this.#to.writeInt32LE(inIndex, 4);
    const sent = sys.sendto(this.#fd, frame, frame.length, 0, this.#to, this.#to.length) as number;
    this.counters[sent === frame.length ? 'answers.sent' : 'answers.failed']++;
  }

  close(): void {
    sys.close(this.#fd);
  }
}
