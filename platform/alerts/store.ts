// Alerts: the same kind and key at the same host is one alert with a count, as long as nobody has resolved it.
import type { EngineAlert } from '@wocloud/protocol/reports.ts';
import type { Context } from '../context.ts';

export interface Raised extends EngineAlert {
  /** The host it is about; null for the platform itself. */
  host: string | null;
}

export interface Alerts {
  /** Opens an alert or counts a repetition; returns its id. */
  raise(alert: Raised): Promise<string>;
  /** What it was about is over: resolves it, if it is there. */
  clear(kind: string, key: string, host: string | null): Promise<void>;
}

const SEVERITY_ORDER = `array_position(ARRAY['info', 'low', 'medium', 'high', 'critical'], `;

export function openAlerts({ db, signals }: Pick<Context, 'db' | 'signals'>): Alerts {
  return {
    async raise({ kind, key, severity, title, vm, host, time, count, evidence }) {
      const seen = new Date(Math.min(time / 1000, Date.now() + 3_600_000));
      const row = await db.one<{ id: string }>(
        `INSERT INTO alerts AS a (kind, key, severity, title, count, first_seen, last_seen, host, vm, evidence)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8, $9)
         ON CONFLICT (kind, key, coalesce(host, '00000000-0000-0000-0000-000000000000')) WHERE state <> 'resolved'
         DO UPDATE SET count = a.count + excluded.count, last_seen = greatest(a.last_seen, excluded.last_seen),
           title = excluded.title, evidence = excluded.evidence, vm = coalesce(excluded.vm, a.vm),
           severity = CASE WHEN ${SEVERITY_ORDER} excluded.severity) > ${SEVERITY_ORDER} a.severity)
                           THEN excluded.severity ELSE a.severity END
         RETURNING id`,
        [kind, key, severity, title, count, seen, host, vm, evidence],
      );
      const id = row?.id ?? '';
      signals.emit('alert', { id });
      return id;
    },
    async clear(kind, key, host) {
      const rows = await db.query<{ id: string }>(
        `UPDATE alerts SET state = 'resolved', note = 'over by itself', handled_by = NULL
         WHERE kind = $1 AND key = $2 AND host IS NOT DISTINCT FROM $3 AND state <> 'resolved' RETURNING id`,
        [kind, key, host],
      );
      for (const { id } of rows) signals.emit('alert', { id });
    },
  };
}
