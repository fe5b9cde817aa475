// Everything the host's kernel tells about connections, as flow records and alerts; every loss is counted.
import { parseGuardPrefix } from '@wocloud/policy/render/names.ts';
import type { FlowRecord } from '@wocloud/protocol/flow.ts';
import type { EngineAlert } from '@wocloud/protocol/reports.ts';
import type { Directory } from '../directory.ts';
import { limitAlert } from '../limits/alerts.ts';
import { Floods } from '../limits/floods.ts';
import { Answers } from './answers.ts';
import { deleteConnections, type ConnectionMatch } from './connections.ts';
import { conntrackRecords, StagedCache } from './conntrack.ts';
import { GoneNics } from './gone.ts';
import { GuardAlerts } from './guard-alerts.ts';
import { Observation } from './observe.ts';
import { ipText } from './packet.ts';
import { observedRecords } from './observed.ts';
import { NicFinder } from './ports.ts';
import { Reader, type ReaderError, type ReaderOptions } from './reader.ts';
import { RefusalRecords } from './refusals.ts';
import { RoutedNics } from './routes.ts';
import { Tally } from './tally.ts';

export interface FlowsLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface FlowsOptions {
  directory: Directory;
  /** Called with at least one record, within 100 ms of what it tells. */
  emit(records: FlowRecord[]): void;
  alert(alert: EngineAlert): void;
  /** A source address a MAC was seen to use where we only observe. */
  learned(mac: string, ip: string): void;
  /** Bridges on which nothing is enforced, to be observed without br_netfilter. Asked again on each change. */
  observeBridges(): readonly string[];
  log: FlowsLog;
  /** Where the table of live connections is kept, so that a restarted engine continues its flows; on a tmpfs. */
  tableFile?: string;
  /** ms between dumps of the connection table, and between counts of what is observed. */
  dumpEvery?: number;
  /** Bytes of kernel memory for events not yet read. */
  room?: number;
}

/** A conversation that was observed, with answers. */
export interface UnderWay {
  bridge: string;
  vlan: number | null;
  /** Canonical text. */
  src: string;
  dst: string;
  protocol: number;
  sport: number;
  dport: number;
  /** Its beginning was seen: `src` is surely who began. */
  isCertain: boolean;
}

export interface Flows {
  /** Since the start; of what was received, and of everything that was lost. */
  readonly counters: Readonly<Record<string, number>>;
  /** Tells the counters of all live flows that have changed; resolves when they have been emitted. */
  dump(): Promise<void>;
  /** Ends the kernel's connections that match; how many. Their ends are told as any others. */
  deleteConnections(match: ConnectionMatch): Promise<number>;
  /** What goes on between VMs on observed bridges, with answers. */
  underWay(): Promise<UnderWay[]>;
  /** Looks at `observeBridges` again; resolves when they are observed as far as the kernel lets us. */
  reconcile(): Promise<void>;
  /** Resolves when everything read has been emitted and thread and observation table are gone. */
  stop(): Promise<void>;
}

/** ms before a reader that died is started again, doubled each time it dies soon. */
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 30_000;

/** Throws ReaderError where the kernel does not let us listen (not root, connection tracking not built in). */
export async function startFlows(options: FlowsOptions): Promise<Flows> {
  const parts = new FlowParts(options);
  try {
    await parts.start();
  } catch (error) {
    await parts.stop();
    throw error;
  }
  return parts;
}

class FlowParts implements Flows {
  readonly deleteConnections = deleteConnections;
  readonly #o: FlowsOptions;
  readonly #tally = new Tally();
  readonly #own = { 'flows.records': 0, 'flows.foreign': 0, 'flows.reader_failures': 0 };
  readonly #staged: StagedCache;
  readonly #routed: RoutedNics;
  readonly #gone: GoneNics;
  readonly #finder: NicFinder;
  readonly #refusals: RefusalRecords;
  readonly #guard: GuardAlerts;
  readonly #floods: Floods;
  readonly #answers = new Answers();
  readonly #observation: Observation;
  readonly #readerOptions: ReaderOptions;
  #reader: Reader | undefined;
  #restart: NodeJS.Timeout | undefined;
  #pause = FIRST_PAUSE;
  #stopped: Promise<void> | undefined;

