/**
 * The lab-only exec channel: runs programs in a lab guest over its virtio-serial port, with no network. Each
 * request is a connection of its own, so several processes may use it; long jobs are polled, never block it.
 */
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

export const LAB_PORT = 'org.wocloud.lab.0';

export class LabExecError extends Error {
  /** `unreachable`: no answer in time; `timeout`: the program was killed; `refused`: the guest said no. */
  readonly code: 'unreachable' | 'timeout' | 'refused';
  constructor(code: LabExecError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export interface ExecOptions {
  /** The program is killed in the guest after so many ms (default 30,000), and exec throws. */
  readonly timeout?: number;
  readonly stdin?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
}

export interface ExecResult {
  /** Exit status; negative: ended by that signal. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** An output was longer than the channel carries (2 MiB) and is cut. */
  readonly truncated: boolean;
}

/** An answer's fields, by name; texts are still in base64. */
type Answer = ReadonlyMap<string, string>;

// How long one request may hold the channel while its job runs; others get in between.
const HOLD_S = 0.25;
const ANSWER_MS = 10_000;

/** Exec into one guest, through the host's socket of its port. */
export class GuestExec {
  readonly #socket: string;
  readonly #name: string;
  #turn: Promise<unknown> = Promise.resolve();
  #greeted = false;

  constructor(name: string, socket: string) {
    this.#name = name;
    this.#socket = socket;
  }

  /** Waits until the guest answers and its services are up; its boot id. */
  async ready(timeoutMs = 60_000): Promise<string> {
    const end = performance.now() + timeoutMs;
    let cause: unknown;
    while (performance.now() < end) {
      try {
        const answer = await this.#ask(['hello'], Math.min(1_000, end - performance.now()));
        if (answer.get('services') === '1') {
          this.#greeted = true;
          return answer.get('boot') ?? '';
        }
      } catch (error) {
        cause = error;
      }
      await delay(50);
    }
    throw new LabExecError('unreachable', `${this.#name}: no answer on ${LAB_PORT} within ${timeoutMs} ms`, {
      cause,
    });
  }

  /** Runs a program (argv), or a line of shell; resolves with its exit status, whatever it is. */
  async exec(command: string | readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    const timeout = options.timeout ?? 30_000;
    // A request sent while the guest boots would reach its next agent later, when nobody waits for it.
    if (!this.#greeted) await this.ready(timeout);
    const argv = typeof command === 'string' ? ['sh', '-c', command] : command;
    const environment = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);
    const [words, settings, stdin] = [argv.join('\0'), environment.join('\0'), options.stdin ?? ''].map(
      encode,
    );
    let answer = await this.#ask(['start', timeout / 1000, HOLD_S, words, settings, stdin]);
    const end = performance.now() + timeout + ANSWER_MS;
    for (let pause = 5; answer.get('running') === '1'; pause = Math.min(pause * 2, 100)) {
      if (performance.now() > end)
        throw new LabExecError('unreachable', `${this.#name}: ${argv.join(' ')}: never ended`);
      await delay(pause);
      answer = await this.#ask(['wait', answer.get('job'), HOLD_S]);
    }
    const result = {
      code: Number(answer.get('code')),
      stdout: decode(answer.get('stdout')),
      stderr: decode(answer.get('stderr')),
      truncated: answer.get('truncated') === '1',
    };
    if (answer.get('timedOut') === '1')
      throw new LabExecError(
        'timeout',
        `${this.#name}: ${argv.join(' ')}: killed after ${timeout} ms; ${result.stdout}${result.stderr}`,
      );
    return result;
  }

  /** Standard output of a program that must succeed; throws with its standard error otherwise. */
  async output(command: string | readonly string[], options: ExecOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.exec(command, options);
    if (code !== 0)
      throw new LabExecError(
        'refused',
        `${this.#name}: ${typeof command === 'string' ? command : command.join(' ')}: exit ${code}: ${stderr}${stdout}`,
      );
    return stdout;
  }

  #ask(request: readonly unknown[], timeoutMs = ANSWER_MS): Promise<Answer> {
    const next = this.#turn.then(() => this.#transact(request, timeoutMs));
    this.#turn = next.catch(() => {});
    return next;
  }

  #transact(request: readonly unknown[], timeoutMs: number): Promise<Answer> {
    const id = randomUUID();
    return new Promise((done, fail) => {
      const socket = connect(this.#socket);
      let pending = '';
      const finish = (error?: Error, answer?: Answer): void => {
        clearTimeout(timer);
        socket.destroy();
        if (answer === undefined) fail(error);
        else if (!answer.has('error')) done(answer);
        else fail(new LabExecError('refused', `${this.#name}: ${decode(answer.get('error'))}`));
      };
      const unreachable = (what: string, cause?: unknown): LabExecError =>
        new LabExecError('unreachable', `${this.#name}: ${what}`, { cause });
      const timer = setTimeout(() => finish(unreachable(`no answer within ${timeoutMs} ms`)), timeoutMs);
      socket.setEncoding('utf8');
      socket.once('error', (cause) => finish(unreachable(cause.message, cause)));
      socket.once('close', () => finish(unreachable('the channel was closed')));
      socket.on('data', (text: string) => {
        pending += text;
        const lines = pending.split('\n');
        pending = lines.pop() ?? '';
        for (const line of lines) {
          // Rests of an answer to somebody who left do not carry our id.
          const [whose, ...fields] = line.split(' ');
          if (whose === id) finish(undefined, new Map(fields.map(field)));
        }
      });
      // The leading newline ends whatever half a line somebody left in the channel.
      socket.write(`\n${id} ${request.join(' ')}\n`);
    });
  }
}

// "-" stands for nothing, so that every field of a line has a length.
const encode = (data: string | Buffer): string => Buffer.from(data).toString('base64') || '-';
const decode = (text = '-'): string => (text === '-' ? '' : Buffer.from(text, 'base64').toString('utf8'));

const field = (text: string): [string, string] => {
  const at = text.indexOf('=');
  return [text.slice(0, at), text.slice(at + 1)];
};
