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
  /** An output was longer than the channel carries (8 MiB) and is cut. */
  readonly truncated: boolean;
}

interface Answer {
  readonly id?: string;
  readonly error?: string;
  readonly boot?: string;
  readonly job?: number;
  readonly running?: boolean;
  readonly code?: number;
  readonly timedOut?: boolean;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly truncated?: boolean;
}

// How long one request may hold the channel while its job runs; others get in between.
const HOLD_MS = 250;
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

  /** Waits until the guest answers; its boot id. */
  async ready(timeoutMs = 60_000): Promise<string> {
    const end = performance.now() + timeoutMs;
    let cause: unknown;
    while (performance.now() < end) {
      try {
        const answer = await this.#ask({ op: 'hello' }, Math.min(1_000, end - performance.now()));
        this.#greeted = true;
        return answer.boot ?? '';
      } catch (error) {
        cause = error;
        await delay(50);
      }
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
    let answer = await this.#ask({
      op: 'start',
      argv,
      env: options.env ?? {},
      stdin: Buffer.from(options.stdin ?? '').toString('base64'),
      timeout: timeout / 1000,
      wait: HOLD_MS,
    });
    const end = performance.now() + timeout + ANSWER_MS;
    for (let pause = 5; answer.running; pause = Math.min(pause * 2, 100)) {
      if (performance.now() > end)
        throw new LabExecError('unreachable', `${this.#name}: job ${answer.job} never ended`);
      await delay(pause);
      answer = await this.#ask({ op: 'wait', job: answer.job, wait: HOLD_MS });
    }
    const text = (data: string | undefined): string => Buffer.from(data ?? '', 'base64').toString('utf8');
    const result = {
      code: answer.code ?? 0,
      stdout: text(answer.stdout),
      stderr: text(answer.stderr),
      truncated: answer.truncated === true,
    };
    if (answer.timedOut)
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

  #ask(request: object, timeoutMs = ANSWER_MS): Promise<Answer> {
    const next = this.#turn.then(() => this.#transact(request, timeoutMs));
    this.#turn = next.catch(() => {});
    return next;
  }

  #transact(request: object, timeoutMs: number): Promise<Answer> {
    const id = randomUUID();
    return new Promise((done, fail) => {
      const socket = connect(this.#socket);
      let pending = '';
      const finish = (error?: Error, answer?: Answer): void => {
        clearTimeout(timer);
        socket.destroy();
        if (answer === undefined) fail(error);
        else if (answer.error === undefined) done(answer);
        else fail(new LabExecError('refused', `${this.#name}: ${answer.error}`));
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
          // Rests of an answer to somebody who left are not ours.
          let answer: Answer | undefined;
          try {
            answer = JSON.parse(line) as Answer;
          } catch {
            continue;
          }
          if (answer.id === id) finish(undefined, answer);
        }
      });
      // The leading newline ends whatever half a line somebody left in the channel.
      socket.write(`\n${JSON.stringify({ ...request, id })}\n`);
    });
  }
}
