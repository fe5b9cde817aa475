// The platform alone on this machine, as `./wocloud up` starts it, without an engine: its hosts are elsewhere and
// reach it over TCP.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { signIn, type Client } from '@wocloud/protocol/client.ts';
import { freePort, within } from './stack.ts';

const ROOT = join(import.meta.dirname, '..', '..');

export interface LonePlatform {
  home: string;
  linkPort: number;
  /** As the first administrator. */
  client: Client;
  stop(): Promise<void>;
}

/** Starts database and platform on stores of their own; they end with this process. */
export async function startLonePlatform(): Promise<LonePlatform> {
  const home = mkdtempSync('/tmp/wo-');
  // The database's own account has to pass through.
  chmodSync(home, 0o711);
  const [httpPort, linkPort] = [await freePort(), await freePort()];
  const password = join(home, 'admin-password');
  const running: ChildProcess[] = [];
  const start = (name: string, args: string[]): void => {
    const out = openSync(join(home, `${name}.log`), 'a', 0o600);
    running.push(
      spawn('setpriv', ['--pdeathsig', 'TERM', process.execPath, ...args], {
        env: { ...process.env, WOCLOUD_HOME: home },
        stdio: ['ignore', out, out],
      }),
    );
    closeSync(out);
  };
  const stop = async (): Promise<void> => {
    for (const child of running.toReversed()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
    }
    rmSync(home, { recursive: true, force: true });
  };
  try {
    start('postgres', [join(ROOT, 'launcher/postgres.ts')]);
    await within(60_000, 'PostgreSQL', async () =>
      readFileSync(join(home, 'postgres.log'), 'utf8').includes('PostgreSQL serves') ? true : undefined,
    );
    start('platform', [
      join(ROOT, 'platform/main.ts'),
      ...['--home', home, '--http-port', String(httpPort), '--link-port', String(linkPort)],
      ...['--first-admin', password],
    ]);
    const url = `http://127.0.0.1:${httpPort}`;
    await within(120_000, "the platform's start", async () =>
      (await fetch(`${url}/readyz`)).ok ? true : undefined,
    );
    const { client } = await signIn(url, 'admin', readFileSync(password, 'utf8').trim());
    return { home, linkPort, client, stop };
  } catch (cause) {
    const log = (name: string): string => readFileSync(join(home, `${name}.log`), 'utf8').slice(-2000);
    const logs = `${log('postgres')}\n${log('platform')}`;
    await stop();
    throw new Error(`the platform did not start:\n${logs}`, { cause });
  }
}
