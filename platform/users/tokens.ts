// API tokens: `woc_<id>_<secret>`, shown once, kept as a hash, each with its owner's rights.
import type { Token } from '@wocloud/protocol/views.ts';
import type { Context } from '../context.ts';
import { notFound } from '../errors.ts';
import type { Handlers } from '../handler.ts';
import { digest, newTokenId, secret } from './authenticate.ts';

interface Row {
  id: string;
  name: string;
  created_at: Date;
  expires_at: Date | null;
  last_used: Date | null;
}
const COLUMNS = 'id, name, created_at, expires_at, last_used';
const view = (row: Row): Token => ({
  id: row.id,
  name: row.name,
  createdAt: row.created_at.toISOString(),
  expiresAt: row.expires_at?.toISOString() ?? null,
  lastUsed: row.last_used?.toISOString() ?? null,
});

export function tokenHandlers({
  db,
}: Context): Pick<Handlers, 'tokens.list' | 'tokens.create' | 'tokens.delete'> {
  return {
    async 'tokens.list'({ caller }) {
      const rows = await db.query<Row>(
        `SELECT ${COLUMNS} FROM tokens WHERE user_id = $1 ORDER BY created_at DESC, id`,
        [caller.user.id],
      );
      return { items: rows.map(view), next: null };
    },
    async 'tokens.create'({ body, caller, audit }) {
      const [id, key] = [newTokenId(), secret()];
      audit.object = `token/${id}`;
      audit.detail['name'] = body.name;
      const row = await db.one<Row>(
        `INSERT INTO tokens (id, user_id, name, secret, expires_at)
         VALUES ($1, $2, $3, $4, now() + make_interval(days => $5)) RETURNING ${COLUMNS}`,
        [id, caller.user.id, body.name, digest(key), body.expiresInDays ?? null],
      );
      if (!row) throw notFound('token', id);
      return { token: view(row), secret: `woc_${id}_${key}` };
    },
    async 'tokens.delete'({ params, caller, audit }) {
      audit.object = `token/${params.id}`;
      const gone = await db.query('DELETE FROM tokens WHERE id = $1 AND user_id = $2 RETURNING id', [
        params.id,
        caller.user.id,
      ]);
      if (gone.length === 0) throw notFound('token', params.id);
      return null;
    },
  };
}
