// login, logout, whoami: a password becomes an API token that only this account's file holds.
import { hostname, userInfo } from 'node:os';
import type { Command } from 'commander';
import { signIn } from '@wocloud/protocol/client.ts';
import type { Session } from '@wocloud/protocol/views.ts';
import { connect, DEFAULT_URL, forgetCredentials, readCredentials, saveCredentials } from '../credentials.ts';
import { whole } from '../numbers.ts';
import { many, outputOption, parseFormat, printOne } from '../output.ts';
import { askSecret, askText } from '../prompt.ts';

export function addSessionCommands(program: Command): void {
  program
    .command('login [url]')
    .description(`sign in and keep an API token (platform: ${DEFAULT_URL} unless given)`)
    .option('-u, --user <name>', 'user name')
    .option('--password-file <file>', 'read the password from a file, - for standard input')
    .option('--days <n>', 'days until the token expires', '30')
    .action(
      async (url: string | undefined, options: { user?: string; passwordFile?: string; days: string }) => {
        const days = whole(options.days, '--days', 1, 3650);
        const base = (url ?? readCredentials().url).replace(/\/+$/, '');
        const name = options.user ?? (await askText('User name', '--user'));
        const secret = await askSecret('Password', options.passwordFile);
        const { token, session } = await exchange(base, name, secret, days);
        saveCredentials({ url: base, token, user: session.user.name });
        console.error(`Signed in to ${base} as ${session.user.name} for ${many(days, 'day')}.`);
      },
    );
  program
    .command('logout')
    .description('forget the token and revoke it')
    .action(async () => {
      const { token } = readCredentials();
      // woc_<id>_<secret>: the id alone names it.
      const id = token?.split('_')[1];
      if (id) {
        await connect()
          .call('tokens.delete', { params: { id } })
          .catch((error: unknown) =>
            console.error(`The token could not be revoked: ${(error as Error).message}`),
          );
      }
      forgetCredentials();
      console.error('Signed out.');
    });
  program
    .command('whoami')
    .description('who I am and what I may do')
    .addOption(outputOption('yaml'))
    .action(async (options: { output: string }) =>
      printOne(await connect().call('session.get'), parseFormat(options.output)),
    );
}

/** Opens a session just long enough to make a token with it. */
async function exchange(
  base: string,
  name: string,
  password: string,
  days: number,
): Promise<{ token: string; session: Session }> {
  const { client, session } = await signIn(base, name, password);
  const made = await client.call('tokens.create', {
    body: { name: `cli ${userInfo().username}@${hostname()}`, expiresInDays: days },
  });
  await client.call('session.delete');
  return { token: made.secret, session };
}
