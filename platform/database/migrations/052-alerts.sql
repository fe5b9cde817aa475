-- Alerts: one row per kind, key and host while it is not resolved; repetitions are counted.
CREATE TABLE alerts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  kind text NOT NULL,
  key text NOT NULL,
  severity text NOT NULL,
  title text NOT NULL,
  state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'acknowledged', 'resolved')),
  count bigint NOT NULL,
  first_seen timestamptz NOT NULL,
  last_seen timestamptz NOT NULL,
  host uuid,
  vm uuid,
  evidence jsonb NOT NULL,
  note text NOT NULL DEFAULT '',
  handled_by text
);
CREATE UNIQUE INDEX alerts_open ON alerts (kind, key, coalesce(host, '00000000-0000-0000-0000-000000000000'))
  WHERE state <> 'resolved';
CREATE INDEX alerts_last ON alerts (last_seen DESC, id);
CREATE INDEX alerts_vm ON alerts (vm) WHERE vm IS NOT NULL;
