// One-time join tokens: only the hash of the secret is kept, a token works once and until it expires.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { parseJoinToken } from '@wocloud/protocol/link.ts';
import type { Context } from '../context.ts';
import { PlatformError } from '../errors.ts';
import type { Handlers } from '../handler.ts';
import type { Authority } from './authority.ts';

const hash = (secret: string) => createHash('sha256').update(secret).digest('hex');

/** Makes a token; its text is nowhere else afterwards. */
export async function createJoinToken(
  { db, now }: Pick<Context, 'db' | 'now'>,
  authority: Authority,
  by: string,
  minutes: number,
): Promise<{ id: string; token: string; expiresAt: Date }> {
  const id = randomBytes(12).toString('base64url');
  const secret = randomBytes(32).toString('base64url');
  const expiresAt = new Date(now().getTime() + minutes * 60_000);
  await db.query('INSERT INTO join_tokens (id, secret, created_by, expires_at) VALUES ($1, $2, $3, $4)', [
    id,
    hash(secret),
    by,
    expiresAt,
  ]);
  return { id, token: `${id}.${secret}.${authority.fingerprint}`, expiresAt };
}

/**
 * Uses a token up for `host`; call it in the transaction that makes the host. Throws `unauthenticated`, with the
 * same words whether it is unknown, wrong, used or expired.
 */
export async function useJoinToken(
  { db, now }: Pick<Context, 'db' | 'now'>,
  text: string,
  host: string,
): Promise<void> {
  const parsed = parseJoinToken(text);
  const row =
    parsed &&
    (await db.one<{ secret: string; expires_at: Date; used_at: Date | null }>(
      'SELECT secret, expires_at, used_at FROM join_tokens WHERE id = $1 FOR UPDATE',
      [parsed.id],
    ));
  const good =
    row &&
    timingSafeEqual(Buffer.from(row.secret), Buffer.from(hash(parsed.secret))) &&
    row.used_at === null &&
    row.expires_at > now();
  if (!good)
    throw new PlatformError(
      'unauthenticated',
      'The join token is unknown, used or expired: make a new one (wocloud host token).',
    );
  await db.query('UPDATE join_tokens SET used_at = $2, used_by = $3 WHERE id = $1', [parsed.id, now(), host]);
}

/** `joinTokens.create`. */
export function handlers(context: Context, authority: Authority): Pick<Handlers, 'joinTokens.create'> {
  return {
    async 'joinTokens.create'({ body, caller, audit }) {
      const minutes = body.expiresInMinutes ?? 60;
      const made = await createJoinToken(context, authority, caller.user.name, minutes);
      audit.object = made.id;
      return { token: made.token, expiresAt: made.expiresAt.toISOString() };
    },
  };
}
