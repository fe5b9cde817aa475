-- Answers to writes that carried an Idempotency-Key, so that repeating one changes nothing.
CREATE TABLE idempotency (
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  key text NOT NULL,
  -- sha256 of operation, address and body: one key is for one request.
  request text NOT NULL,
  status integer,
  answer jsonb,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_at ON idempotency (at);
