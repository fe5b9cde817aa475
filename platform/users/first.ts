// The first administrator: made once, on an empty platform; the password goes to a file only its owner can read.
//   node platform/users/first.ts --name admin --password-file /var/lib/wocloud/admin.password
import { randomBytes } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { readConfig } from '../config.ts';
import { openDatabase, type Database } from '../database/database.ts';
import { migrate } from '../database/migrate.ts';
import { hashPassword } from './password.ts';

export const ALL_ROLES = ['system-admin', 'security-admin', 'auditor'] as const;

/**
 * Makes the first user unless there is any. The password is written to `passwordFile` (0600, never overwritten).
 * @returns true when a user was made.
 */
export async function createFirstAdmin(
  db: Database,
  options: { name: string; passwordFile: string; roles?: readonly string[] },
): Promise<boolean> {
  return db.transaction(async () => {
    await db.query('LOCK TABLE users IN EXCLUSIVE MODE');
    const [any] = await db.query('SELECT 1 FROM users LIMIT 1');
    if (any) return false;
    const password = randomBytes(18).toString('base64url');
    const file = await open(options.passwordFile, 'wx', 0o600);
    try {
      await file.writeFile(`${password}\n`);
      await db.query('INSERT INTO users (name, password, roles) VALUES ($1, $2, $3)', [
        options.name,
        await hashPassword(password),
        options.roles ?? ALL_ROLES,
      ]);
    } catch (error) {
      await rm(options.passwordFile, { force: true });
      throw error;
    } finally {
      await file.close();
    }
    return true;
  });
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      name: { type: 'string', default: 'admin' },
      'password-file': { type: 'string' },
      'database-url': { type: 'string' },
    },
  });
  const passwordFile = values['password-file'];
  if (!passwordFile) throw new Error('--password-file is needed: where the new password is written (0600)');
  const url = values['database-url'];
  const config = readConfig(url ? ['--database-url', url] : [], process.env);
  const db = openDatabase(config.databaseUrl, pino({ level: 'warn' }, pino.destination(2)));
  try {
    await migrate(db);
    const made = await createFirstAdmin(db, { name: values.name, passwordFile });
    console.log(
      made ? `User ${values.name} made; password in ${passwordFile}` : 'There are users already; none made',
    );
  } finally {
    await db.close();
  }
}
