-- Publications: which versions came into force, when, by whom; and which generation of each host holds them.
CREATE TABLE publications (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT now(),
  by text NOT NULL,
  message text NOT NULL,
  -- null: every tenant's and the platform's.
  tenant text,
  rollback_of bigint REFERENCES publications,
  -- True once the plan has counted it in, and publication_hosts says for which generations to wait.
  planned boolean NOT NULL DEFAULT false
);
CREATE INDEX publications_unplanned ON publications (id) WHERE NOT planned;

CREATE TABLE publication_changes (
  publication bigint NOT NULL REFERENCES publications,
  uid uuid NOT NULL REFERENCES documents,
  -- Versions in force before and after; null: none.
  before integer,
  after integer,
  by text NOT NULL,
  at timestamptz NOT NULL,
  diff text NOT NULL,
  PRIMARY KEY (publication, uid)
);
CREATE INDEX publication_changes_uid ON publication_changes (uid, publication DESC);

CREATE TABLE publication_hosts (
  publication bigint NOT NULL REFERENCES publications,
  host uuid NOT NULL,
  generation bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (publication, host)
);
