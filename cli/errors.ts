// What went wrong, as an exit code for scripts and a sentence with a next step for people.
import { ApiError } from '@wocloud/protocol/client.ts';
import { formatDetail } from '@wocloud/protocol/documents.ts';

/** Documented in `wocloud --help` and docs; 1 is an answer (differs, not healthy), not a failure. */
export const EXIT = {
  ok: 0,
  differs: 1,
  usage: 2,
  unauthenticated: 3,
  notFound: 4,
  unreachable: 5,
  refused: 6,
  internal: 70,
} as const;

export class CliError extends Error {
  readonly exitCode: number;
  readonly action: string;
  constructor(message: string, exit: keyof typeof EXIT, action: string) {
    super(message);
    this.exitCode = EXIT[exit];
    this.action = action;
  }
}

/** Error → lines for stderr and the exit code. */
export function explain(error: unknown): { lines: string[]; exitCode: number } {
  if (error instanceof CliError)
    return {
      lines: [error.message, ...(error.action ? [`  ${error.action}`] : [])],
      exitCode: error.exitCode,
    };
  if (error instanceof ApiError) {
    const { problem } = error;
    const details = (problem.errors ?? []).map((d) => `  ${formatDetail(d)}`);
    const known: Record<string, [keyof typeof EXIT, string]> = {
      unauthenticated: ['unauthenticated', 'Sign in: wocloud login'],
      'wrong-credentials': ['unauthenticated', ''],
      forbidden: ['unauthenticated', 'Ask someone whose role allows it.'],
      'not-found': ['notFound', 'List what there is: wocloud get KIND'],
      unreachable: ['unreachable', 'Is it running? Start it: ./wocloud up'],
      unavailable: ['unreachable', 'Try again in a moment.'],
      'stale-version': [
        'refused',
        'Someone changed it meanwhile. Look at theirs (wocloud get … -o yaml), then apply again.',
      ],
    };
    const [exit, action] = known[problem.code] ?? ['refused', ''];
    return {
      lines: [problem.detail || problem.title, ...details, ...(action ? [`  ${action}`] : [])],
      exitCode: EXIT[exit],
    };
  }
  return {
    lines: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
    exitCode: EXIT.internal,
  };
}
