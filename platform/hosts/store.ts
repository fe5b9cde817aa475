// The table of hosts: who is admitted, whose link is up, what each says about itself.
import { receiptText, type Health, type HostFacts, type Receipt } from '@wocloud/protocol/reports.ts';
import { HEARTBEAT_SECONDS } from '@wocloud/protocol/link.ts';
import { verify, type KeyObject } from 'node:crypto';
import type { Context } from '../context.ts';

type Stores = Pick<Context, 'db' | 'signals'>;

/** Three missed heartbeats: nothing is heard from the host any more. */
export const STALE_SECONDS = HEARTBEAT_SECONDS * 3;
/** SQL: the link of this row of `hosts` is up; false, never null, for one that was never there. */
export const live = (hosts = 'hosts'): string =>
  `(${hosts}.connected AND coalesce(${hosts}.last_seen > now() - interval '${STALE_SECONDS} seconds', false))`;
const RECEIPTS_KEPT = 1000;

/**
 * Whether a certificate with this key (hex sha256) may speak for `host`; its name then. The first use of a
 * renewed key retires the former one.
 */
export async function admit({ db }: Stores, host: string, key: string): Promise<string | undefined> {
  const row = await db.one<{ name: string; keys: string[] }>(
    'SELECT name, keys FROM hosts WHERE id = $1 AND NOT forgotten',
    [host],
  );
  if (!row?.keys.includes(key)) return undefined;
  if (row.keys.length > 1 && row.keys.at(-1) === key)
    await db.query('UPDATE hosts SET keys = ARRAY[$2] WHERE id = $1', [host, key]);
  return row.name;
}

/** The link is up. Returns the moment, which `linkDown` must name. */
export async function linkUp(
  { db, signals }: Stores,
  host: string,
  hello: { boot: string; engine: string; facts: HostFacts },
): Promise<string> {
  const row = await db.one<{ since: string }>(
    `UPDATE hosts SET connected = true, since = clock_timestamp(), last_seen = now(), boot = $2, engine = $3, facts = $4
     WHERE id = $1 RETURNING since::text`,
    [host, hello.boot, hello.engine, hello.facts],
  );
  signals.emit('host', { host });
  return row?.since ?? '';
}

/** The link that came up at `since` is down; a newer one is left alone. */
export async function linkDown({ db, signals }: Stores, host: string, since: string): Promise<void> {
  const rows = await db.query(
    'UPDATE hosts SET connected = false, since = now() WHERE id = $1 AND since = $2::timestamptz RETURNING id',
    [host, since],
  );
  if (rows.length) signals.emit('host', { host });
}

/** Something was heard from these hosts. */
export async function heard({ db }: Stores, hosts: readonly string[]): Promise<void> {
  if (hosts.length) await db.query('UPDATE hosts SET last_seen = now() WHERE id = ANY($1::uuid[])', [hosts]);
}

export async function setFacts({ db, signals }: Stores, host: string, facts: HostFacts): Promise<void> {
  const rows = await db.query(
    'UPDATE hosts SET facts = $2::jsonb WHERE id = $1 AND facts IS DISTINCT FROM $2::jsonb RETURNING id',
    [host, facts],
  );
  if (rows.length) signals.emit('host', { host });
}

export async function setHealth({ db, signals }: Stores, host: string, health: Health): Promise<void> {
  await db.query('UPDATE hosts SET counters = $2, resident_bytes = $3 WHERE id = $1', [
    host,
    health.counters,
    health.residentBytes,
  ]);
  signals.emit('host', { host });
}

/** Whether one of `keys` signed this receipt of `host`; DER and raw (r, s) signatures are both taken. */
export function receiptIsGenuine(host: string, receipt: Receipt, keys: readonly KeyObject[]): boolean {
  const text = Buffer.from(receiptText(host, receipt));
  const signature = Buffer.from(receipt.signature, 'base64');
  return keys.some((key) =>
    (['der', 'ieee-p1363'] as const).some((dsaEncoding) => {
      try {
        return verify('sha256', text, { key, dsaEncoding }, signature);
      } catch {
        return false;
      }
    }),
  );
}

/** Keeps a genuine receipt and what it says about NICs, and tells who waits for it. */
export async function storeReceipt({ db, signals }: Stores, host: string, receipt: Receipt): Promise<void> {
  await db.transaction(async () => {
    const [row] = await db.query<{ id: number }>(
      `INSERT INTO receipts (host, generation, result, digest, at, took, error, nics, signature)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING id`,
      [
        host,
        receipt.generation,
        receipt.result,
        receipt.digest,
        receipt.at,
        receipt.took,
        receipt.error,
        JSON.stringify(receipt.nics),
        receipt.signature,
      ],
    );
    await db.query(
      `UPDATE hosts SET error = $3,
         applied_generation = CASE WHEN $4 THEN $2 ELSE applied_generation END,
         applied_at = CASE WHEN $4 THEN now() ELSE applied_at END
       WHERE id = $1`,
      [host, receipt.generation, receipt.error, receipt.result === 'applied'],
    );
    const changed = await db.query<{ vm: string }>(
      `UPDATE nics SET protection = r.protection, reason = r.reason
       FROM jsonb_to_recordset($2::jsonb) AS r (nic text, protection text, reason text), vms
       WHERE nics.vm = vms.id AND vms.host = $1 AND r.nic = nics.vm || '/' || nics.mac
         AND (nics.protection, nics.reason) IS DISTINCT FROM (r.protection, r.reason)
       RETURNING nics.vm`,
      [host, JSON.stringify(receipt.nics)],
    );
    if ((row?.id ?? 0) % 100 === 0)
      await db.query(
        `DELETE FROM receipts WHERE host = $1 AND id < (
           SELECT id FROM receipts WHERE host = $1 ORDER BY id DESC OFFSET ${RECEIPTS_KEPT} LIMIT 1)`,
        [host],
      );
    signals.emit('receipt', { host });
    if (changed.length) signals.emit('inventory', { host, vms: [...new Set(changed.map((c) => c.vm))] });
  });
}
