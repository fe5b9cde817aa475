// Reads the kernel's log groups: refused packets (added up per flow and rule) and forged ones (a sample per NIC).
// What the guests can make the kernel say is bounded here, before it costs the engine anything.
import {
  emptyPacket,
  openLogGroup,
  parseLog,
  type LogGroup,
  type LoggedPacket,
} from '../netlink/log-message.ts';
import { eachMessage, type Message } from '../netlink/message.ts';
import { OVERRUN, NOTHING, ReceiveBuffers, type NetlinkSocket } from '../netlink/socket.ts';
import { decodePacket, ipText, macText } from './packet.ts';
import { microseconds } from './clock.ts';
import type { Forgery, LogSetup, Reading, Refusal, Unanswered } from './reading.ts';
import type { Tally, TallyName } from './tally.ts';

/** How long equal refusals are added up, ms. */
const WINDOW = 100;
const MAX_REFUSALS = 8192;
const MAX_FORGERIES = 512;
const TURNS = 8;

/** Where what was read goes, some ten times a second. */
export interface LogHandlers {
  refusals(list: Refusal[]): void;
  forgeries(list: Forgery[]): void;
  unanswered(list: Unanswered[]): void;
}

type Group = (typeof GROUPS)[keyof typeof GROUPS];
const GROUPS = {
  refused: { packets: 'refusals.packets', lost: 'refusals.lost' },
  forged: { packets: 'guard.packets', lost: 'guard.lost' },
  unanswered: { packets: 'answers.packets', lost: 'answers.lost' },
} as const satisfies Record<string, { packets: TallyName; lost: TallyName }>;

export class LogReading implements Reading {
  readonly sockets: readonly NetlinkSocket[];
  readonly #groups = new Map<NetlinkSocket, Group>();
  readonly #buffers = new ReceiveBuffers(32, 65_536);
  readonly #bytes: Uint8Array;
  readonly #text: Buffer;
  readonly #packet = emptyPacket();
  readonly #tally: Tally;
  readonly #hand: LogHandlers;
  readonly #refusals = new Map<string, Refusal>();
  readonly #forgeries = new Map<string, Forgery>();
  readonly #sequences = new Map<NetlinkSocket, number>();
  #flushAt = 0;
  #busy = false;
  #now = 0;

