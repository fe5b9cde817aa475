// Joining: a one-time token and a signing request make a host, or give an existing one of that name a new key.
import { randomUUID } from 'node:crypto';
import type { JoinRequest, JoinResponse } from '@wocloud/protocol/link.ts';
import type { Authority } from '../ca/authority.ts';
import { useJoinToken } from '../ca/tokens.ts';
import type { Context } from '../context.ts';
import { PlatformError } from '../errors.ts';
import { live } from './store.ts';

/**
 * Admits a host. A host that was installed anew keeps its identity: its name must not be connected just now
 * (`conflict`), and its former certificates are refused from then on.
 */
export async function join(
  context: Pick<Context, 'db' | 'now' | 'log'>,
  authority: Authority,
  request: JoinRequest,
  days: number,
): Promise<JoinResponse> {
  const { db } = context;
  const id = await db.transaction(async () => {
    const fresh = randomUUID();
    const known = await db.one<{ id: string; live: boolean }>(
      `SELECT id, ${live()} AS live FROM hosts WHERE name = $1 AND NOT forgotten FOR UPDATE`,
      [request.hostname],
    );
    const host = known?.id ?? fresh;
    await useJoinToken(context, request.token, host);
    if (known?.live)
      throw new PlatformError(
        'conflict',
        `A host named "${request.hostname}" is connected: forget it first, or give this one another name.`,
      );
    const certified = await authority.certifyHost(request.csr, host, days);
    await db.query(
      `INSERT INTO hosts (id, name, keys) VALUES ($1, $2, ARRAY[$3])
       ON CONFLICT (id) DO UPDATE SET keys = excluded.keys, joined_at = now()`,
      [host, request.hostname, certified.key],
    );
    return { host, certificate: certified.certificate };
  });
  context.log.info({ host: id.host, name: request.hostname }, 'a host joined');
  return { ...id, ca: authority.certificate };
}

/** A new certificate for a host that is on its link; the one it has works until the new one is first used. */
export async function renew(
  { db }: Pick<Context, 'db'>,
  authority: Authority,
  host: string,
  presentKey: string,
  csr: string,
  days: number,
): Promise<{ pem: string; ca: string }> {
  const certified = await authority.certifyHost(csr, host, days);
  await db.query('UPDATE hosts SET keys = $2 WHERE id = $1', [
    host,
    [...new Set([presentKey, certified.key])],
  ]);
  return { pem: certified.certificate, ca: authority.certificate };
}
