// user, token, passwd, vm grant: who may do what.
import type { Command } from 'commander';
import { GRANT_RIGHTS, type User } from '@wocloud/protocol/views.ts';
import { connect } from '../credentials.ts';
import { CliError } from '../errors.ts';
import { whole } from '../numbers.ts';
import { moment } from '../output.ts';
import { askSecret, confirm } from '../prompt.ts';

const ROLES = ['system-admin', 'security-admin', 'auditor'] as const;
const TENANT_ROLES = ['owner', 'member'] as const;

/** One of the words that are allowed. @throws CliError that lists them */
function oneOf<T extends string>(text: string, words: readonly T[], what: string): T {
  const found = words.find((w) => w === text);
  if (found === undefined)
    throw new CliError(`${text} is not a ${what}`, 'usage', `One of: ${words.join(', ')}`);
  return found;
}

const rolesOf = (texts: string[]) =>
  texts.filter((text) => text !== 'none').map((text) => oneOf(text, ROLES, 'role'));

const said = (user: User) =>
  [...user.roles, ...(user.tenant ? [`${user.tenantRole} of ${user.tenant}`] : [])].join(', ') || 'no role';

interface UserOptions {
  role?: string[];
  tenant?: string;
  tenantRole?: string;
  passwordFile?: string;
}

export function addAccessCommands(program: Command): void {
  const user = program.command('user').description('create, change and delete users (list them: get users)');
  user
    .command('add <name>')
    .description('create a user')
    .option('--role <role...>', ROLES.join(', '))
    .option('-t, --tenant <name>', 'belongs to this tenant')
    .option('--tenant-role <role>', 'owner or member', 'member')
    .option('--password-file <file>', 'read the password from a file, - for standard input')
    .action(async (name: string, options: UserOptions) => {
      const roles = options.role ? { roles: rolesOf(options.role) } : {};
      const tenantRole = oneOf(options.tenantRole ?? 'member', TENANT_ROLES, 'role in a tenant');
      const password = await askSecret('Password (12 characters or more)', options.passwordFile);
      const made = await connect().call('users.create', {
        body: { name, password, ...roles, ...(options.tenant ? { tenant: options.tenant, tenantRole } : {}) },
      });
      console.log(`user ${made.name} created: ${said(made)}`);
    });
  user
    .command('set <name>')
    .description("change a user's roles or password, or keep them out")
    .option('--role <role...>', `${ROLES.join(', ')}, or none`)
    .option('--tenant-role <role>', 'owner or member')
    .option('--password-file <file>', 'a new password, from a file or - for standard input')
    .option('--disable', 'cannot sign in, tokens are refused')
    .option('--enable', 'may sign in again')
    .action(async (id: string, options: UserOptions & { disable?: boolean; enable?: boolean }) => {
      const body = {
        ...(options.role ? { roles: rolesOf(options.role) } : {}),
        ...(options.tenantRole
          ? { tenantRole: oneOf(options.tenantRole, TENANT_ROLES, 'role in a tenant') }
          : {}),
        ...(options.passwordFile ? { password: await askSecret('New password', options.passwordFile) } : {}),
        ...(options.disable || options.enable ? { disabled: options.disable === true } : {}),
      };
      if (Object.keys(body).length === 0)
        throw new CliError('Nothing to change', 'usage', 'See what can be: wocloud user set --help');
      const now = await connect().call('users.update', { params: { id }, body });
      console.log(`user ${now.name}: ${said(now)}${now.disabled ? ', disabled' : ''}`);
    });
  user
    .command('delete <name>')
    .description('delete a user with their sessions, tokens and grants; cannot be undone')
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, options: { yes?: boolean }) => {
      await confirm(`Delete user ${id}? This cannot be undone; user set --disable can.`, options.yes);
      await connect().call('users.delete', { params: { id } });
      console.log(`user ${id} deleted`);
    });

  program
    .command('passwd')
    .description('change my password')
    .option('--current-file <file>', 'the current password, from a file')
    .option('--password-file <file>', 'the new password, from a file or - for standard input')
    .action(async (options: { currentFile?: string; passwordFile?: string }) => {
      const current = await askSecret('Current password', options.currentFile, '--current-file');
      const next = await askSecret('New password (12 characters or more)', options.passwordFile);
      await connect().call('session.password', { body: { current, next } });
      console.error('Changed. Tokens go on working; revoke those you do not need: wocloud get tokens');
    });

  const token = program.command('token').description('make and revoke my API tokens (list them: get tokens)');
  token
    .command('create <name>')
    .description('make a token; its secret is printed once')
    .option('--days <n>', 'valid for', '90')
    .action(async (name: string, options: { days: string }) => {
      const made = await connect().call('tokens.create', {
        body: { name, expiresInDays: whole(options.days, '--days', 1, 3650) },
      });
      console.log(made.secret);
      console.error(
        `Token ${made.token.id}, ${made.token.expiresAt ? `until ${moment(made.token.expiresAt)}` : 'without end'}. Use it as WOCLOUD_TOKEN.`,
      );
    });
  token
    .command('revoke <id>')
    .description('refuse a token from now on')
    .action(async (id: string) => {
      await connect().call('tokens.delete', { params: { id } });
      console.log(`token ${id} revoked`);
    });

  program
    .command('grant <vm> <user> <rights...>')
    .description(`give a member rights on a VM: ${GRANT_RIGHTS.join(', ')}; none takes all away`)
    .action(async (vm: string, member: string, words: string[]) => {
      const rights = words.flatMap((w) => w.split(',')).filter((w) => w !== 'none' && w !== '');
      const given = await connect().call('grants.put', {
        body: { vm, user: member, rights: rights.map((r) => oneOf(r, GRANT_RIGHTS, 'right')) },
      });
      console.log(`${given.user} on ${vm}: ${given.rights.join(', ') || 'no rights'}`);
    });
}
