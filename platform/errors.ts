// The platform's errors: one class, a stable code, and words a person can act on.
import { PROBLEMS, type Problem, type ProblemCode, type ProblemDetail } from '@wocloud/protocol/problem.ts';

/** Becomes problem+json in http/problems.ts. `detail` says what happened, to what, and what to do; never a secret. */
export class PlatformError extends Error {
  readonly code: ProblemCode;
  readonly details: readonly ProblemDetail[];
  /** Seconds after which trying again makes sense. */
  readonly retryAfter: number | undefined;
  constructor(
    code: ProblemCode,
    detail: string,
    options: { details?: readonly ProblemDetail[]; cause?: unknown; retryAfter?: number } = {},
  ) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PlatformError';
    this.code = code;
    this.details = options.details ?? [];
    this.retryAfter = options.retryAfter;
  }
  get status(): number {
    return PROBLEMS[this.code];
  }
}

/** 404: there is no such thing, or it is not the caller's. */
export const notFound = (what: string, name: string): PlatformError =>
  new PlatformError('not-found', `There is no ${what} "${name}".`);

const TITLES: Record<ProblemCode, string> = {
  'bad-request': 'Bad request',
  'invalid-document': 'Invalid document',
  unauthenticated: 'Not signed in',
  'wrong-credentials': 'Wrong name or password',
  forbidden: 'Not allowed',
  'not-found': 'Not found',
  conflict: 'Conflict',
  'stale-version': 'Changed meanwhile',
  'too-large': 'Too large',
  'too-many-requests': 'Too many requests',
  unavailable: 'Temporarily unavailable',
  internal: 'Internal error',
};

/** The RFC 9457 body of an error. */
export function problemOf(error: PlatformError): Problem {
  return {
    type: `urn:wocloud:problem:${error.code}`,
    title: TITLES[error.code],
    status: error.status,
    code: error.code,
    detail: error.message,
    ...(error.details.length ? { errors: [...error.details] } : {}),
  };
}
