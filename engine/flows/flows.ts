// Everything the host's kernel tells about connections, as flow records and alerts; every loss is counted.
import type { FlowRecord } from '@wocloud/protocol/flow.ts';
import type { EngineAlert } from '@wocloud/protocol/reports.ts';
import type { Directory } from '../directory.ts';
import { Answers } from './answers.ts';
import { deleteConnections, type ConnectionMatch } from './connections.ts';
import { conntrackRecords, StagedCache } from './conntrack.ts';
import { GuardAlerts } from './guard-alerts.ts';
import { NicFinder } from './ports.ts';
import { Reader, type ReaderError } from './reader.ts';
import { RefusalRecords } from './refusals.ts';
import { RoutedNics } from './routes.ts';

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
  /** ms between dumps of the connection table. */
  dumpEvery?: number;
  /** Bytes of kernel memory for events not yet read. */
  room?: number;
}

export interface Flows {
  /** Since the start; of what was received, and of everything that was lost. */
  readonly counters: Readonly<Record<string, number>>;
  /** Tells the counters of all live flows that have changed; resolves when they have been emitted. */
  dump(): Promise<void>;
  /** Ends the kernel's connections that match; how many. Their ends are told as any others. */
  deleteConnections(match: ConnectionMatch): Promise<number>;
  /** Resolves when everything read has been emitted and the thread is gone. */
  stop(): Promise<void>;
}

/** Throws ReaderError where the kernel does not let us listen (not root, connection tracking not built in). */
export async function startFlows(options: FlowsOptions): Promise<Flows> {
  const { directory } = options;
  const staged = new StagedCache(directory);
  const routed = new RoutedNics(directory);
  const finder = new NicFinder(directory);
  const refusals = new RefusalRecords(directory, finder, staged);
  const guard = new GuardAlerts(directory, finder, options.alert);
  const answers = new Answers();
  const own = { 'flows.records': 0, 'flows.foreign': 0, 'flows.reader_failures': 0 };
  const emit = (records: FlowRecord[]) => {
    if (records.length === 0) return;
    own['flows.records'] += records.length;
    options.emit(records);
  };
  const reader = await Reader.start({
    tableFile: options.tableFile ?? '',
    ...(options.dumpEvery === undefined ? {} : { dumpEvery: options.dumpEvery }),
    ...(options.room === undefined ? {} : { room: options.room }),
    rows: (bytes, view, count) => {
      const { records, foreign } = conntrackRecords({ directory, staged, routed }, bytes, view, count);
      own['flows.foreign'] += foreign;
      emit(records);
    },
    refusals: (list) => {
      emit(list.flatMap((refusal) => refusals.record(refusal) ?? []));
    },
    unanswered: (list) => {
      for (const packet of list) answers.take(packet);
    },
    forgeries: (list) => {
      for (const forgery of list) guard.take(forgery);
    },
    failed: (error: ReaderError) => {
      own['flows.reader_failures']++;
      options.log.warn({ error: error.message, cause: error.cause }, 'flow reader stopped');
    },
  });
  const stop = async () => {
    await reader.stop();
    answers.close();
    guard.close();
    finder.close();
    routed.close();
    staged.close();
  };
  let stopped: Promise<void> | undefined;
  return {
    get counters() {
      return { ...own, ...refusals.counters, ...guard.counters, ...answers.counters, ...reader.tally.all() };
    },
    deleteConnections,
    dump: () => reader.dump(),
    stop: () => (stopped ??= stop()),
  };
}
