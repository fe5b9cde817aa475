// Keeps programs running where no init system does it: starts them, restarts the ones that die, stops them
// in reverse order. It is the parent of all of them; one per WOCLOUD_HOME; driven through a unix socket.
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, openSync, closeSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { paths } from '@wocloud/protocol/paths.ts';

/** A program to keep running. `stopSeconds`: patience between `stopSignal` and SIGKILL. */
export interface Service {
  name: string;
  command: string;
  args: string[];
  env?: Record<string, string>;
  stopSignal?: 'SIGTERM' | 'SIGINT';
  stopSeconds?: number;
}

export interface ServiceState {
  name: string;
  pid: number | null;
  restarts: number;
  since: number;
  lastExit: string;
}

const RESTART_MIN_MS = 200;
const RESTART_MAX_MS = 10_000;
/** A program that ran this long has earned a fresh, short delay. */
const HEALTHY_MS = 30_000;

class Supervised {
  readonly service: Service;
  readonly state: ServiceState;
  readonly #log: string;
  #child: ChildProcess | undefined;
  #timer: NodeJS.Timeout | undefined;
  #delay = RESTART_MIN_MS;
  #stopping = false;

  constructor(service: Service, log: string) {
    this.service = service;
    this.#log = log;
    this.state = { name: service.name, pid: null, restarts: 0, since: Date.now(), lastExit: '' };
  }

  start(): void {
    const out = openSync(this.#log, 'a', 0o640);
    const { command, args, env } = this.service;
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', out, out],
      detached: true,
    });
    closeSync(out);
    this.#child = child;
    this.state.pid = child.pid ?? null;
    this.state.since = Date.now();
    const ended = (why: string) => {
      if (this.#child !== child) return;
      this.#child = undefined;
      this.state.pid = null;
      this.state.lastExit = why;
      if (!this.#stopping) this.#restartLater();
    };
    child.on('error', (error) => ended(error.message));
    child.on('exit', (code, signal) => ended(signal ?? `exit ${code}`));
  }

  #restartLater(): void {
    if (Date.now() - this.state.since > HEALTHY_MS) this.#delay = RESTART_MIN_MS;
    this.#timer = setTimeout(() => {
      this.state.restarts++;
      this.start();
    }, this.#delay);
    this.#delay = Math.min(this.#delay * 2, RESTART_MAX_MS);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const child = this.#child;
    if (!child) return;
    const gone = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
    child.kill(this.service.stopSignal ?? 'SIGTERM');
    const patience = setTimeout(() => child.kill('SIGKILL'), (this.service.stopSeconds ?? 10) * 1000);
    await gone;
    clearTimeout(patience);
  }
}

async function body(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return JSON.parse(text);
}

function main(): void {
  const { run, log } = paths();
  mkdirSync(run, { recursive: true, mode: 0o755 });
  mkdirSync(log, { recursive: true, mode: 0o750 });
  const services = new Map<string, Supervised>();
  const socket = join(run, 'supervisor.sock');
  const server = createServer((request, response) => {
    const answer = (status: number, value: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    };
    void (async () => {
      const name = decodeURIComponent(request.url?.slice(1) ?? '');
      if (request.method === 'GET')
        return answer(
          200,
          [...services.values()].map((s) => s.state),
        );
      if (request.method === 'PUT') {
        const service = (await body(request)) as Service;
        // Declaring the same program again changes nothing; another command line replaces it.
        const present = services.get(service.name);
        if (present && JSON.stringify(present.service) === JSON.stringify(service))
          return answer(200, present.state);
        await present?.stop();
        const supervised = new Supervised(service, join(log, `${service.name}.log`));
        services.set(service.name, supervised);
        supervised.start();
        return answer(201, supervised.state);
      }
      await services.get(name)?.stop();
      services.delete(name);
      return answer(200, null);
    })().catch((error: unknown) => answer(500, { error: String(error) }));
  });
  const shutdown = async () => {
    server.close();
    for (const supervised of [...services.values()].toReversed()) await supervised.stop();
    rmSync(socket, { force: true });
    rmSync(join(run, 'supervisor.pid'), { force: true });
    process.exit(0);
  };
  process.on('SIGTERM', () => void shutdown());
  process.on('SIGINT', () => void shutdown());
  process.on('SIGHUP', () => {});
  rmSync(socket, { force: true });
  const mask = process.umask(0o077);
  server.listen(socket, () => {
    process.umask(mask);
    writeFileSync(join(run, 'supervisor.pid'), String(process.pid));
  });
}

if (import.meta.main) main();
