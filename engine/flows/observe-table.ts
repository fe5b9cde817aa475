// Observed conversations: two one-way counters paired into one flow with an originator, a start and an end.
// Fed with first packets (from the log) and counters (from the sets); tells rows. Does no I/O.
import { FLOW_KINDS, type FlowKind } from '@wocloud/protocol/flow.ts';
import {
  AF_INET,
  AF_INET6,
  BYTES_IN,
  BYTES_OUT,
  COUNTED,
  DPORT,
  DST,
  DST_MAC,
  END,
  FAMILY,
  FLOW,
  KIND,
  PACKETS_IN,
  PACKETS_OUT,
  PORT_INDEX,
  PROTOCOL,
  ROW,
  SPORT,
  SRC,
  SRC_MAC,
  START,
  TIME,
  ZONE,
} from '../netlink/conntrack-row.ts';
import type { RowSink } from './sink.ts';
import type { Tally } from './tally.ts';

const MAX_FLOWS = 131_072;
const KINDS = Object.fromEntries(FLOW_KINDS.map((kind, i) => [kind, i])) as Record<FlowKind, number>;
/** Packets after an end that make us doubt it: a forged reset must not hide what goes on. */
const AFTERLIFE = 3;

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const ACK = 16;

/** One way of a conversation, as its packets say it. Addresses are 4 or 16 bytes. */
export interface Tuple {
  network: number;
  family: 4 | 6;
  src: Uint8Array;
  dst: Uint8Array;
  protocol: number;
  /** 0 where the protocol has no ports. */
  sport: number;
  dport: number;
}

/** What the log knows beyond the tuple. Times are µs since the epoch. */
export interface Sighting {
  time: number;
  tcpFlags: number;
  /** ICMP type and code, shown as ports. */
  icmp: { type: number; code: number } | undefined;
  srcMac: Uint8Array;
  dstMac: Uint8Array;
  port: number;
}

interface Way {
  packets: number;
  bytes: number;
  /** What the kernel's counter showed last, and what this flow does not own of it. */
  seenPackets: number;
  seenBytes: number;
  basePackets: number;
  baseBytes: number;
  pass: number;
}

interface Flow {
  id: bigint;
  tuple: Tuple;
  sport: number;
  dport: number;
  start: number;
  changed: number;
  sighting: Sighting | undefined;
  ways: [out: Way, back: Way];
  /** Bit per way: has said FIN. */
  fins: number;
  closedAt: number;
  ended: boolean;
  /** Number of the pass under way when it appeared: only a later one can find it gone. */
  born: number;
  isDirty: boolean;
  /** Who began is known from TCP's own first packets. */
  isCertain: boolean;
}

/** A conversation that goes on, with answers; its tuple is the way of who began. */
export interface Live {
  tuple: Tuple;
  isCertain: boolean;
}

const way = (): Way => ({
  packets: 0,
  bytes: 0,
  seenPackets: 0,
  seenBytes: 0,
  basePackets: 0,
  baseBytes: 0,
  pass: 0,
});

function keyOf(t: Tuple, reversed: boolean): string {
  const [from, to, sport, dport] = reversed
    ? [t.dst, t.src, t.dport, t.sport]
    : [t.src, t.dst, t.sport, t.dport];
  return `${t.network}/${t.protocol}/${sport}/${dport}/${latin1(from)}${latin1(to)}`;
}

const latin1 = (bytes: Uint8Array) =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');

export class ObserveTable {
  readonly #sink: Pick<RowSink, 'add'>;
  readonly #tally: Tally;
  readonly #flows = new Map<string, Flow>();
  readonly #scratch = new Uint8Array(ROW);
  readonly #row = new DataView(this.#scratch.buffer);
  #next: bigint;
  #pass = 1;
  /** Counted and never logged: in the pass before, and in this one. Bounded by the kernel's sets. */
  #strangers = new Set<string>();
  #newcomers = new Set<string>();
  #closing = 0;

  constructor(sink: Pick<RowSink, 'add'>, tally: Tally, now: number) {
    this.#sink = sink;
    this.#tally = tally;
    this.#next = (3n << 62n) | (BigInt(Math.floor(now / 1e6)) << 30n);
  }

  get size(): number {
    return this.#flows.size;
  }

  /** Flows waiting for a pass to tell their end. */
  get closing(): number {
    return this.#closing;
  }

