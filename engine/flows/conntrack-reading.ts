// Reads connection tracking: events as they come, and the whole table now and then.
import {
  dumpRequest,
  IPCTNL_MSG_CT_DELETE,
  IPCTNL_MSG_CT_NEW,
  NFNL_SUBSYS_CTNETLINK,
  NFNLGRP_CONNTRACK_DESTROY,
  NFNLGRP_CONNTRACK_NEW,
} from '../netlink/conntrack-message.ts';
import { eachMessage, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, type Message } from '../netlink/message.ts';
import { NETLINK_NETFILTER, NetlinkSocket, NOTHING, OVERRUN, ReceiveBuffers } from '../netlink/socket.ts';
import { microseconds } from './clock.ts';
import { LiveTable } from './live-table.ts';
import type { ConntrackSetup, Reading } from './reading.ts';
import type { RowSink } from './sink.ts';
import type { Tally } from './tally.ts';

const NEW = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_NEW;
const DESTROY = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE;
/** System calls per turn before other sockets get theirs: 16 x 256 events. */
const TURNS = 16;
/** A dump is given up when the kernel is silent for this long, ms. */
const DUMP_PATIENCE = 10_000;
/** Dumping takes at most this part of the time. */
const DUMP_SHARE = 0.05;

export class ConntrackReading implements Reading {
  readonly sockets: readonly NetlinkSocket[];
  readonly table: LiveTable;
  readonly #events: NetlinkSocket;
  readonly #dumps: NetlinkSocket;
  readonly #eventBuffers = new ReceiveBuffers(256, 4096);
  readonly #dumpBuffers = new ReceiveBuffers(8, 65_536);
  readonly #tally: Tally;
  readonly #every: number;
  #lost = 0;
  #sequence = 0;
  #nextDump = 0;
  /** The dump under way. */
  #dump: { began: number; heard: number; spent: number; complete: boolean } | undefined;
  #waiting: (() => void)[] = [];
  #served: (() => void)[] = [];
  #onEvent: (message: Message) => void;
  #onEntry: (message: Message) => void;
  #view: DataView;
  #now = 0;
  #finished = false;
  #busy = false;

  constructor(setup: ConntrackSetup, to: { sink: Pick<RowSink, 'add'>; tally: Tally; bytes: Uint8Array }) {
    this.#tally = to.tally;
    this.#every = setup.dumpEvery;
    this.table = new LiveTable(
      { sink: to.sink, tally: to.tally, bytes: to.bytes, epoch: setup.epoch, lingers: setup.lingers },
      microseconds(),
    );
    this.#events = new NetlinkSocket(NETLINK_NETFILTER);
    this.#dumps = new NetlinkSocket(NETLINK_NETFILTER);
    this.sockets = [this.#events, this.#dumps];
    this.#events.receiveRoom(setup.room);
    // NETLINK_BROADCAST_ERROR would make the kernel keep ended connections until we have read of them: a stuck
    // engine would then fill the host's connection table. Losing an event is better; the dump recovers it.
    this.#events.join(NFNLGRP_CONNTRACK_NEW);
    this.#events.join(NFNLGRP_CONNTRACK_DESTROY);
    this.#view = this.#eventBuffers.view;
    this.#onEvent = (message) => this.#event(message);
    this.#onEntry = (message) => this.#entry(message);
  }

  /** Dumps at once (after the dump under way, if any); `done` when its records have been told. */
  dumpNow(done: () => void): void {
    this.#waiting.push(done);
    this.#nextDump = 0;
  }

  readable(socket: NetlinkSocket): void {
    if (socket === this.#events) this.#readEvents();
    else this.#readDump();
  }

  #readEvents(): void {
    this.#busy = false;
    for (let turn = 0; turn < TURNS; turn++) {
      const got = this.#events.receive(this.#eventBuffers);
      if (got === NOTHING) return;
      if (got === OVERRUN) {
        this.#overrun();
        continue;
      }
      this.#now = microseconds();
      this.#view = this.#eventBuffers.view;
      this.#tally.add('flows.events', got);
      this.#each(this.#eventBuffers, got, this.#onEvent);
      if (got < this.#eventBuffers.count) return;
    }
    this.#busy = true;
  }

  #each(buffers: ReceiveBuffers, count: number, visit: (message: Message) => void): void {
    for (let i = 0; i < count; i++) {
      const length = buffers.length(i);
      const bad =
        length < 0 ? 1 : eachMessage(buffers.view, i * buffers.size, i * buffers.size + length, visit);
      if (bad > 0) this.#tally.add('flows.malformed', bad);
    }
  }

  #event(message: Message): void {
    if (message.type === NEW) this.table.started(this.#view, message.start, message.end, this.#now);
    else if (message.type === DESTROY)
      this.table.destroyed(this.#view, message.start, message.end, this.#now);
  }

  #overrun(): void {
    this.#tally.add('flows.overruns');
    const lost = this.#events.lost();
    this.#tally.add('flows.events_lost', Math.max(0, lost - this.#lost));
    this.#lost = lost;
    // Soon, but not while the flood that caused it is at its height.
    this.#nextDump = Math.min(this.#nextDump, performance.now() + 500);
  }

  #readDump(): void {
    const dump = this.#dump;
    const began = performance.now();
    const got = this.#dumps.receive(this.#dumpBuffers);
    if (got === NOTHING || got === OVERRUN || !dump) return;
    this.#now = microseconds();
    this.#view = this.#dumpBuffers.view;
    this.#each(this.#dumpBuffers, got, this.#onEntry);
    dump.heard = performance.now();
    dump.spent += dump.heard - began;
    if (this.#finished) this.#endDump(dump.complete);
  }

  #entry(message: Message): void {
    const dump = this.#dump;
    if (!dump || message.sequence !== this.#sequence) return;
    if ((message.flags & NLM_F_DUMP_INTR) !== 0) dump.complete = false;
    if (message.type === NEW) this.table.dumped(this.#view, message.start, message.end, this.#now);
    else if (message.type === NLMSG_DONE) this.#finished = true;
    else if (message.type === NLMSG_ERROR) {
      dump.complete = false;
      this.#finished = true;
    }
  }

  #endDump(complete: boolean): void {
    const dump = this.#dump;
    if (!dump) return;
    this.#dump = undefined;
    this.table.endDump(complete, microseconds());
    const now = performance.now();
    this.#nextDump = this.#waiting.length > 0 ? now : now + Math.max(this.#every, dump.spent / DUMP_SHARE);
    for (const done of this.#served) done();
    this.#served = [];
  }

  isIdle(): boolean {
    return !this.#busy && !this.#dump;
  }

  due(): number {
    const now = performance.now();
    return Math.max(0, (this.#dump ? this.#dump.heard + DUMP_PATIENCE : this.#nextDump) - now);
  }

  tick(): void {
    const now = performance.now();
    if (this.#dump) {
      if (now - this.#dump.heard >= DUMP_PATIENCE) this.#endDump(false);
      return;
    }
    if (now < this.#nextDump) return;
    this.#sequence = (this.#sequence + 1) >>> 0;
    this.#finished = false;
    this.#dump = { began: now, heard: now, spent: 0, complete: true };
    this.#served = this.#waiting;
    this.#waiting = [];
    this.table.beginDump();
    try {
      this.#dumps.send(dumpRequest(this.#sequence));
    } catch {
      this.#endDump(false);
    }
  }

  close(): void {
    for (const socket of this.sockets) socket.close();
    this.#eventBuffers.free();
    this.#dumpBuffers.free();
  }
}
