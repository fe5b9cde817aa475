// The whole of Wocloud on real VMs, started as a person starts it, for tests that use its public faces only.
import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createClient, type Client } from '@wocloud/protocol/client.ts';
import { gatewayImages } from '@wocloud/protocol/paths.ts';
import { defaultCacheDir } from '../image/build.ts';
import { attachLab, type Lab } from '../lab.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const WOCLOUD = join(ROOT, 'wocloud');

export interface Ran {
  code: number;
  out: string;
  err: string;
}

export interface Stack {
  home: string;
  url: string;
  lab: Lab;
  /** As the first administrator. */
  client: Client;
  token: string;
  /** `./wocloud …` as the first administrator, or with another token. */
  cli(args: string[], options?: { token?: string; input?: string }): Promise<Ran>;
  /** `./wocloud up --lab` again. */
  up(): Promise<Ran>;
  down(): Promise<Ran>;
}

/** A TCP port of the loopback that nobody has just now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function run(command: string, args: string[], env: Record<string, string>, input?: string): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(
      command,
      args,
      { env: { ...process.env, ...env }, maxBuffer: 1 << 26 },
      (_, out, err) => resolve({ code: child.exitCode ?? -1, out, err }),
    );
    child.stdin?.end(input);
  });
}

/** Asks until the answer is not undefined; the assertion of "within `ms`". Returns the answer and how long it took. */
export async function within<T>(
  ms: number,
  what: string,
  ask: () => Promise<T | undefined>,
): Promise<{ value: T; took: number }> {
  const began = performance.now();
  let last: unknown;
  for (;;) {
    try {
      const value = await ask();
      if (value !== undefined) return { value, took: performance.now() - began };
    } catch (error) {
      last = error;
    }
    if (performance.now() - began > ms) throw new Error(`${what}: not within ${ms} ms`, { cause: last });
    await pause(25);
  }
}

/** Boots a scenario with everything around it. The caller ends it with `down`. */
export async function startStack(scenario: string): Promise<Stack> {
  const home = mkdtempSync('/tmp/wo-');
  const port = String(await freePort());
  const env = {
    WOCLOUD_HOME: home,
    WOCLOUD_CACHE: defaultCacheDir(),
    WOCLOUD_GATEWAYS: gatewayImages(),
    NO_COLOR: '1',
    XDG_CONFIG_HOME: join(home, 'xdg'),
  };
  const url = `http://127.0.0.1:${port}`;
  const up = () =>
    run(WOCLOUD, ['up', '--lab', '--yes', '--scenario', scenario, '--port', port, '--link-port', '0'], env);
  const down = async () => {
    const result = await run(WOCLOUD, ['down', '--purge'], env);
    rmSync(home, { recursive: true, force: true });
    return result;
  };
  const started = await up();
  if (started.code !== 0) {
    const logs = await run('sh', ['-c', `tail -n 30 ${home}/log/*.log`], {});
    await down();
    throw new Error(`up failed (${started.code}):\n${started.err}\n${logs.out}`);
  }
  const login = await run(
    WOCLOUD,
    ['login', url, '-u', 'admin', '--password-file', join(home, 'admin-password')],
    env,
  );
  if (login.code !== 0) throw new Error(`login failed: ${login.err}`);
  const { token } = JSON.parse((await run('cat', [join(home, 'xdg/wocloud/credentials.json')], {})).out) as {
    token: string;
  };
  const lab = await attachLab(join(home, 'lab', scenario));
  if (!lab) throw new Error('the lab that up started cannot be found');
  return {
    home,
    url,
    lab,
    token,
    client: createClient({ baseUrl: url, token }),
    cli: (args, options = {}) =>
      run(
        WOCLOUD,
        args,
        { ...env, WOCLOUD_URL: url, ...(options.token ? { WOCLOUD_TOKEN: options.token } : {}) },
        options.input,
      ),
    up,
    down,
  };
}

/** Lines of a `wocloud` command that goes on (`flows -f`), as they come. `stop` ends it. */
export function follow(
  stack: Stack,
  args: string[],
): { lines: { text: string; at: number }[]; stop(): void } {
  const env = { ...process.env, WOCLOUD_URL: stack.url, WOCLOUD_TOKEN: stack.token, NO_COLOR: '1' };
  const child = spawn(WOCLOUD, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: { text: string; at: number }[] = [];
  let rest = '';
  child.stdout.on('data', (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split('\n');
    rest = parts.pop() ?? '';
    for (const text of parts) lines.push({ text, at: Date.now() });
  });
  return { lines, stop: () => void child.kill('SIGINT') };
}
