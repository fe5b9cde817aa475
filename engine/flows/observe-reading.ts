// Reads what the observation table logs and counts: sightings as they come, counters of all sets now and then.
import { emptyPacket, openLogGroup, parseLog, type LoggedPacket } from '../netlink/log-message.ts';
import { eachMessage, NLM_F_DUMP_INTR, NLMSG_DONE, NLMSG_ERROR, type Message } from '../netlink/message.ts';
import { eachElement, NFPROTO_BRIDGE, setDumpRequest } from '../netlink/set-message.ts';
import { NETLINK_NETFILTER, NetlinkSocket, NOTHING, OVERRUN, ReceiveBuffers } from '../netlink/socket.ts';
import { microseconds } from './clock.ts';
import { flowSets, OBSERVE_TABLE } from './observe-rules.ts';
import { ObserveTable, type Tuple } from './observe-table.ts';
import { decodePacket, ETH_ARP, ipText, macText, type DecodedPacket } from './packet.ts';
import type { Learned, ObserveSetup, Reading } from './reading.ts';
import type { RowSink } from './sink.ts';
import type { Tally } from './tally.ts';

const PREFIX = /^wocloud-observe:(\d{1,5}):(new|end)$/;
const TURNS = 8;
/** A TCP connection that has closed is told this soon, ms: a counter pass costs, and they come in crowds. */
const CLOSING = 500;
const MAX_LEARNED = 8192;
const FORGET_LEARNED = 60_000;

export class ObserveReading implements Reading {
  readonly sockets: readonly NetlinkSocket[];
  readonly table: ObserveTable;
  readonly #log: NetlinkSocket;
  readonly #dumps: NetlinkSocket;
  readonly #logBuffers = new ReceiveBuffers(32, 65_536);
  readonly #dumpBuffers = new ReceiveBuffers(8, 65_536);
  readonly #bytes: Uint8Array;
  readonly #text: Buffer;
  readonly #packet = emptyPacket();
  readonly #tally: Tally;
  readonly #every: number;
  readonly #learned: (list: Learned[]) => void;
  readonly #known = new Set<string>();
  #forgetAt = 0;
  #fresh: Learned[] = [];
  #networks: number[] = [];
  #expected = -1;
  #sequence = 0;
  #nextPass = 0;
  #lastPass = 0;
  #now = 0;
  #busy = false;
  #waiting: (() => void)[] = [];

