// The one place where an error becomes an answer: problem+json with a stable code. What we did not expect is
// logged in full and told as `internal`, without its inside.
import type { FastifyReply } from 'fastify';
import type { Logger } from 'pino';
import { isAway } from '../database/database.ts';
import { PlatformError, problemOf } from '../errors.ts';

/** Any error as one of ours. */
export function platformError(error: unknown, log: Logger): PlatformError {
  if (error instanceof PlatformError) return error;
  if (isAway(error))
    return new PlatformError(
      'unavailable',
      'The database cannot be reached just now; try again in a moment.',
      {
        cause: error,
        retryAfter: 1,
      },
    );
  const { statusCode, code, message } = error as { statusCode?: number; code?: string; message?: string };
  if (statusCode === 413)
    return new PlatformError('too-large', 'The request is larger than what is accepted here.');
  if (statusCode === 415)
    return new PlatformError(
      'bad-request',
      'Send application/json (or application/yaml where documents are taken).',
    );
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500)
    return new PlatformError('bad-request', message ?? 'The request cannot be read.', { cause: error });
  // Two writers met: the database let one of them win. Trying again works.
  if (code === '40001' || code === '40P01')
    return new PlatformError('conflict', 'Somebody changed the same thing at the same time; try again.', {
      cause: error,
    });
  log.error({ err: error }, 'unexpected error');
  return new PlatformError('internal', "Something went wrong inside; the platform's log has the details.", {
    cause: error,
  });
}

export function sendProblem(reply: FastifyReply, error: PlatformError): FastifyReply {
  if (error.retryAfter !== undefined) void reply.header('retry-after', String(Math.ceil(error.retryAfter)));
  if (error.status === 401) void reply.header('www-authenticate', 'Bearer realm="wocloud"');
  return reply
    .code(error.status)
    .header('cache-control', 'no-store')
    .type('application/problem+json; charset=utf-8')
    .send(JSON.stringify(problemOf(error)));
}
