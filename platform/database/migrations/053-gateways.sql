-- Gateway instances as their hosts last reported them, and the versions of the gateway image that each host has.
CREATE TABLE gateway_instances (
  host uuid NOT NULL REFERENCES hosts ON DELETE CASCADE,
  -- <gateway>/<number>
  id text NOT NULL,
  report jsonb NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (host, id)
);
ALTER TABLE hosts ADD COLUMN images text[] NOT NULL DEFAULT '{}';
