// The built console as static files; unknown paths that a browser navigates to are its own routes.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { PlatformError } from '../errors.ts';
import { sendProblem } from './problems.ts';

/** Serves `dir` at /. Without a built console only the API answers. */
export async function serveConsole(app: FastifyInstance, dir: string): Promise<void> {
  const built = existsSync(join(dir, 'index.html'));
  if (built)
    await app.register(fastifyStatic, {
      root: dir,
      wildcard: true,
      cacheControl: false,
      setHeaders(reply, path) {
        // Built files carry their digest in their name; the page that names them must be fresh.
        const fixed = path.startsWith(join(dir, 'assets'));
        reply.header('cache-control', fixed ? 'public, max-age=31536000, immutable' : 'no-cache');
      },
    });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0] ?? '/';
    const navigates = request.method === 'GET' && (request.headers.accept ?? '').includes('text/html');
    if (built && navigates && !path.startsWith('/v1/'))
      return reply.header('cache-control', 'no-cache').sendFile('index.html');
    return sendProblem(
      reply,
      new PlatformError('not-found', `There is nothing at ${request.method} ${path}.`),
    );
  });
}
