// Whether somebody who has a stream open may still have it: the same user, session or tokens, and the same view.
import { scopeOf } from '../authorize/authorize.ts';
import type { Database } from '../database/database.ts';
import type { Caller } from '../handler.ts';
import { userView, type UserRow } from '../users/store.ts';

/** A text that changes with anything that decides what the caller may see; undefined: they may see nothing any more. */
export async function standing(
  db: Database,
  caller: Caller,
  session: string | null,
): Promise<string | undefined> {
  const row = await db.one<UserRow & { vms: string[]; tokens: string[]; session: boolean }>(
    `SELECT u.*, coalesce((SELECT array_agg(vm ORDER BY vm) FROM grants
         WHERE user_id = u.id AND cardinality(rights) > 0), '{}') AS vms,
       coalesce((SELECT array_agg(id ORDER BY id) FROM tokens
         WHERE user_id = u.id AND (expires_at IS NULL OR expires_at > now())), '{}') AS tokens,
       EXISTS (SELECT 1 FROM sessions WHERE id = $2 AND user_id = u.id AND expires_at > now()) AS session
     FROM users u WHERE u.id::text = $1 AND NOT u.disabled`,
    [caller.user.id, session],
  );
  if (!row || (caller.via === 'session' && !row.session)) return undefined;
  const user = userView(row);
  // A token's id is not known here: one of the user's that is gone ends the streams, and the others come back.
  return JSON.stringify([user.roles, scopeOf(user, row.vms), caller.via === 'token' ? row.tokens : null]);
}
