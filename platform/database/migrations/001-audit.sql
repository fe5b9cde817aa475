-- The audit log: append only, each entry's hash covers the one before it.
CREATE TABLE audit (
  index bigint PRIMARY KEY,
  at timestamptz NOT NULL,
  who text NOT NULL,
  via text NOT NULL,
  operation text NOT NULL,
  object text NOT NULL,
  tenant text,
  outcome text NOT NULL CHECK (outcome IN ('allowed', 'denied', 'failed')),
  status integer NOT NULL,
  detail jsonb NOT NULL,
  hash text NOT NULL
);
CREATE INDEX audit_who ON audit (who, index DESC);
CREATE INDEX audit_operation ON audit (operation, index DESC);
CREATE INDEX audit_tenant ON audit (tenant, index DESC);

-- One row: the last entry. Appending locks it, so entries are numbered without gaps.
CREATE TABLE audit_head (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  index bigint NOT NULL,
  hash text NOT NULL
);
INSERT INTO audit_head (index, hash) VALUES (0, repeat('0', 64));

CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is append only';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit
  FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit
  FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only();
