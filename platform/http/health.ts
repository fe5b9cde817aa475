// Two questions of whoever keeps us running: is the process alive, and can it serve?
import type { FastifyInstance } from 'fastify';
import type { Database } from '../database/database.ts';
import { PlatformError } from '../errors.ts';
import { sendProblem } from './problems.ts';

/** /healthz: 200 while the process answers. /readyz: 200 while the database answers as well, else 503. */
export function healthRoutes(app: FastifyInstance, db: Database): void {
  app.get('/healthz', async (_request, reply) => reply.type('text/plain').send('ok\n'));
  app.get('/readyz', async (_request, reply) => {
    try {
      await db.query('SELECT 1');
      return await reply.type('text/plain').send('ready\n');
    } catch {
      return sendProblem(
        reply,
        new PlatformError('unavailable', 'The database cannot be reached.', { retryAfter: 1 }),
      );
    }
  });
}
