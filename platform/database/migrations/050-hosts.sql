-- Hosts, the tokens they join with, what they report, and the proofs of what stands in their kernels.
CREATE TABLE hosts (
  id uuid PRIMARY KEY,
  -- Given when joining; a host cannot rename itself, because network documents name hosts.
  name text NOT NULL,
  -- SHA-256 (hex) of the public keys whose certificates are accepted: the present one, and a renewed one.
  keys text[] NOT NULL,
  joined_at timestamptz NOT NULL DEFAULT now(),
  forgotten boolean NOT NULL DEFAULT false,
  -- The link: up or not, since when, and when anything was last heard on it.
  connected boolean NOT NULL DEFAULT false,
  since timestamptz,
  last_seen timestamptz,
  boot uuid,
  engine text NOT NULL DEFAULT '',
  facts jsonb,
  applied_generation bigint NOT NULL DEFAULT 0,
  applied_at timestamptz,
  error text NOT NULL DEFAULT '',
  counters jsonb NOT NULL DEFAULT '{}',
  resident_bytes double precision
);
CREATE UNIQUE INDEX hosts_name ON hosts (name) WHERE NOT forgotten;

CREATE TABLE join_tokens (
  id text PRIMARY KEY,
  -- sha256 of the secret: a copy of the database lets nobody join.
  secret text NOT NULL,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  used_at timestamptz,
  used_by uuid
);

CREATE TABLE receipts (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  host uuid NOT NULL REFERENCES hosts ON DELETE CASCADE,
  generation bigint NOT NULL,
  result text NOT NULL CHECK (result IN ('applied', 'failed')),
  digest text NOT NULL,
  at double precision NOT NULL,
  took double precision NOT NULL,
  error text NOT NULL,
  nics jsonb NOT NULL,
  signature text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX receipts_host ON receipts (host, id DESC);

-- How far each stream of a host is durable; the telemetry store is asked for what came after.
CREATE TABLE streams (
  host uuid NOT NULL REFERENCES hosts ON DELETE CASCADE,
  stream text NOT NULL,
  boot uuid NOT NULL,
  sequence bigint NOT NULL,
  lost double precision NOT NULL DEFAULT 0,
  at timestamptz NOT NULL,
  PRIMARY KEY (host, stream)
);
