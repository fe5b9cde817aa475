// Progress as people read it: one line per step, with its time, updated in place on a terminal.
const terminal = process.stderr.isTTY;
const dim = (text: string) => (terminal && !process.env['NO_COLOR'] ? `\x1b[2m${text}\x1b[0m` : text);

/** A failure that has been explained to the person already thought through: printed without a stack. */
export class LauncherError extends Error {
  /** What to do next. */
  readonly action: string;
  readonly exitCode: number;
  constructor(message: string, action: string, options: ErrorOptions & { exitCode?: number } = {}) {
    super(message, options);
    this.action = action;
    this.exitCode = options.exitCode ?? 1;
  }
}

export interface Step {
  /** Replaces the words after the title while the step runs. */
  say(detail: string): void;
}

/** Runs `work` as a named step. A thrown error ends the line with "failed" and goes on to the caller. */
export async function step<T>(title: string, work: (step: Step) => Promise<T>): Promise<T> {
  const began = performance.now();
  const took = () => dim(`${((performance.now() - began) / 1000).toFixed(1)} s`);
  const write = (text: string) => process.stderr.write(text);
  let last = '';
  if (terminal) write(`  … ${title}`);
  const say = (detail: string) => {
    if (detail === last) return;
    last = detail;
    write(terminal ? `\r\x1b[2K  … ${title} ${dim(detail.slice(0, 80))}` : `  … ${title}: ${detail}\n`);
  };
  try {
    const result = await work({ say });
    write(`${terminal ? '\r\x1b[2K' : ''}  ✓ ${title} ${took()}\n`);
    return result;
  } catch (error) {
    write(`${terminal ? '\r\x1b[2K' : ''}  ✗ ${title} failed ${took()}\n`);
    throw error;
  }
}