  constructor(setup: LogSetup, to: { tally: Tally } & LogHandlers) {
    this.#tally = to.tally;
    this.#hand = to;
    this.#bytes = new Uint8Array(this.#buffers.view.buffer);
    this.#text = Buffer.from(this.#buffers.view.buffer);
    const groups: [LogGroup, Group][] = [
      [{ group: setup.refusals, copy: 128, hold: 5, collect: 64 }, GROUPS.refused],
      [{ group: setup.guard, copy: 128, hold: 5, collect: 64 }, GROUPS.forged],
      // Somebody is waiting to be told that he was refused.
      [{ group: setup.unanswered, copy: 128, hold: 1, collect: 1 }, GROUPS.unanswered],
    ];
    try {
      for (const [group, what] of groups) this.#groups.set(openLogGroup(group, 8 * 1024 * 1024), what);
    } catch (error) {
      this.close();
      throw error;
    }
    this.sockets = [...this.#groups.keys()];
  }

  readable(socket: NetlinkSocket): void {
    const group = this.#groups.get(socket);
    if (!group) return;
    this.#busy = false;
    const visit = (message: Message) => this.#take(message, socket, group);
    for (let turn = 0; turn < TURNS; turn++) {
      const got = socket.receive(this.#buffers);
      if (got === NOTHING) return;
      if (got === OVERRUN) continue; // gaps in the kernel's numbering say how many
      this.#now = microseconds();
      for (let i = 0; i < got; i++) {
        const at = i * this.#buffers.size;
        const length = this.#buffers.length(i);
        const bad = length < 0 ? 1 : eachMessage(this.#buffers.view, at, at + length, visit);
        if (bad > 0) this.#tally.add('flows.malformed', bad);
      }
      if (got < this.#buffers.count) return;
    }
    this.#busy = true;
  }

  #take(message: Message, socket: NetlinkSocket, group: Group): void {
    const packet = this.#packet;
    if (message.type >> 8 !== 4) return;
    if (!parseLog(this.#buffers.view, message.start, message.end, packet)) {
      this.#tally.add('flows.malformed');
      return;
    }
    this.#follow(socket, packet.sequence, group.lost);
    this.#tally.add(group.packets);
    if (group === GROUPS.unanswered) {
      this.#leaveUnanswered(packet);
      return;
    }
    if (this.#refusals.size + this.#forgeries.size === 0) this.#flushAt = performance.now() + WINDOW;
    const prefix = packet.prefix < 0 ? '' : this.#text.toString('latin1', packet.prefix, packet.prefixEnd);
    if (group === GROUPS.refused) this.#refuse(packet, prefix);
    else this.#forge(packet, prefix);
  }

  /** The kernel numbers what it logs: a gap is what it could not deliver. */
  #follow(socket: NetlinkSocket, sequence: number, lost: TallyName): void {
    if (sequence < 0) return;
    const expected = this.#sequences.get(socket);
    this.#sequences.set(socket, (sequence + 1) >>> 0);
    if (expected === undefined) return;
    const gap = (sequence - expected) >>> 0;
    if (gap > 0 && gap < 0x8000_0000) this.#tally.add(lost, gap);
  }

  #refuse(packet: LoggedPacket, prefix: string): void {
    const ip = packet.payload < 0 ? undefined : decodePacket(this.#bytes, packet.payload, packet.payloadEnd);
    if (!ip) {
      this.#tally.add('flows.malformed');
      return;
    }
    const { sport, dport, protocol, family } = ip;
    const addresses = this.#text.toString('latin1', ip.src, ip.dst + (family === 4 ? 4 : 16));
    const key = `${prefix}|${packet.physInIndex}|${packet.inIndex}|${protocol}|${sport}|${dport}|${addresses}`;
    const time = packet.time || this.#now;
    const known = this.#refusals.get(key);
    if (known) {
      known.packets++;
      known.bytes += ip.length;
      known.last = time;
      return;
    }
    if (this.#refusals.size >= MAX_REFUSALS) {
      this.#tally.add('refusals.overflow');
      return;
    }
    const hasLink = packet.link >= 0 && packet.linkEnd - packet.link >= 14;
    this.#refusals.set(key, {
      prefix,
      first: time,
      last: time,
      packets: 1,
      bytes: ip.length,
      src: ipText(this.#bytes, ip.src, family),
      dst: ipText(this.#bytes, ip.dst, family),
      protocol,
      sport,
      dport,
      srcMac: hasLink ? macText(this.#bytes, packet.link + 6) : '',
      dstMac: hasLink ? macText(this.#bytes, packet.link) : '',
      inIndex: packet.inIndex,
      outIndex: packet.outIndex,
      physInIndex: packet.physInIndex,
      physOutIndex: packet.physOutIndex,
      vlan: packet.vlan,
    });
  }

  #forge(packet: LoggedPacket, prefix: string): void {
    const key = `${prefix}|${packet.inIndex}|${packet.physInIndex}`;
    const known = this.#forgeries.get(key);
    if (known) {
      known.packets++;
      return;
    }
    if (this.#forgeries.size >= MAX_FORGERIES) {
      this.#tally.add('guard.overflow');
      return;
    }
    this.#forgeries.set(key, {
      prefix,
      time: packet.time || this.#now,
      packets: 1,
      etherType: packet.etherType,
      vlan: packet.vlan,
      inIndex: packet.physInIndex || packet.inIndex,
      link: packet.link < 0 ? new Uint8Array() : this.#bytes.slice(packet.link, packet.linkEnd),
      payload: packet.payload < 0 ? new Uint8Array() : this.#bytes.slice(packet.payload, packet.payloadEnd),
    });
  }

  #leaveUnanswered(packet: LoggedPacket): void {
    if (packet.payload < 0 || packet.link < 0) return;
    this.#hand.unanswered([
      {
        inIndex: packet.physInIndex || packet.inIndex,
        link: this.#bytes.slice(packet.link, packet.linkEnd),
        payload: this.#bytes.slice(packet.payload, packet.payloadEnd),
      },
    ]);
  }

  isIdle(): boolean {
    return !this.#busy;
  }

  due(): number {
    return this.#refusals.size + this.#forgeries.size === 0
      ? -1
      : Math.max(0, this.#flushAt - performance.now());
  }

  tick(): void {
    if (this.due() === 0) this.#flush();
  }

  #flush(): void {
    if (this.#refusals.size > 0) this.#hand.refusals([...this.#refusals.values()]);
    if (this.#forgeries.size > 0) this.#hand.forgeries([...this.#forgeries.values()]);
    this.#refusals.clear();
    this.#forgeries.clear();
  }

  close(): void {
    this.#flush();
    for (const socket of this.#groups.keys()) socket.close();
    this.#buffers.free();
  }
}
