// Who is calling: a browser session (cookie, with its CSRF token on writes) or an API token.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { User } from '@wocloud/protocol/views.ts';
import { scopeOf } from '../authorize/authorize.ts';
import type { Context } from '../context.ts';
import { PlatformError } from '../errors.ts';
import type { Caller } from '../handler.ts';
import { userView, type UserRow } from './store.ts';

export const SESSION_COOKIE = 'woc_session';
export const SESSION_HOURS = 12;
const IDLE_HOURS = 4;
const TOKEN = /^woc_([a-z0-9]{16})_([A-Za-z0-9_-]{43})$/;

export const digest = (secret: string): string => createHash('sha256').update(secret).digest('hex');
export const secret = (): string => randomBytes(32).toString('base64url');
export const newTokenId = (): string => randomBytes(8).toString('hex');

export interface Credentials {
  cookie: string | undefined;
  authorization: string | undefined;
  csrf: string | undefined;
  /** True when the request changes something. */
  writes: boolean;
}

export interface Identity extends Caller {
  /** Row id of the browser session. */
  session: string | null;
  csrf: string;
}

type Found = UserRow & { csrf: string; key: string; vms: string[]; stale: boolean };

/** At most once a minute: knowing when a key was last used is not worth a write per request. */
const stale = (column: string) => `(${column} IS NULL OR ${column} < now() - interval '1 minute') AS stale`;

const GRANTED = `coalesce((SELECT array_agg(vm ORDER BY vm) FROM grants
  WHERE user_id = u.id AND cardinality(rights) > 0), '{}') AS vms`;

/** Finds out who calls. Undefined: nobody. Throws `unauthenticated` or `forbidden` when credentials are no good. */
export async function authenticate({ db }: Context, given: Credentials): Promise<Identity | undefined> {
  if (given.authorization !== undefined) {
    const bearer = /^Bearer (.+)$/i.exec(given.authorization)?.[1];
    const parts = bearer === undefined ? null : TOKEN.exec(bearer.trim());
    if (!parts)
      throw new PlatformError('unauthenticated', 'The Authorization header holds no API token of ours.');
    const row = await db.one<Found & { secret: string }>(
      `SELECT u.*, '' AS csrf, t.id AS key, t.secret, ${stale('t.last_used')}, ${GRANTED} FROM tokens t JOIN users u ON u.id = t.user_id
       WHERE t.id = $1 AND NOT u.disabled AND (t.expires_at IS NULL OR t.expires_at > now())`,
      [parts[1]],
    );
    if (!row || !same(row.secret, digest(parts[2] ?? '')))
      throw new PlatformError('unauthenticated', 'This API token is not valid (any more).');
    if (row.stale) await touch(db, 'tokens', row.key);
    return identity(row, 'token', null);
  }
  if (given.cookie === undefined) return undefined;
  const row = await db.one<Found>(
    `SELECT u.*, s.csrf, s.id AS key, ${stale('s.last_used')}, ${GRANTED} FROM sessions s JOIN users u ON u.id = s.user_id
     WHERE s.id = $1 AND NOT u.disabled AND s.expires_at > now() AND s.last_used > now() - interval '${IDLE_HOURS} hours'`,
    [digest(given.cookie)],
  );
  if (!row) return undefined;
  if (given.writes && !same(row.csrf, given.csrf ?? ''))
    throw new PlatformError('forbidden', 'The X-CSRF-Token header is missing or not of this session.');
  if (row.stale) await touch(db, 'sessions', row.key);
  return identity(row, 'session', row.key);
}

function same(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}

const touch = (db: Context['db'], table: 'sessions' | 'tokens', id: string) =>
  db.query(`UPDATE ${table} SET last_used = now() WHERE id = $1`, [id]);

function identity(row: Found, via: Caller['via'], session: string | null): Identity {
  const user: User = userView(row);
  return { user, via, scope: scopeOf(user, row.vms), session, csrf: row.csrf };
}
