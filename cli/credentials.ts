// Which platform, as whom: flags over environment over the file that `wocloud login` keeps (mode 0600).
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { createClient, type Client } from '@wocloud/protocol/client.ts';
import { CliError } from './errors.ts';

export const DEFAULT_URL = 'http://127.0.0.1:8080';

export interface Credentials {
  url: string;
  token?: string;
  user?: string;
}

const file = () =>
  join(process.env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'wocloud', 'credentials.json');

export function readCredentials(): Credentials {
  let saved: Partial<Credentials> = {};
  try {
    saved = JSON.parse(readFileSync(file(), 'utf8')) as Partial<Credentials>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw new CliError(
        `${file()} cannot be read: ${(error as Error).message}`,
        'usage',
        'Sign in again: wocloud login',
      );
  }
  const url = process.env['WOCLOUD_URL'] ?? saved.url ?? DEFAULT_URL;
  // A token is only ever sent to the platform it was made for.
  const token = process.env['WOCLOUD_TOKEN'] ?? (saved.url === url ? saved.token : undefined);
  return { url, ...(token ? { token } : {}), ...(saved.user ? { user: saved.user } : {}) };
}

export function saveCredentials(credentials: Credentials): void {
  mkdirSync(dirname(file()), { recursive: true, mode: 0o700 });
  writeFileSync(file(), JSON.stringify(credentials, null, 2), { mode: 0o600 });
  chmodSync(file(), 0o600);
}

export const forgetCredentials = (): void => rmSync(file(), { force: true });

/** A client for the platform one is signed in to. */
export function connect(): Client {
  const { url, token } = readCredentials();
  if (!token) throw new CliError('Not signed in', 'unauthenticated', `Sign in: wocloud login ${url}`);
  return createClient({ baseUrl: url, token });
}
