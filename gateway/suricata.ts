// The Suricata that is the wire: started, taken over when it already runs, started again when it dies or no longer
// answers. It outlives the daemon.
import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  fstatSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ask } from './command-socket.ts';
import { log } from './log.ts';
import { isRunning, residentKiB, running, withCommand, type Running } from './process-table.ts';
import { COMMAND_SOCKET, suricataConfig } from './suricata-config.ts';
import type { Options } from './options.ts';

const LOOK_EVERY_MS = 200;
const ASK_EVERY_MS = 2_000;
/** Silent for this long it hangs. Its commands are answered by a thread that never waits for packets. */
const ANSWER_MS = 10_000;
/** Rules are loaded before it answers: 30,000 take minutes where a processor is emulated. */
const START_MS = 600_000;
const RELOAD_MS = 600_000;
/** A run of this length was no failed start. */
const PROVEN_MS = 30_000;
const PAUSE_MS = { first: 250, most: 30_000 };
const MAX_LOG_BYTES = 1024 * 1024;
const BEGUN = 'Engine started.';

export type SuricataState = 'starting' | 'running' | 'failed';

export interface SuricataEvents {
  /** Its state is another one. */
  changed: () => void;
  /** It has come up, or was found up. */
  up: () => void;
  /** It ended this many times in a row before it had come up: what it died of was no packet. */
  failing: (times: number) => void;
  /** Whether a device is there. */
  devices?: (name: string) => boolean;
}

export class Suricata {
  restarts = 0;
  version = '';
  readonly #options: Options;
  readonly #events: SuricataEvents;
  readonly #args: readonly string[];
  readonly #isDevice: (name: string) => boolean;
  readonly #stop = new AbortController();
  #state: SuricataState = 'starting';
  #process: Running | undefined;
  /** How many were started. */
  #lives = 0;
  #up = Promise.withResolvers<void>();
  #upAt = 0;
  #reloading = 0;
  #wake: (() => void) | undefined;

  constructor(options: Options, events: SuricataEvents) {
    this.#options = options;
    this.#events = events;
    this.#isDevice = events.devices ?? isDevice;
    this.#args = ['-c', join(options.run, 'suricata.yaml'), '--af-packet'];
  }

  get state(): SuricataState {
    return this.#state;
  }
  get pid(): number | undefined {
    return this.#process?.pid;
  }
  get residentKiB(): number {
    return this.#process ? residentKiB(this.#process.pid) : 0;
  }

