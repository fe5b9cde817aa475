// The HTTP server: every operation of the table, health, OpenAPI and the console. Listens nowhere by itself.
import cookie from '@fastify/cookie';
import rateLimit from '@fastify/rate-limit';
import Fastify, { LogController, type FastifyInstance } from 'fastify';
import { OPERATIONS, type Operation, type OperationId } from '@wocloud/protocol/api.ts';
import { PlatformError } from '../errors.ts';
import type { Handler, Handlers } from '../handler.ts';
import { serveConsole } from './console.ts';
import { healthRoutes } from './health.ts';
import { openapi } from './openapi.ts';
import { platformError, sendProblem } from './problems.ts';
import { addRoute, type RouteOptions } from './route.ts';
import { secureHeaders } from './security.ts';
import { acceptYaml } from './yaml.ts';

export interface HttpOptions extends RouteOptions {
  handlers: Partial<Handlers>;
  version: string;
}

/** Builds the server. An operation without a handler answers 503 `unavailable`; a test forbids that for `main`. */
export async function buildHttp(options: HttpOptions): Promise<FastifyInstance> {
  const { context, handlers, version } = options;
  const app = Fastify({
    loggerInstance: context.log,
    logController: new LogController({ disableRequestLogging: true }),
    routerOptions: { maxParamLength: 512 },
    forceCloseConnections: true,
    requestTimeout: 30_000,
    // Validation is ours (route.ts): it runs after the caller is known.
  }) as unknown as FastifyInstance;
  app.setErrorHandler((error, _request, reply) => sendProblem(reply, platformError(error, context.log)));
  secureHeaders(app, context.config.secureCookies);
  await app.register(cookie);
  await app.register(rateLimit, {
    global: false,
    errorResponseBuilder: (_request, { ttl }) =>
      new PlatformError(
        'too-many-requests',
        'Too many attempts to sign in from this address; wait a minute.',
        {
          retryAfter: ttl / 1000,
        },
      ),
  });
  acceptYaml(app);
  healthRoutes(app, context.db);
  const description = JSON.stringify(openapi(version));
  app.get('/v1/openapi.json', async (_request, reply) => reply.type('application/json').send(description));
  for (const [id, operation] of Object.entries(OPERATIONS) as [OperationId, Operation][]) {
    const missing: Handler<OperationId> = () =>
      Promise.reject(new PlatformError('unavailable', `${id} is not available here.`));
    addRoute(app, id, operation, handlers[id] ?? missing, options);
  }
  await serveConsole(app, context.config.consoleDir);
  return app;
}
