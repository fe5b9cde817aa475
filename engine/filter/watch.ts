// Who changes nftables besides us: the kernel's notifications, transaction by transaction, with the process that did
// it, and the generation number by which a missed one is noticed.
import {
  eachMessage,
  attributes,
  MessageWriter,
  NFGEN,
  NLM_F_REQUEST,
  NLMSG_ERROR,
} from '../netlink/message.ts';
import { NETLINK_NETFILTER, NetlinkSocket, NOTHING, OVERRUN, ReceiveBuffers } from '../netlink/socket.ts';

const NFNL_SUBSYS_NFTABLES = 10;
const NFNLGRP_NFTABLES = 7;
const NEWGEN = 15;
const GETGEN = 16;
const GEN_ID = 1;
const GEN_PID = 2;
const GEN_NAME = 3;
/** In every message about a table, chain, rule, set or element the table's name is attribute 1. */
const TABLE_NAME = 1;
const FAMILIES: Record<number, string> = {
  1: 'inet',
  2: 'ip',
  3: 'arp',
  5: 'netdev',
  7: 'bridge',
  10: 'ip6',
};

export interface Transaction {
  generation: number;
  /** Tables it touched, `inet wocloud`. */
  tables: ReadonlySet<string>;
  pid: number;
  process: string;
}

const BUFFERS = { count: 64, size: 16 * 1024 };

export class NftWatch {
  readonly #events = new NetlinkSocket(NETLINK_NETFILTER);
  readonly #questions = new NetlinkSocket(NETLINK_NETFILTER);
  readonly #buffers = new ReceiveBuffers(BUFFERS.count, BUFFERS.size);
  #tables = new Set<string>();
  #sequence = 0;

  constructor() {
    this.#events.receiveRoom(8 * 1024 * 1024);
    this.#events.join(NFNLGRP_NFTABLES);
  }

  /** The kernel's present nftables generation: one more after each transaction, whoever's. */
  generation(): number {
    const writer = new MessageWriter();
    this.#questions.send(
      writer.netfilter(NFNL_SUBSYS_NFTABLES, GETGEN, NLM_F_REQUEST, ++this.#sequence, 0).done(),
    );
    const { view, size } = this.#buffers;
    for (;;) {
      const count = this.#questions.receive(this.#buffers, true);
      for (let i = 0; i < count; i++) {
        let answer: number | undefined;
        const start = i * size;
        eachMessage(view, start, start + Math.max(0, this.#buffers.length(i)), (message) => {
          if (message.sequence !== this.#sequence) return;
          if (message.type === NLMSG_ERROR)
            throw new Error(`nftables generation: error ${view.getInt32(message.start, true)}`);
          const id = attributes(view, message.start + NFGEN, message.end)?.get(GEN_ID);
          if (id) answer = view.getUint32(id.start);
        });
        if (answer !== undefined) return answer;
      }
    }
  }

  /** Transactions since the last call. `missed`: some are not among them. Never waits. */
  poll(): { transactions: Transaction[]; missed: boolean } {
    const transactions: Transaction[] = [];
    let missed = false;
    for (;;) {
      const count = this.#events.receive(this.#buffers);
      if (count === NOTHING) return { transactions, missed };
      if (count === OVERRUN) {
        missed = true;
        this.#tables = new Set();
        continue;
      }
      for (let i = 0; i < count; i++) {
        const length = this.#buffers.length(i);
        if (length < 0 || this.#read(i * BUFFERS.size, length, transactions) > 0) missed = true;
      }
    }
  }

  close(): void {
    this.#events.close();
    this.#questions.close();
    this.#buffers.free();
  }

  #read(start: number, length: number, into: Transaction[]): number {
    const { view } = this.#buffers;
    return eachMessage(view, start, start + length, (message) => {
      if (message.type >> 8 !== NFNL_SUBSYS_NFTABLES) return;
      const family = view.getUint8(message.start);
      const fields = attributes(view, message.start + NFGEN, message.end);
      const text = (type: number): string => {
        const span = fields?.get(type);
        if (!span) return '';
        return Buffer.from(view.buffer, view.byteOffset + span.start, span.end - span.start)
          .toString('utf8')
          .replace(/\0.*$/s, '');
      };
      if ((message.type & 0xff) !== NEWGEN) {
        this.#tables.add(`${FAMILIES[family] ?? family} ${text(TABLE_NAME)}`);
        return;
      }
      const number = (type: number): number => {
        const span = fields?.get(type);
        return span ? view.getUint32(span.start) : 0;
      };
      into.push({
        generation: number(GEN_ID),
        tables: this.#tables,
        pid: number(GEN_PID),
        process: text(GEN_NAME),
      });
      this.#tables = new Set();
    });
  }
}
