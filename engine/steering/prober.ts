// The engine's side of the prober: says what to probe and where the rules point, hears what passes. The thread goes on
// by itself; one that dies is started anew and adopts what is in the kernel.
import { EventEmitter } from 'node:events';
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import type { Logger } from 'pino';
import { Bell } from '../netlink/socket.ts';
import type {
  PlacedInstance,
  ProberCommand,
  ProberCounters,
  ProberMessage,
  ProbeState,
  ProbeStatus,
} from './probing.ts';
import type { ProberSetup } from './prober.worker.ts';

const AGAIN_AFTER_MS = 1_000;

export type ProberEvents = {
  /** An instance passes or not, is alive or not: something of that has changed. */
  state: [ProbeState];
  /** These nftables generations are its doing. */
  wrote: [generations: readonly number[]];
};

interface Thread {
  worker: Worker;
  port: MessagePort;
  bell: Bell;
  ended: Promise<void>;
}

export class Prober extends EventEmitter<ProberEvents> {
  readonly #log: Logger;
  #thread: Thread | undefined;
  #watched: number[] | undefined;
  #placed: PlacedInstance[] | undefined;
  #again: NodeJS.Timeout | undefined;
  #stopped = false;
  #status = new Map<number, ProbeStatus>();
  #states = new Map<number, ProbeState>();
  /** Of the present thread, and of those before it. */
  #counted: Partial<ProberCounters> = {};
  #before: Record<string, number> = {};
  #crashes = 0;
  #isReady: () => void = () => {};
  /** What was alive before us is known; or the first thread is dead. */
  readonly ready = new Promise<void>((resolve) => (this.#isReady = resolve));

  constructor(log: Logger) {
    super();
    this.#log = log;
    this.#start();
  }

  get counters(): Record<string, number> {
    return { ...this.#sum(), 'steering.proberCrashes': this.#crashes };
  }

  /** Probes these instances, and no others. Before the first call: those that are alive in the kernel. */
  watch(numbers: readonly number[]): void {
    const sorted = numbers.toSorted((a, b) => a - b);
    if (sorted.join() === this.#watched?.join()) return;
    this.#watched = sorted;
    for (const known of [this.#status, this.#states])
      for (const number of known.keys()) if (!sorted.includes(number)) known.delete(number);
    this.#command({ kind: 'watch', numbers: sorted });
  }

  /** The enforcer has done a round: rules stand for these. */
  placed(instances: PlacedInstance[]): void {
    this.#placed = instances;
    this.#command({ kind: 'placed', instances });
  }

  state(number: number): ProbeState | undefined {
    return this.#states.get(number);
  }
  status(number: number): ProbeStatus | undefined {
    return this.#status.get(number);
  }

  /** Resolves when the thread is gone. What is in the kernel stays. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#again);
    this.#command({ kind: 'stop' });
    await this.#thread?.ended;
  }

  #start(): void {
    const { port1, port2 } = new MessageChannel();
    const bell = new Bell();
    const worker = new Worker(new URL('./prober.worker.ts', import.meta.url), {
      workerData: { bell: bell.fd, port: port2 } satisfies ProberSetup,
      transferList: [port2],
      name: 'prober',
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    });
    port1.on('message', (message: ProberMessage) => this.#take(message));
    worker.once('error', (error) => this.#log.error({ err: error }, 'the prober crashed'));
    const ended = new Promise<void>((resolve) =>
      worker.once('exit', () => {
        bell.close();
        port1.close();
        this.#thread = undefined;
        this.#isReady();
        resolve();
        if (!this.#stopped) this.#died();
      }),
    );
    this.#thread = { worker, port: port1, bell, ended };
    if (this.#watched) this.#command({ kind: 'watch', numbers: this.#watched });
    if (this.#placed) this.#command({ kind: 'placed', instances: this.#placed });
  }

  #died(): void {
    this.#crashes++;
    this.#before = this.#sum();
    this.#counted = {};
    this.#again = setTimeout(() => this.#start(), AGAIN_AFTER_MS);
  }

  #take(message: ProberMessage): void {
    if (message.kind === 'state') {
      const { state } = message;
      if (this.#watched?.includes(state.number) === false) return;
      this.#states.set(state.number, state);
      this.emit('state', state);
    } else if (message.kind === 'status') {
      this.#status = new Map(message.list.map((status) => [status.number, status]));
      this.#counted = message.counters;
    } else if (message.kind === 'wrote') this.emit('wrote', message.generations);
    else if (message.kind === 'ready') this.#isReady();
    else if (message.kind === 'failed')
      this.#log.error({ reason: message.message }, 'the prober failed and is started again');
  }

  #command(command: ProberCommand): void {
    if (!this.#thread) return;
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads has no origin
    this.#thread.port.postMessage(command);
    this.#thread.bell.ring();
  }

  #sum(): Record<string, number> {
    const sum = { ...this.#before };
    for (const [name, count] of Object.entries(this.#counted)) sum[name] = (sum[name] ?? 0) + count;
    return sum;
  }
}
