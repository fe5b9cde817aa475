// GET /metrics for Prometheus: to this machine, or to whoever has the token.
import type { FastifyInstance } from 'fastify';
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Metrics } from './metrics.ts';

const LOOPBACK = /^(127\.|::1$|::ffff:127\.)/;
const digest = (text: string) => createHash('sha256').update(text).digest();

/**
 * Adds the route. `token`: callers from elsewhere send it as a bearer token; without one only this machine is
 * answered. A request that a proxy forwarded is not this machine's.
 */
export function metricsRoute(app: FastifyInstance, metrics: Metrics, token: string | undefined): void {
  app.get('/metrics', async (request, reply) => {
    const bearer = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1];
    const known =
      token !== undefined && bearer !== undefined && timingSafeEqual(digest(bearer), digest(token));
    const local =
      LOOPBACK.test(request.socket.remoteAddress ?? '') &&
      request.headers['x-forwarded-for'] === undefined &&
      request.headers['forwarded'] === undefined;
    if (!known && !local) return reply.code(404).type('text/plain').send('not found\n');
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
}
