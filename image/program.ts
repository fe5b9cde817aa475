/** Runs other programs: what they printed, or an error that says which one failed and why. */
import { spawn } from 'node:child_process';

export class ProgramError extends Error {
  readonly code = 'program-failed';
  readonly argv: readonly string[];
  readonly status: number | null;
  readonly stderr: string;
  constructor(argv: readonly string[], status: number | null, stderr: string) {
    super(
      `${argv.join(' ')}: ${status === null ? 'ended by a signal' : `exit ${status}`}: ${stderr.trim().slice(-2000)}`,
    );
    this.argv = argv;
    this.status = status;
    this.stderr = stderr;
  }
}

export interface ProgramOptions {
  readonly input?: string | Buffer;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Called with each whole line of standard error. */
  readonly onLine?: (line: string) => void;
  /** The program is killed after so many ms. */
  readonly timeoutMs?: number;
}

/** Standard output of a program as bytes; throws ProgramError when it does not exit with 0. */
export function programBytes(argv: readonly string[], options: ProgramOptions = {}): Promise<Buffer> {
  const [command, ...args] = argv;
  return new Promise((done, fail) => {
    const child = spawn(command as string, args, {
      stdio: 'pipe',
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      env: { ...process.env, LC_ALL: 'C.UTF-8', ...options.env },
      ...(options.timeoutMs === undefined
        ? {}
        : { timeout: options.timeoutMs, killSignal: 'SIGKILL' as const }),
    });
    const out: Buffer[] = [];
    let stderr = '';
    let partial = '';
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      const lines = (partial + text).split('\n');
      partial = lines.pop() ?? '';
      for (const line of lines) options.onLine?.(line);
    });
    child.once('error', (cause) => fail(new Error(`cannot run ${command}: ${cause.message}`, { cause })));
    child.once('close', (status) =>
      status === 0 ? done(Buffer.concat(out)) : fail(new ProgramError(argv, status, stderr)),
    );
    child.stdin.on('error', () => {}); // the program may end without reading all of it
    child.stdin.end(options.input ?? '');
  });
}

/** Standard output of a program as text; throws ProgramError when it does not exit with 0. */
export async function program(argv: readonly string[], options: ProgramOptions = {}): Promise<string> {
  return (await programBytes(argv, options)).toString('utf8');
}
