-- Declarative documents: the newest version of each, and every version there ever was.
CREATE TABLE documents (
  uid uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  kind text NOT NULL,
  -- '' where a document belongs to no tenant, so that uniqueness holds there as well.
  tenant text NOT NULL DEFAULT '',
  name text NOT NULL,
  version integer NOT NULL,
  -- null: nothing in force.
  published integer,
  deleted boolean NOT NULL DEFAULT false,
  -- json, not jsonb: the order of the fields is the author's.
  document json NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  updated_by text NOT NULL,
  UNIQUE (kind, tenant, name)
);
CREATE INDEX documents_unpublished ON documents (kind) WHERE published IS DISTINCT FROM version;

CREATE TABLE document_versions (
  uid uuid NOT NULL REFERENCES documents,
  version integer NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  by text NOT NULL,
  reason text NOT NULL,
  deleted boolean NOT NULL,
  -- null when deleted.
  document json,
  PRIMARY KEY (uid, version)
);