  /** A first packet of one way, or a TCP packet that opens or ends. */
  saw(tuple: Tuple, sighting: Sighting): void {
    const found = this.#find(tuple);
    const flags = tuple.protocol === 6 ? sighting.tcpFlags : 0;
    if (!found) {
      // A late packet of what has ended (or a scan's reset) begins nothing worth a record of its own start.
      const isAnswer = (flags & (SYN | ACK)) === (SYN | ACK);
      this.#begin(isAnswer ? reverse(tuple) : tuple, sighting, isAnswer);
      return;
    }
    const { flow, back } = found;
    if (flow.ended && (flags & (SYN | ACK)) === SYN) {
      this.#forget(flow);
      this.#begin(tuple, sighting, false, back ? [flow.ways[1], flow.ways[0]] : flow.ways);
      return;
    }
    if (!flow.sighting && !back) flow.sighting = sighting;
    if ((flags & RST) !== 0) flow.fins = 3;
    else if ((flags & FIN) !== 0) flow.fins |= back ? 2 : 1;
    if (flow.fins === 3 && flow.closedAt === 0 && !flow.ended) {
      flow.closedAt = sighting.time;
      this.#closing++;
    }
  }

  #find(tuple: Tuple): { flow: Flow; back: boolean } | undefined {
    const forward = this.#flows.get(keyOf(tuple, false));
    if (forward) return { flow: forward, back: false };
    const backward = this.#flows.get(keyOf(tuple, true));
    return backward && { flow: backward, back: true };
  }

  #begin(
    tuple: Tuple,
    sighting: Sighting | undefined,
    isReversed: boolean,
    before?: [Way, Way],
    at = 0,
  ): Flow | undefined {
    if (this.#flows.size >= MAX_FLOWS) {
      this.#tally.add('observe.table_full');
      return undefined;
    }
    const start = sighting?.time ?? at;
    const flow: Flow = {
      id: this.#next++,
      tuple,
      sport: sighting?.icmp && !isReversed ? sighting.icmp.type : tuple.sport,
      dport: sighting?.icmp && !isReversed ? sighting.icmp.code : tuple.dport,
      start,
      changed: start,
      sighting:
        sighting && isReversed
          ? { ...sighting, srcMac: sighting.dstMac, dstMac: sighting.srcMac, port: 0 }
          : sighting,
      ways: [way(), way()],
      fins: 0,
      closedAt: 0,
      ended: false,
      born: this.#pass,
      isDirty: false,
      isCertain: tuple.protocol === 6 && ((sighting?.tcpFlags ?? 0) & SYN) !== 0,
    };
    // The kernel goes on counting under the same key: what it had before is not this flow's.
    before?.forEach((old, i) => {
      const mine = flow.ways[i] as Way;
      mine.basePackets = mine.seenPackets = old.seenPackets;
      mine.baseBytes = mine.seenBytes = old.seenBytes;
    });
    this.#flows.set(keyOf(tuple, false), flow);
    this.#tell(flow, 'start', start);
    return flow;
  }

  /** What goes on, has been answered, and can be told from others by its ports. */
  live(): Live[] {
    return [...this.#flows.values()]
      .filter(
        ({ tuple, ways: [out, back], ended, fins }) =>
          !ended &&
          fins !== 3 &&
          out.seenPackets > 0 &&
          back.seenPackets > 0 &&
          tuple.sport + tuple.dport > 0,
      )
      .map(({ tuple, isCertain }) => ({ tuple, isCertain }));
  }

  beginPass(): void {
    this.#pass++;
    this.#strangers = this.#newcomers;
    this.#newcomers = new Set();
  }

  /** One element of a set: the counter of one way. */
  counted(tuple: Tuple, packets: number, bytes: number, now: number): void {
    let found = this.#find(tuple);
    if (!found) {
      // Its first packet may have been logged and not told yet: that knows who began. Wait for the next pass.
      const key = keyOf(tuple, false);
      if (!this.#strangers.has(key)) {
        this.#newcomers.add(key);
        return;
      }
      const isAnswer = tuple.sport < tuple.dport;
      const flow = this.#begin(isAnswer ? reverse(tuple) : tuple, undefined, false, undefined, now);
      if (!flow) return;
      found = { flow, back: isAnswer };
    }
    const { flow, back } = found;
    const mine = flow.ways[back ? 1 : 0];
    mine.pass = this.#pass;
    if (packets === mine.seenPackets && bytes === mine.seenBytes) return;
    if (packets < mine.seenPackets || bytes < mine.seenBytes) {
      // The kernel forgot this way and began anew.
      mine.basePackets = -mine.packets;
      mine.baseBytes = -mine.bytes;
    }
    mine.seenPackets = packets;
    mine.seenBytes = bytes;
    if (flow.ended) return;
    mine.packets = packets - mine.basePackets;
    mine.bytes = bytes - mine.baseBytes;
    flow.changed = now;
    flow.isDirty = true;
  }

  /** @param complete every set was read whole: what was not in any is gone. */
  endPass(complete: boolean, now: number): void {
    for (const flow of this.#flows.values()) {
      const [out, back] = flow.ways;
      const isGone = complete && flow.born < this.#pass && out.pass < this.#pass && back.pass < this.#pass;
      if (flow.ended) {
        if (isGone) this.#forget(flow);
        else this.#doubt(flow, now);
      } else if (flow.closedAt > 0 && flow.born < this.#pass) {
        this.#closing--;
        this.#end(flow, flow.closedAt);
      } else if (isGone) {
        if (flow.closedAt > 0) this.#closing--;
        this.#end(flow, flow.changed);
        this.#forget(flow);
      } else if (flow.isDirty) {
        flow.isDirty = false;
        this.#tell(flow, 'update', now);
      }
    }
  }

  #end(flow: Flow, at: number): void {
    flow.ended = true;
    flow.isDirty = false;
    this.#tell(flow, 'end', Math.max(at, flow.start));
  }

  /** An ended flow that still sends is a new one, whatever its packets pretended. */
  #doubt(flow: Flow, now: number): void {
    const more = flow.ways.reduce(
      (sum, w) => sum + Math.max(0, w.seenPackets - w.basePackets - w.packets),
      0,
    );
    if (more <= AFTERLIFE) return;
    this.#forget(flow);
    const began = this.#begin(flow.tuple, flow.sighting && { ...flow.sighting, time: now }, false);
    flow.ways.forEach((old, i) => {
      const mine = began?.ways[i];
      if (!mine) return;
      mine.basePackets = old.basePackets + old.packets;
      mine.baseBytes = old.baseBytes + old.bytes;
      mine.seenPackets = old.seenPackets;
      mine.seenBytes = old.seenBytes;
      mine.packets = mine.seenPackets - mine.basePackets;
      mine.bytes = mine.seenBytes - mine.baseBytes;
      mine.pass = old.pass;
    });
    if (began) began.isDirty = true;
  }

  #forget(flow: Flow): void {
    this.#flows.delete(keyOf(flow.tuple, false));
  }

  /** Ends everything on networks we no longer observe. */
  keep(networks: ReadonlySet<number>): void {
    for (const flow of this.#flows.values()) {
      if (networks.has(flow.tuple.network)) continue;
      if (flow.closedAt > 0 && !flow.ended) this.#closing--;
      if (!flow.ended) this.#end(flow, flow.changed);
      this.#forget(flow);
    }
  }

  #tell(flow: Flow, kind: FlowKind, time: number): void {
    const row = this.#row;
    const { tuple, sighting } = flow;
    this.#scratch.fill(0);
    row.setFloat64(TIME, time, true);
    row.setBigUint64(FLOW, flow.id, true);
    row.setFloat64(START, flow.start, true);
    row.setFloat64(END, kind === 'end' ? time : 0, true);
    putAddress(this.#scratch, SRC, tuple.src);
    putAddress(this.#scratch, DST, tuple.dst);
    if (sighting) {
      this.#scratch.set(sighting.srcMac, SRC_MAC);
      this.#scratch.set(sighting.dstMac, DST_MAC);
      row.setUint32(PORT_INDEX, sighting.port, true);
    }
    const [out, back] = flow.ways;
    row.setFloat64(PACKETS_OUT, out.packets, true);
    row.setFloat64(BYTES_OUT, out.bytes, true);
    row.setFloat64(PACKETS_IN, back.packets, true);
    row.setFloat64(BYTES_IN, back.bytes, true);
    row.setUint16(ZONE, tuple.network, true);
    row.setUint16(SPORT, flow.sport, true);
    row.setUint16(DPORT, flow.dport, true);
    row.setUint8(PROTOCOL, tuple.protocol);
    row.setUint8(KIND, KINDS[kind]);
    row.setUint8(FAMILY, tuple.family === 4 ? AF_INET : AF_INET6);
    row.setUint8(COUNTED, 1);
    this.#sink.add(this.#scratch, 0);
  }
}

function reverse(tuple: Tuple): Tuple {
  return { ...tuple, src: tuple.dst, dst: tuple.src, sport: tuple.dport, dport: tuple.sport };
}

function putAddress(row: Uint8Array, at: number, address: Uint8Array): void {
  if (address.length === 16) row.set(address, at);
  else {
    row[at + 10] = row[at + 11] = 0xff;
    row.set(address, at + 12);
  }
}
