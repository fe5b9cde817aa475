// Signing in and out. Guessing is slowed down: each failure in a row past the fourth locks the name for longer.
import type { Session } from '@wocloud/protocol/views.ts';
import type { Authorize } from '../authorize/authorize.ts';
import type { Context } from '../context.ts';
import { PlatformError } from '../errors.ts';
import type { Handlers } from '../handler.ts';
import { SESSION_HOURS, digest, secret } from './authenticate.ts';
import { hashPassword, verifyNobody, verifyPassword } from './password.ts';
import { userView, type UserRow } from './store.ts';

const FREE_FAILURES = 4;
const MAX_LOCK_SECONDS = 900;

/** Seconds a name is locked after `failures` wrong passwords in a row. */
export const lockSeconds = (failures: number): number =>
  failures <= FREE_FAILURES ? 0 : Math.min(MAX_LOCK_SECONDS, 15 * 2 ** (failures - FREE_FAILURES - 1));

type SessionHandlers = Pick<
  Handlers,
  'session.create' | 'session.get' | 'session.delete' | 'session.password'
>;

export function sessionHandlers({ db, now }: Context, authorize: Authorize): SessionHandlers {
  /** Checks a password with the counting and locking that go with it; these stay when the request fails. */
  const check = async (row: UserRow | undefined, password: string): Promise<UserRow> => {
    const wrong = () => new PlatformError('wrong-credentials', 'The name or the password is wrong.');
    if (!row) {
      await verifyNobody(password);
      throw wrong();
    }
    if (row.locked_until && row.locked_until > now()) {
      const wait = Math.ceil((row.locked_until.getTime() - now().getTime()) / 1000);
      throw new PlatformError('too-many-requests', `Too many wrong passwords; try again in ${wait} s.`, {
        retryAfter: wait,
      });
    }
    if (!(await verifyPassword(password, row.password))) {
      await db.outside(() =>
        db.query(
          `UPDATE users SET failures = failures + 1, locked_until = now() + make_interval(secs =>
             CASE WHEN failures + 1 <= ${FREE_FAILURES} THEN 0
             ELSE least(${MAX_LOCK_SECONDS}, 15 * 2 ^ least(failures - ${FREE_FAILURES}, 10)) END)
           WHERE id = $1`,
          [row.id],
        ),
      );
      throw wrong();
    }
    // Only whoever knows the password learns that it is disabled.
    if (row.disabled) throw new PlatformError('forbidden', 'This user is disabled.');
    return row;
  };

  const view = (row: UserRow, csrf: string): Session => {
    const user = userView(row);
    return { user, csrf, permissions: authorize.permissions(user) };
  };

  return {
    async 'session.create'({ body, session, audit }) {
      audit.object = `user/${body.name}`;
      const row = await check(
        await db.one<UserRow>('SELECT * FROM users WHERE name = $1', [body.name]),
        body.password,
      );
      audit.tenant = row.tenant;
      const [cookie, csrf] = [secret(), secret()];
      await db.query('DELETE FROM sessions WHERE expires_at < now()');
      await db.query(
        `INSERT INTO sessions (id, user_id, csrf, expires_at)
         VALUES ($1, $2, $3, now() + interval '${SESSION_HOURS} hours')`,
        [digest(cookie), row.id, csrf],
      );
      const fresh = await db.one<UserRow>(
        'UPDATE users SET failures = 0, locked_until = NULL, last_sign_in = now() WHERE id = $1 RETURNING *',
        [row.id],
      );
      session.set(cookie);
      return view(fresh ?? row, csrf);
    },

    async 'session.get'({ caller, session }) {
      const row = await db.one<{ csrf: string }>('SELECT csrf FROM sessions WHERE id = $1', [session.id]);
      return { user: caller.user, csrf: row?.csrf ?? '', permissions: authorize.permissions(caller.user) };
    },

    async 'session.delete'({ session }) {
      await db.query('DELETE FROM sessions WHERE id = $1', [session.id]);
      session.set(null);
      return null;
    },

    async 'session.password'({ body, caller, session, audit }) {
      audit.object = `user/${caller.user.name}`;
      const row = await check(
        await db.one<UserRow>('SELECT * FROM users WHERE id = $1', [caller.user.id]),
        body.current,
      );
      await db.query('UPDATE users SET password = $2, failures = 0 WHERE id = $1', [
        row.id,
        await hashPassword(body.next),
      ]);
      // Whoever else is signed in as this user may be why the password changes.
      await db.query('DELETE FROM sessions WHERE user_id = $1 AND id IS DISTINCT FROM $2', [
        row.id,
        session.id,
      ]);
      return null;
    },
  };
}