  constructor(options: FlowsOptions) {
    const { directory } = options;
    this.#o = options;
    this.#staged = new StagedCache(directory);
    this.#routed = new RoutedNics(directory);
    this.#gone = new GoneNics(directory);
    this.#finder = new NicFinder(directory);
    this.#refusals = new RefusalRecords(directory, this.#finder, this.#staged);
    this.#guard = new GuardAlerts(directory, this.#finder, options.alert);
    this.#floods = new Floods(directory, this.#finder, options.alert);
    this.#observation = new Observation({
      directory,
      bridges: options.observeBridges,
      networks: (numbers) => this.#reader?.observe(numbers),
      log: options.log,
    });
    this.#readerOptions = this.#reading();
  }

  #emit(records: FlowRecord[]): void {
    if (records.length === 0) return;
    this.#own['flows.records'] += records.length;
    this.#o.emit(records);
  }

  #refused(records: FlowRecord[]): void {
    this.#emit(records);
    for (const record of records) {
      const alert = limitAlert(record, this.#o.directory);
      if (alert) this.#o.alert(alert);
    }
  }

  /** What becomes of all the reading thread hands over. */
  #reading(): ReaderOptions {
    const { tableFile = '', dumpEvery, room, directory, learned } = this.#o;
    const [staged, routed, gone, finder] = [this.#staged, this.#routed, this.#gone, this.#finder];
    const tracked = {
      directory,
      staged,
      gone,
      // What crosses an observed bridge on its way through the host is told by observation: once is enough.
      routed: {
        byAddress: (ip: string) => {
          const nic = routed.byAddress(ip);
          return nic && this.#observation.observes(nic.bridge) ? undefined : nic;
        },
      },
    };
    const observed = { segment: (n: number) => this.#observation.segment(n), finder, staged, gone };
    return {
      tableFile,
      tally: this.#tally,
      ...(dumpEvery === undefined ? {} : { dumpEvery }),
      ...(room === undefined ? {} : { room }),
      rows: (bytes, view, count) => {
        const { records, foreign } = conntrackRecords(tracked, bytes, view, count);
        this.#own['flows.foreign'] += foreign;
        this.#emit(records);
      },
      observed: (bytes, view, count) => this.#emit(observedRecords(observed, bytes, view, count)),
      learned: (list) => {
        for (const { port, mac, ip } of list) if (finder.byPort(port)?.mac === mac) learned(mac, ip);
      },
      refusals: (list) => this.#refused(list.flatMap((refusal) => this.#refusals.record(refusal) ?? [])),
      forgeries: (list) => {
        for (const forgery of list) {
          if (parseGuardPrefix(forgery.prefix) === 'syn') this.#floods.take(forgery);
          else this.#guard.take(forgery);
        }
      },
      unanswered: (list) => {
        for (const packet of list) this.#answers.take(packet);
      },
      failed: (error) => this.#failed(error),
    };
  }

  async start(): Promise<void> {
    this.#reader = await Reader.start(this.#readerOptions);
    await this.#observation.reconcile();
  }

  /** A dead reader is replaced: flows go on from the table file, and what was missed from the next dump. */
  #failed(error: ReaderError): void {
    this.#own['flows.reader_failures']++;
    this.#o.log.warn({ error: error.message, cause: error.cause }, 'flow reader stopped; starting another');
    const dead = this.#reader;
    this.#reader = undefined;
    void dead?.stop();
    this.#restart = setTimeout(() => void this.#replace(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
  }

  async #replace(): Promise<void> {
    if (this.#stopped) return;
    let reader: Reader;
    try {
      reader = await Reader.start(this.#readerOptions);
    } catch (error) {
      this.#failed(error as ReaderError);
      return;
    }
    if (this.#stopped) return reader.stop();
    this.#reader = reader;
    this.#pause = FIRST_PAUSE;
    this.#observation.tellNetworks();
  }

  get counters(): Readonly<Record<string, number>> {
    return {
      ...this.#own,
      ...this.#refusals.counters,
      ...this.#guard.counters,
      ...this.#floods.counters,
      ...this.#answers.counters,
      ...this.#observation.counters,
      ...this.#tally.all(),
    };
  }

  async dump(): Promise<void> {
    await this.#reader?.dump();
  }

  async underWay(): Promise<UnderWay[]> {
    const text = (address: Uint8Array) => ipText(address, 0, address.length === 4 ? 4 : 6);
    return ((await this.#reader?.live()) ?? []).flatMap(({ tuple, isCertain }) => {
      const segment = this.#observation.segment(tuple.network);
      const { protocol, sport, dport } = tuple;
      const ends = { src: text(tuple.src), dst: text(tuple.dst), protocol, sport, dport };
      return segment ? [{ bridge: segment.bridge, vlan: segment.vlan, ...ends, isCertain }] : [];
    });
  }

  reconcile(): Promise<void> {
    return this.#observation.reconcile();
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async #stop(): Promise<void> {
    clearTimeout(this.#restart);
    await this.#reader?.stop();
    await this.#observation.close();
    this.#answers.close();
    this.#guard.close();
    this.#floods.close();
    this.#finder.close();
    this.#gone.close();
    this.#routed.close();
    this.#staged.close();
  }
}
