-- What the rule sets in force amount to, by digest: what gateways load. The newest is in force; hosts may still ask
-- for the few before it.
CREATE TABLE inspection_rules (
  -- sha256, hex, of the text.
  digest text PRIMARY KEY,
  -- zstd of the JSON text of InspectionRules.
  text bytea NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);