  /** Keeps it running until `stop`. */
  async run(): Promise<void> {
    let [failures, unborn] = [0, 0];
    this.#process = withCommand('suricata', this.#args)[0];
    if (this.#process) log(`Suricata runs already: ${this.#process.pid}`);
    while (!this.#stop.signal.aborted) {
      if (!this.#process) {
        await this.#devices();
        this.#process = this.#start();
        this.#lives++;
      }
      if (this.#process) await this.#watch(this.#process);
      if (this.#stop.signal.aborted) return;
      this.#process = undefined;
      const cameUp = this.#state === 'running';
      unborn = cameUp ? 0 : unborn + 1;
      if (cameUp) this.#up = Promise.withResolvers<void>();
      this.restarts++;
      failures = cameUp && performance.now() - this.#upAt > PROVEN_MS ? 0 : failures + 1;
      log(`Suricata ended; see ${this.#logFile}`);
      this.#become(failures > 2 ? 'failed' : 'starting');
      if (unborn > 0) this.#events.failing(unborn);
      if (failures > 1)
        await this.#pause(Math.min(PAUSE_MS.most, PAUSE_MS.first * 2 ** Math.min(failures, 10)));
    }
  }

  /**
   * Resolves once a running Suricata has read the rules that are on disk now, by being told to or because it has just
   * begun. Throws CommandError when it does not want to.
   */
  async load(): Promise<void> {
    const lives = this.#lives;
    for (;;) {
      await this.#up.promise;
      const child = this.#process;
      if (this.#lives !== lives) return;
      this.#reloading++;
      try {
        await this.#ask('reload-rules', RELOAD_MS);
        return;
      } catch (error) {
        if (this.#state === 'running' && child && isRunning(child)) throw error;
      } finally {
        this.#reloading--;
      }
    }
  }

  /** Signatures in force, and those it could not read. */
  async signatures(): Promise<{ loaded: number; refused: number }> {
    const answer = (await this.#ask('ruleset-stats', ANSWER_MS)) as
      | { rules_loaded?: number; rules_failed?: number }[]
      | undefined;
    return { loaded: answer?.[0]?.rules_loaded ?? 0, refused: answer?.[0]?.rules_failed ?? 0 };
  }

  /** No longer looks after it; it goes on running. */
  stop(): void {
    this.#stop.abort();
    this.#wake?.();
  }

  get #logFile(): string {
    return join(this.#options.run, 'suricata.log');
  }

  #ask(command: string, timeoutMs: number): Promise<unknown> {
    return ask(join(this.#options.run, COMMAND_SOCKET), command, timeoutMs);
  }

  /** Resolves once both ends of the wire are there. */
  async #devices(): Promise<void> {
    while (!this.#stop.signal.aborted && !['in0', 'in1'].every(this.#isDevice))
      await this.#pause(LOOK_EVERY_MS);
  }

  #start(): Running | undefined {
    const { run, memoryMiB, cpus } = this.#options;
    const mirror = ['mir0', 'mir1'].every(this.#isDevice);
    writeFileSync(join(run, 'suricata.yaml'), suricataConfig({ run, memoryMiB, cpus, mirror }, 'wire'));
    rmSync(join(run, COMMAND_SOCKET), { force: true });
    const output = openSync(this.#logFile, 'a', 0o600);
    try {
      ftruncateSync(output);
      // A session of its own and no pipe to us: our end is not its end.
      const child = spawn(this.#options.suricata, this.#args, {
        cwd: run,
        detached: true,
        stdio: ['ignore', output, output],
      });
      child.on('error', (error) => log(`Suricata cannot be started: ${error.message}`));
      child.on('exit', () => this.#wake?.());
      child.unref();
      return child.pid === undefined ? undefined : running(child.pid);
    } finally {
      closeSync(output);
    }
  }

  /** Resolves when it has ended, of itself or because it hung. */
  async #watch(child: Running): Promise<void> {
    const since = performance.now();
    let askedAt = -Infinity;
    while (isRunning(child) && !this.#stop.signal.aborted) {
      const now = performance.now();
      if (this.#state !== 'running') {
        if (this.#hasBegun(child) && (await this.#answers('version', 1_000))) await this.#come();
        else if (now - since > START_MS) this.#kill(child, 'does not come up');
      } else if (this.#reloading === 0 && now - askedAt > ASK_EVERY_MS) {
        askedAt = now;
        const answers = await this.#answers('uptime', ANSWER_MS);
        if (!answers && this.#reloading === 0 && isRunning(child)) this.#kill(child, 'hangs');
        this.#boundLog();
      }
      await this.#pause(LOOK_EVERY_MS);
    }
  }

  /** Its commands are answered before the first packet passes: only what it prints tells when one does. */
  #hasBegun({ pid, started }: Running): boolean {
    const mark = join(this.#options.run, 'begun');
    if (read(mark) === `${pid} ${started}`) return true;
    if (!read(this.#logFile).includes(BEGUN)) return false;
    writeFileSync(mark, `${pid} ${started}`);
    return true;
  }

  async #come(): Promise<void> {
    this.version = String(await this.#ask('version', ANSWER_MS).catch(() => ''))
      .replace(/ .*/, '')
      .slice(0, 64);
    this.#become('running');
    this.#upAt = performance.now();
    this.#up.resolve();
    this.#events.up();
  }

  async #answers(command: string, timeoutMs: number): Promise<boolean> {
    return this.#ask(command, timeoutMs).then(
      () => true,
      () => false,
    );
  }

  #kill({ pid }: Running, why: string): void {
    log(`Suricata ${why}: killed`);
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has just ended by itself.
    }
  }

  #boundLog(): void {
    const file = openSync(this.#logFile, 'a', 0o600);
    if (fstatSync(file).size > MAX_LOG_BYTES) ftruncateSync(file);
    closeSync(file);
  }

  #become(state: SuricataState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#events.changed();
  }

  /** Waits, but not when there is something to look at. */
  async #pause(ms: number): Promise<void> {
    const wake = new AbortController();
    this.#wake = () => wake.abort();
    await delay(ms, undefined, { signal: wake.signal }).catch(() => {});
    this.#wake = undefined;
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

const isDevice = (name: string): boolean => existsSync(`/sys/class/net/${name}`);
