// Idempotency-Key on POST: the first request's answer is kept for a day and given again, without a second effect.
import { createHash } from 'node:crypto';
import type { Database } from '../database/database.ts';
import { PlatformError } from '../errors.ts';

export interface Answer {
  status: number;
  value: unknown;
}

/** Operations whose answer holds a secret: it is not kept, so their key is not accepted. */
export const SECRET_ANSWERS = new Set<string>(['session.create', 'tokens.create', 'joinTokens.create']);

/**
 * Runs `work` unless this user's `key` has been used. Call inside the transaction of the effect: the key and the
 * effect commit together. Throws `conflict` when the key was used for another request.
 */
export async function once(
  db: Database,
  user: string,
  key: string,
  request: readonly unknown[],
  work: () => Promise<Answer>,
): Promise<Answer & { replayed: boolean }> {
  if (!/^[\x21-\x7e]{1,200}$/.test(key))
    throw new PlatformError('bad-request', 'Idempotency-Key: 1 to 200 printable characters without spaces.');
  const digest = createHash('sha256').update(JSON.stringify(request)).digest('hex');
  await db.query(`DELETE FROM idempotency WHERE at < now() - interval '1 day'`);
  // A second request with the key waits here until the first one's transaction ends.
  const [mine] = await db.query(
    'INSERT INTO idempotency (user_id, key, request) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING key',
    [user, key, digest],
  );
  if (!mine) {
    const known = await db.one<{ request: string; status: number; answer: unknown }>(
      'SELECT request, status, answer FROM idempotency WHERE user_id = $1 AND key = $2',
      [user, key],
    );
    if (known?.request !== digest)
      throw new PlatformError(
        'conflict',
        'This Idempotency-Key was used for another request; use a new one.',
      );
    return { status: known.status, value: known.answer, replayed: true };
  }
  const answer = await work();
  await db.query('UPDATE idempotency SET status = $3, answer = $4 WHERE user_id = $1 AND key = $2', [
    user,
    key,
    answer.status,
    JSON.stringify(answer.value),
  ]);
  return { ...answer, replayed: false };
}
