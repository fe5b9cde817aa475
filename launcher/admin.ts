// The launcher as a client of the platform: signs in as the first administrator, whose password it may read.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createClient, signIn, type Client } from '@wocloud/protocol/client.ts';
import { paths } from '@wocloud/protocol/paths.ts';
import { LauncherError } from './steps.ts';

export const ADMIN = 'admin';
export const passwordFile = (): string => join(paths().home, 'admin-password');

/** A client with a session of the first administrator, or with WOCLOUD_TOKEN when that is set. */
export async function adminClient(baseUrl: string): Promise<Client> {
  const token = process.env['WOCLOUD_TOKEN'];
  if (token) return createClient({ baseUrl, token });
  const action = `Its password is no longer the one in ${passwordFile()}: give an administrator's API token in WOCLOUD_TOKEN, then run this again.`;
  let password: string;
  try {
    password = readFileSync(passwordFile(), 'utf8').trim();
  } catch (cause) {
    throw new LauncherError('The first administrator cannot sign in', action, { cause });
  }
  try {
    return (await signIn(baseUrl, ADMIN, password)).client;
  } catch (cause) {
    throw new LauncherError('The first administrator cannot sign in', action, { cause });
  }
}
