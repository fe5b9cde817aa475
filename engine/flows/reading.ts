// What the two threads say to each other, and what a thing that is read must be able to do.
import type { NetlinkSocket } from '../netlink/socket.ts';
import type { Live } from './observe-table.ts';

export interface ConntrackSetup {
  /** Where the live table lives, '' for memory only. */
  file: string;
  /** Its size. */
  bytes: number;
  epoch: string;
  /** Kernel memory for events not yet read. */
  room: number;
  /** ms between dumps of the whole table. */
  dumpEvery: number;
  lingers: { timeWait: number; close: number };
}

/** Numbers of log groups. */
export interface LogSetup {
  refusals: number;
  guard: number;
  unanswered: number;
}

/** Equal refused packets, added up. Interfaces are indexes, 0 for none; MACs '' where the kernel did not tell. */
export interface Refusal {
  prefix: string;
  /** µs since the epoch */
  first: number;
  last: number;
  packets: number;
  bytes: number;
  src: string;
  dst: string;
  protocol: number;
  sport: number;
  dport: number;
  srcMac: string;
  dstMac: string;
  inIndex: number;
  outIndex: number;
  physInIndex: number;
  physOutIndex: number;
  /** -1: untagged, or not told. */
  vlan: number;
}

/** Forged packets of one kind from one port: how many, and the first of them. */
export interface Forgery {
  prefix: string;
  time: number;
  packets: number;
  etherType: number;
  vlan: number;
  inIndex: number;
  /** Ethernet header. */
  link: Uint8Array;
  /** What follows it, its first 128 bytes. */
  payload: Uint8Array;
}

/** A rejected packet whose sender the host itself cannot answer. */
export interface Unanswered {
  /** The port it came in by. */
  inIndex: number;
  link: Uint8Array;
  payload: Uint8Array;
}

export interface ObserveSetup {
  group: number;
  /** ms between counts of all sets. */
  dumpEvery: number;
}

/** An address a MAC was seen to use, and the port it came in by. */
export interface Learned {
  port: number;
  mac: string;
  ip: string;
}

export interface ReaderSetup {
  tally: SharedArrayBuffer;
  /** One Int32: rows handed over and not yet taken. */
  inFlight: SharedArrayBuffer;
  /** eventfd that wakes the thread. */
  bell: number;
  conntrack: ConntrackSetup;
  logs: LogSetup;
  observe: ObserveSetup;
}

export type ReaderCommand =
  | { kind: 'stop' }
  | { kind: 'dump'; id: number }
  /** Asks for the observed conversations that go on. */
  | { kind: 'live'; id: number }
  | { kind: 'observe'; networks: number[] };

export type ReaderMessage =
  | { kind: 'ready' }
  | { kind: 'rows'; rows: ArrayBuffer; count: number }
  | { kind: 'observed'; rows: ArrayBuffer; count: number }
  | { kind: 'learned'; list: Learned[] }
  | { kind: 'refusals'; list: Refusal[] }
  | { kind: 'forgeries'; list: Forgery[] }
  | { kind: 'unanswered'; list: Unanswered[] }
  | { kind: 'done'; id: number }
  | { kind: 'live'; id: number; list: Live[] }
  | { kind: 'stopped' }
  | { kind: 'failed'; message: string };

/** Something read from sockets on the reading thread. */
export interface Reading {
  readonly sockets: readonly NetlinkSocket[];
  /** One of its sockets has something: read some, not for long. */
  readable(socket: NetlinkSocket): void;
  /** ms until `tick` has something to do, -1 for never. */
  due(): number;
  /** It read less than it could have since the last call of `tick`: it can wait a moment. */
  isIdle(): boolean;
  /** Called after each wait. */
  tick(): void;
  close(): void;
}
