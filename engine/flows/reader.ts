// The engine's side of the reading thread: starts it, takes its rows, stops it.
import { readFileSync, readlinkSync } from 'node:fs';
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import { LOG_GROUP } from '@wocloud/policy/render/names.ts';
import { ROW } from '../netlink/conntrack-row.ts';
import { Bell } from '../netlink/socket.ts';
import { OBSERVE_GROUP } from './observe-rules.ts';
import type { Live } from './observe-table.ts';
import type { Tally } from './tally.ts';
import type {
  Forgery,
  Learned,
  ReaderCommand,
  ReaderMessage,
  ReaderSetup,
  Refusal,
  Unanswered,
} from './reading.ts';

/** The flow reader could not start, or died. */
export class ReaderError extends Error {
  readonly code = 'flows.reader-failed';
}

export interface ReaderOptions {
  /** `count` rows (see conntrack-row.ts) at the start of `bytes`. */
  rows(bytes: Uint8Array, view: DataView, count: number): void;
  /** The same of observed conversations: see conntrack-row.ts for what differs. */
  observed(bytes: Uint8Array, view: DataView, count: number): void;
  learned(list: Learned[]): void;
  refusals(list: Refusal[]): void;
  forgeries(list: Forgery[]): void;
  unanswered(list: Unanswered[]): void;
  /** The thread died by itself, with the reason. */
  failed(error: ReaderError): void;
  /** Counts go on across readers. */
  tally: Tally;
  /** Keeps flows' identity across restarts; a path on a tmpfs. '' for none. */
  tableFile: string;
  dumpEvery?: number;
  /** Bytes of kernel memory for unread events. */
  room?: number;
}

export class Reader {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #bell = new Bell();
  readonly #inFlight = new Int32Array(new SharedArrayBuffer(4));
  readonly #dumps = new Map<number, () => void>();
  readonly #asked = new Map<number, (list: Live[]) => void>();
  readonly #exited: Promise<void>;
  readonly #closed: Promise<void>;
  #ready: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #nextId = 1;
  #stopping = false;

  private constructor(options: ReaderOptions) {
    const { port1, port2 } = new MessageChannel();
    const setup: ReaderSetup = {
      tally: options.tally.memory,
      inFlight: this.#inFlight.buffer,
      bell: this.#bell.fd,
      conntrack: {
        file: options.tableFile,
        bytes: (tableRows() + 1) * ROW,
        epoch: kernelEpoch(),
        room: options.room ?? 64 * 1024 * 1024,
        dumpEvery: options.dumpEvery ?? 5000,
        lingers: {
          timeWait: sysctl('nf_conntrack_tcp_timeout_time_wait') ?? 120,
          close: sysctl('nf_conntrack_tcp_timeout_close') ?? 10,
        },
      },
      logs: { refusals: LOG_GROUP.verdict, guard: LOG_GROUP.guard, unanswered: LOG_GROUP.refuse },
      observe: { group: OBSERVE_GROUP, dumpEvery: options.dumpEvery ?? 5000 },
    };
    this.#port = port1;
    this.#port.on('message', (message: ReaderMessage) => this.#take(message, options));
    this.#closed = new Promise((resolve) => this.#port.once('close', () => resolve()));
    this.#worker = new Worker(new URL('./reader.worker.ts', import.meta.url), {
      workerData: { setup, port: port2 },
      transferList: [port2],
      name: 'flow reader',
      // Rows do not live on its heap; a small nursery keeps a flood's garbage from growing the process.
      resourceLimits: { maxYoungGenerationSizeMb: 8 },
    });
    this.#exited = new Promise((resolve) => this.#worker.once('exit', () => resolve()));
    this.#worker.once('error', (cause) =>
      this.#died(new ReaderError('flow reader crashed', { cause }), options),
    );
  }

  /** Resolves when events are being received. Throws ReaderError (no permission, no such kernel feature). */
  static async start(options: ReaderOptions): Promise<Reader> {
    const reader = new Reader(options);
    try {
      await new Promise<void>((resolve, reject) => (reader.#ready = { resolve, reject }));
    } catch (error) {
      await reader.stop();
      throw error;
    }
    return reader;
  }

  #take(message: ReaderMessage, options: ReaderOptions): void {
    switch (message.kind) {
      case 'rows':
      case 'observed':
        try {
          options[message.kind](new Uint8Array(message.rows), new DataView(message.rows), message.count);
        } finally {
          Atomics.sub(this.#inFlight, 0, message.count);
          Atomics.notify(this.#inFlight, 0);
        }
        return;
      case 'learned':
        options.learned(message.list);
        return;
      case 'refusals':
        options.refusals(message.list);
        return;
      case 'forgeries':
        options.forgeries(message.list);
        return;
      case 'unanswered':
        options.unanswered(message.list);
        return;
      case 'done':
        this.#dumps.get(message.id)?.();
        this.#dumps.delete(message.id);
        return;
      case 'live':
        this.#asked.get(message.id)?.(message.list);
        this.#asked.delete(message.id);
        return;
      case 'ready':
        this.#ready?.resolve();
        this.#ready = undefined;
        return;
      case 'failed':
        this.#died(new ReaderError(`flow reader: ${message.message}`), options);
        return;
      case 'stopped':
        return;
    }
  }

  #died(error: ReaderError, options: ReaderOptions): void {
    if (this.#ready) this.#ready.reject(error);
    else if (!this.#stopping) options.failed(error);
    this.#ready = undefined;
  }

  #command(command: ReaderCommand): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads has no origin
    this.#port.postMessage(command);
    this.#bell.ring();
  }

  /** Numbers of the networks whose observation sets stand in the kernel. */
  observe(networks: number[]): void {
    if (!this.#stopping) this.#command({ kind: 'observe', networks });
  }

  /** Dumps the connection table now; resolves when its records have been handed over. */
  async dump(): Promise<void> {
    if (this.#stopping) return;
    const id = this.#nextId++;
    await new Promise<void>((resolve) => {
      this.#dumps.set(id, resolve);
      this.#command({ kind: 'dump', id });
    });
  }

  /** The observed conversations that go on, as of now; none from a thread that ends. */
  async live(): Promise<Live[]> {
    if (this.#stopping) return [];
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#asked.set(id, resolve);
      this.#command({ kind: 'live', id });
    });
  }

  /** Resolves when the thread is gone and every row it had has been handed over. */
  async stop(): Promise<void> {
    if (!this.#stopping) {
      this.#stopping = true;
      this.#command({ kind: 'stop' });
    }
    await this.#exited;
    // The thread closed its end: ours closes once everything it had sent has been taken.
    await this.#closed;
    for (const resolve of this.#dumps.values()) resolve();
    this.#dumps.clear();
    for (const resolve of this.#asked.values()) resolve([]);
    this.#asked.clear();
    this.#bell.close();
  }
}

/** A netfilter setting of this network namespace, or undefined where the kernel has none. */
export function sysctl(name: string): number | undefined {
  try {
    return Number(readFileSync(`/proc/sys/net/netfilter/${name}`, 'utf8'));
  } catch {
    return undefined;
  }
}

/** As many rows as the kernel allows connections, within reason. */
function tableRows(): number {
  return Math.min(Math.max(sysctl('nf_conntrack_max') ?? 262_144, 65_536), 4_194_304);
}

function kernelEpoch(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim() + readlinkSync('/proc/self/ns/net');
}
