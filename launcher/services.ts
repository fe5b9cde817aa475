// The launcher's side of the supervisor: bring it up, declare programs, ask, take down.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { paths } from '@wocloud/protocol/paths.ts';
import { LauncherError } from './steps.ts';
import type { Service, ServiceState } from './supervisor.ts';

const socketPath = () => join(paths().run, 'supervisor.sock');

function ask(method: string, path: string, value?: unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: socketPath(), method, path, timeout: 60_000 }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => {
        if ((response.statusCode ?? 500) < 400) resolve(JSON.parse(text || 'null'));
        else reject(new Error(`supervisor: ${text}`));
      });
    });
    call.on('error', reject);
    call.on('timeout', () => call.destroy(new Error('supervisor did not answer in 60 s')));
    call.end(value === undefined ? undefined : JSON.stringify(value));
  });
}

/** States of all supervised programs, or undefined when no supervisor runs. */
export async function listServices(): Promise<ServiceState[] | undefined> {
  if (!existsSync(socketPath())) return undefined;
  return (await ask('GET', '/').catch(() => undefined)) as ServiceState[] | undefined;
}

/** Starts the supervisor unless it runs. Under tini where PID 1 is no init, so that orphans are reaped. */
export async function ensureSupervisor(): Promise<void> {
  if (await listServices()) return;
  const { run, log } = paths();
  mkdirSync(run, { recursive: true });
  mkdirSync(log, { recursive: true, mode: 0o750 });
  rmSync(socketPath(), { force: true });
  const out = openSync(join(log, 'supervisor.log'), 'a', 0o640);
  const program = [process.execPath, join(import.meta.dirname, 'supervisor.ts')];
  const [command = '', ...args] = existsSync('/usr/bin/tini')
    ? ['/usr/bin/tini', '-s', '--', ...program]
    : program;
  spawn(command, args, { detached: true, stdio: ['ignore', out, out], cwd: '/' }).unref();
  for (let waited = 0; waited < 10_000; waited += 50) {
    if (await listServices()) return;
    await wait(50);
  }
  throw new LauncherError('The supervisor did not start within 10 s', `See ${join(log, 'supervisor.log')}`);
}

/** Declares a program: started when new, restarted when its command line changed, left alone otherwise. */
export async function ensureService(service: Service): Promise<ServiceState> {
  return (await ask('PUT', '/', service)) as ServiceState;
}

export async function stopService(name: string): Promise<void> {
  await ask('DELETE', `/${encodeURIComponent(name)}`);
}

/** Stops every program, last started first, and the supervisor. True when one was running. */
export async function stopSupervisor(): Promise<boolean> {
  if (!(await listServices())) return false;
  const pid = Number(readFileSync(join(paths().run, 'supervisor.pid'), 'utf8'));
  process.kill(pid, 'SIGTERM');
  for (let waited = 0; waited < 60_000; waited += 100) {
    if (!existsSync(`/proc/${pid}`)) return true;
    await wait(100);
  }
  throw new LauncherError(
    `The supervisor (process ${pid}) did not stop within 60 s`,
    `Look at ${paths().log}, then: kill -9 ${pid}`,
  );
}
