// Of several replicas one holds the lease: a lock that PostgreSQL keeps for as long as our connection lives.
import pg from 'pg';
import type { Logger } from 'pino';

export interface Lease {
  held(): boolean;
  /** Resolves after the first attempt. */
  ready: Promise<void>;
  close(): Promise<void>;
}

const RETRY_MS = 1_000;

/** Keeps trying for lock number `key`; `onGain` is called each time it is gained. */
export function openLease(url: string, key: number, log: Logger, onGain: () => void): Lease {
  let client: pg.Client | undefined;
  let held = false;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;

  const lose = (lost: pg.Client) => {
    if (client !== lost) return;
    client = undefined;
    if (held) log.warn('the plan lease was lost with its connection');
    held = false;
  };
  const attempt = async (): Promise<void> => {
    try {
      if (!client) {
        const next = new pg.Client({
          connectionString: url,
          application_name: 'wocloud-lease',
          keepAlive: true,
        });
        next.on('error', () => lose(next));
        next.on('end', () => lose(next));
        await next.connect();
        if (closed) return await next.end();
        client = next;
      }
      if (!held) {
        const { rows } = await client.query<{ got: boolean }>('SELECT pg_try_advisory_lock($1) AS got', [
          key,
        ]);
        held = rows[0]?.got ?? false;
        if (held) onGain();
      }
    } catch (error) {
      log.debug({ err: error }, 'no lease just now');
    }
    if (!closed)
      timer = setTimeout(() => {
        void attempt();
      }, RETRY_MS);
    timer?.unref();
    return undefined;
  };

  return {
    held: () => held,
    ready: attempt(),
    async close() {
      closed = true;
      clearTimeout(timer);
      held = false;
      await client?.end().catch(() => undefined);
    },
  };
}
