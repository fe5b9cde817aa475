-- Who may sign in, their sessions, API tokens, and members' rights on VMs.
CREATE TABLE users (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text NOT NULL UNIQUE,
  password text NOT NULL,
  roles text[] NOT NULL DEFAULT '{}',
  tenant text,
  tenant_role text CHECK (tenant_role IN ('owner', 'member')),
  disabled boolean NOT NULL DEFAULT false,
  failures integer NOT NULL DEFAULT 0,
  locked_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  last_sign_in timestamptz,
  CHECK ((tenant IS NULL) = (tenant_role IS NULL)),
  -- Somebody who runs the platform belongs to no tenant, and the other way round.
  CHECK (tenant IS NULL OR roles = '{}')
);
CREATE INDEX users_tenant ON users (tenant);

CREATE TABLE sessions (
  -- sha256 of the cookie: a copy of the database signs nobody in.
  id text PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  csrf text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  last_used timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);

CREATE TABLE tokens (
  id text PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  name text NOT NULL,
  secret text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  last_used timestamptz
);
CREATE INDEX tokens_user ON tokens (user_id);

CREATE TABLE grants (
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  vm text NOT NULL,
  rights text[] NOT NULL,
  by text NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, vm)
);
CREATE INDEX grants_vm ON grants (vm);