  constructor(
    setup: ObserveSetup,
    to: { sink: Pick<RowSink, 'add'>; tally: Tally; learned(list: Learned[]): void },
  ) {
    this.#tally = to.tally;
    this.#every = setup.dumpEvery;
    this.#learned = to.learned;
    this.table = new ObserveTable(to.sink, to.tally, microseconds());
    this.#bytes = new Uint8Array(this.#logBuffers.view.buffer);
    this.#text = Buffer.from(this.#logBuffers.view.buffer);
    this.#dumps = new NetlinkSocket(NETLINK_NETFILTER);
    try {
      this.#log = openLogGroup({ group: setup.group, copy: 128, hold: 5, collect: 64 }, 16 * 1024 * 1024);
    } catch (error) {
      this.#dumps.close();
      throw error;
    }
    this.sockets = [this.#log];
  }

  /** The networks whose sets are in the kernel from now on. */
  observe(networks: number[]): void {
    this.#networks = networks;
    this.table.keep(new Set(networks));
  }

  passNow(done: () => void): void {
    this.#waiting.push(done);
    this.#nextPass = 0;
  }

  readable(): void {
    const visit = (message: Message) => this.#take(message);
    this.#busy = false;
    for (let turn = 0; turn < TURNS; turn++) {
      const got = this.#log.receive(this.#logBuffers);
      if (got === NOTHING) return;
      if (got === OVERRUN) continue;
      this.#now = microseconds();
      for (let i = 0; i < got; i++) {
        const at = i * this.#logBuffers.size;
        const length = this.#logBuffers.length(i);
        const bad = length < 0 ? 1 : eachMessage(this.#logBuffers.view, at, at + length, visit);
        if (bad > 0) this.#tally.add('flows.malformed', bad);
      }
      if (got < this.#logBuffers.count) return;
    }
    this.#busy = true;
  }

  #take(message: Message): void {
    const packet = this.#packet;
    if (message.type >> 8 !== 4) return;
    if (!parseLog(this.#logBuffers.view, message.start, message.end, packet) || packet.payload < 0) {
      this.#tally.add('flows.malformed');
      return;
    }
    this.#tally.add('observe.packets');
    if (packet.sequence >= 0) {
      const gap = this.#expected < 0 ? 0 : (packet.sequence - this.#expected) >>> 0;
      if (gap > 0 && gap < 0x8000_0000) this.#tally.add('observe.lost', gap);
      this.#expected = (packet.sequence + 1) >>> 0;
    }
    const said = PREFIX.exec(
      packet.prefix < 0 ? '' : this.#text.toString('latin1', packet.prefix, packet.prefixEnd),
    );
    if (!said) return;
    const network = Number(said[1]);
    if (packet.etherType === ETH_ARP) {
      this.#learnArp(packet);
      return;
    }
    const ip = decodePacket(this.#bytes, packet.payload, packet.payloadEnd);
    if (!ip) {
      this.#tally.add('flows.malformed');
      return;
    }
    this.#learnIp(packet, ip);
    if (isNeighbourTalk(ip) || !this.#networks.includes(network)) return;
    const isIcmp = ip.protocol === 1 || ip.protocol === 58;
    const size = ip.family === 4 ? 4 : 16;
    const hasLink = packet.link >= 0 && packet.linkEnd - packet.link >= 12;
    this.table.saw(
      {
        network,
        family: ip.family,
        src: this.#bytes.slice(ip.src, ip.src + size),
        dst: this.#bytes.slice(ip.dst, ip.dst + size),
        protocol: ip.protocol,
        sport: hasPorts(ip) ? ip.sport : 0,
        dport: hasPorts(ip) ? ip.dport : 0,
      },
      {
        time: packet.time || this.#now,
        tcpFlags: ip.protocol === 6 ? (this.#bytes[ip.transport + 13] ?? 0) : 0,
        icmp: isIcmp ? { type: ip.sport, code: ip.dport } : undefined,
        srcMac: hasLink ? this.#bytes.slice(packet.link + 6, packet.link + 12) : new Uint8Array(6),
        dstMac: hasLink ? this.#bytes.slice(packet.link, packet.link + 6) : new Uint8Array(6),
        port: packet.physInIndex || packet.inIndex,
      },
    );
    if (this.table.closing > 0) this.#nextPass = Math.min(this.#nextPass, performance.now() + CLOSING);
  }

  #learnArp(packet: LoggedPacket): void {
    if (packet.payloadEnd - packet.payload < 28) return;
    this.#learn(
      packet,
      macText(this.#bytes, packet.payload + 8),
      ipText(this.#bytes, packet.payload + 14, 4),
    );
  }

  #learnIp(packet: LoggedPacket, ip: DecodedPacket): void {
    if (packet.link < 0 || packet.linkEnd - packet.link < 12) return;
    const mac = macText(this.#bytes, packet.link + 6);
    const target = ip.transport + 8;
    // Asking whether an address is taken (from ::) and announcing one are claims to the target.
    const isClaim =
      ip.protocol === 58 && (ip.sport === 135 || ip.sport === 136) && target + 16 <= packet.payloadEnd;
    const src = ipText(this.#bytes, ip.src, ip.family);
    if (isClaim && (ip.sport === 136 || src === '::'))
      this.#learn(packet, mac, ipText(this.#bytes, target, 6));
    this.#learn(packet, mac, src);
  }

  #learn(packet: LoggedPacket, mac: string, ip: string): void {
    const port = packet.physInIndex || packet.inIndex;
    if (port === 0 || ip === '0.0.0.0' || ip === '::') return;
    const now = performance.now();
    if (now >= this.#forgetAt) {
      this.#known.clear();
      this.#forgetAt = now + FORGET_LEARNED;
    }
    const key = `${port} ${mac} ${ip}`;
    if (this.#known.has(key) || this.#known.size >= MAX_LEARNED) return;
    this.#known.add(key);
    this.#fresh.push({ port, mac, ip });
  }

  isIdle(): boolean {
    return !this.#busy;
  }

  due(): number {
    if (this.#fresh.length > 0) return 0;
    if (this.#networks.length === 0 && this.#waiting.length === 0) return -1;
    return Math.max(0, this.#nextPass - performance.now());
  }

  tick(): void {
    if (this.#fresh.length > 0) {
      this.#learned(this.#fresh);
      this.#fresh = [];
    }
    const now = performance.now();
    if (this.#networks.length === 0 && this.#waiting.length === 0) return;
    if (now < this.#nextPass || (now < this.#lastPass + CLOSING && this.#waiting.length === 0)) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#readCounters();
    this.#lastPass = performance.now();
    // Counting takes at most a twentieth of the time.
    this.#nextPass = this.#lastPass + Math.max(this.#every, (this.#lastPass - now) * 20);
    for (const done of waiting) done();
  }

  #readCounters(): void {
    let complete = true;
    this.table.beginPass();
    for (const network of this.#networks)
      for (const { name, family, hasPorts } of flowSets(network))
        if (!this.#readSet(network, name, family, hasPorts)) complete = false;
    this.table.endPass(complete, microseconds());
  }

  /** False when the set could not be read whole. */
  #readSet(network: number, name: string, family: 4 | 6, hasPorts: boolean): boolean {
    const sequence = ++this.#sequence;
    const { view, size } = this.#dumpBuffers;
    const bytes = new Uint8Array(view.buffer);
    const now = microseconds();
    const width = family === 4 ? 4 : 16;
    const keySize = width * 2 + 4 + (hasPorts ? 8 : 0);
    let whole = true;
    let done = false;
    this.#dumps.send(setDumpRequest(sequence, NFPROTO_BRIDGE, OBSERVE_TABLE, name));
    // oxlint-disable-next-line no-unmodified-loop-condition -- the message that ends the dump sets it
    while (!done) {
      const got = this.#dumps.receive(this.#dumpBuffers);
      if (got === NOTHING || got === OVERRUN) return false;
      for (let i = 0; i < got; i++)
        eachMessage(view, i * size, i * size + Math.max(0, this.#dumpBuffers.length(i)), (message) => {
          if (message.sequence !== sequence) return;
          if ((message.flags & NLM_F_DUMP_INTR) !== 0) whole = false;
          if (message.type === NLMSG_DONE) done = true;
          else if (message.type === NLMSG_ERROR) {
            done = true;
            whole = false;
          } else {
            const isSound = eachElement(
              view,
              message.start,
              message.end,
              ({ key, keyEnd, packets, bytes: counted }) => {
                if (keyEnd - key < keySize) return;
                const at = key + width * 2;
                const tuple: Tuple = {
                  network,
                  family,
                  src: bytes.slice(key, key + width),
                  dst: bytes.slice(key + width, at),
                  protocol: view.getUint8(at),
                  sport: hasPorts ? view.getUint16(at + 4) : 0,
                  dport: hasPorts ? view.getUint16(at + 8) : 0,
                };
                this.table.counted(tuple, packets, counted, now);
              },
            );
            if (!isSound) this.#tally.add('flows.malformed');
          }
        });
    }
    return whole;
  }

  close(): void {
    this.#log.close();
    this.#dumps.close();
    this.#logBuffers.free();
    this.#dumpBuffers.free();
  }
}

/** The protocols whose sets have ports; for others the address pair is the conversation. */
const hasPorts = (ip: DecodedPacket) =>
  !ip.laterFragment && (ip.protocol === 6 || ip.protocol === 17 || ip.protocol === 132);

/** Neighbour discovery and multicast listening, which the table keeps apart. */
const isNeighbourTalk = (ip: DecodedPacket) =>
  ip.protocol === 58 && ((ip.sport >= 130 && ip.sport <= 137) || ip.sport === 143);
