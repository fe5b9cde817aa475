// Which hosts have gone silent: looked for every few seconds, told once, taken back when they return.
import type { Alerts } from '../alerts/store.ts';
import type { Context } from '../context.ts';
import { STALE_SECONDS, live } from './store.ts';

const EVERY_MS = 5_000;
const CLAIM_SECONDS = 10;

/** Starts watching; returns its end. */
export function watchLiveness(context: Context, alerts: Alerts): { check(): Promise<void>; close(): void } {
  const check = async () => {
    await silentHosts(context, alerts);
    await contestedVms(context, alerts);
  };
  const timer = setInterval(() => {
    check().catch((error: unknown) => context.log.warn({ err: error }, 'hosts could not be checked'));
  }, EVERY_MS);
  timer.unref();
  return { check, close: () => clearInterval(timer) };
}

async function silentHosts({ db, signals }: Context, alerts: Alerts): Promise<void> {
  // A replica that died could not note that its links are down.
  const dead = await db.query<{ id: string }>(
    `UPDATE hosts SET connected = false, since = last_seen
     WHERE connected AND NOT ${live()} RETURNING id`,
  );
  for (const { id } of dead) signals.emit('host', { host: id });
  const rows = await db.query<{
    id: string;
    name: string;
    isLive: boolean;
    last_seen: Date;
    alerted: boolean;
  }>(
    `SELECT h.id, h.name, ${live('h')} AS "isLive", h.last_seen, a.id IS NOT NULL AS alerted FROM hosts h
     LEFT JOIN alerts a ON a.kind = 'host.stale' AND a.host = h.id AND a.state <> 'resolved'
     WHERE NOT h.forgotten AND h.last_seen IS NOT NULL
       AND (${live('h')} = (a.id IS NOT NULL)) AND (${live('h')} OR h.last_seen < now() - interval '${STALE_SECONDS} seconds')`,
  );
  for (const host of rows) {
    if (host.isLive) await alerts.clear('host.stale', host.id, host.id);
    else if (!host.alerted)
      await alerts.raise({
        kind: 'host.stale',
        key: host.id,
        severity: 'high',
        title: `Nothing has been heard from host ${host.name} for more than ${STALE_SECONDS} seconds`,
        vm: null,
        host: host.id,
        time: Date.now() * 1000,
        count: 1,
        evidence: { lastSeen: host.last_seen.toISOString() },
      });
  }
}

/** VMs that two hosts say they run. */
async function contestedVms({ db }: Context, alerts: Alerts): Promise<void> {
  const rows = await db.query<{ vm: string; name: string; host: string; claimant: string; owner: string }>(
    `UPDATE vm_claims c SET alerted = true FROM vms v, hosts o, hosts h
     WHERE v.id = c.vm AND o.id = v.host AND h.id = c.host AND NOT c.alerted AND v.gone_at IS NULL
       AND c.report ->> 'state' IN ('running', 'blocked') AND c.at < now() - interval '${CLAIM_SECONDS} seconds'
     RETURNING c.vm, v.name, c.host, h.name AS claimant, o.name AS owner`,
  );
  for (const { vm, name, host, claimant, owner } of rows)
    await alerts.raise({
      kind: 'vm.claimed',
      key: vm,
      severity: 'high',
      title: `Host ${claimant} says it runs ${name}, which host ${owner} has; ${owner} is believed`,
      vm,
      host,
      time: Date.now() * 1000,
      count: 1,
      evidence: { claimant, owner },
    });
}
