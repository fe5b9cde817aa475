-- VMs as the host that runs them reports them. What people say about them is in VM documents, which win.
CREATE TABLE vms (
  id uuid PRIMARY KEY,
  host uuid NOT NULL REFERENCES hosts,
  name text NOT NULL,
  title text NOT NULL,
  state text NOT NULL,
  vcpus integer NOT NULL,
  memory_kib bigint NOT NULL,
  -- From the domain's metadata.
  tenant text,
  labels jsonb NOT NULL,
  first_seen timestamptz NOT NULL DEFAULT now(),
  changed_at timestamptz NOT NULL DEFAULT now(),
  gone_at timestamptz,
  -- Where it ran before it was taken over by another host, and when that was.
  moved_from uuid,
  moved_at timestamptz
);
CREATE INDEX vms_host ON vms (host) WHERE gone_at IS NULL;
CREATE INDEX vms_name ON vms (name);

CREATE TABLE nics (
  vm uuid NOT NULL REFERENCES vms ON DELETE CASCADE,
  mac text NOT NULL,
  position integer NOT NULL,
  model text NOT NULL,
  link text NOT NULL,
  source text NOT NULL,
  bridge text,
  vlan integer,
  tap text,
  protection text NOT NULL,
  reason text NOT NULL,
  PRIMARY KEY (vm, mac)
);

CREATE TABLE addresses (
  vm uuid NOT NULL,
  mac text NOT NULL,
  ip text NOT NULL,
  source text NOT NULL,
  PRIMARY KEY (vm, mac, ip, source),
  FOREIGN KEY (vm, mac) REFERENCES nics ON DELETE CASCADE
);
CREATE INDEX addresses_ip ON addresses (ip);

-- A host's report of a VM that another host still runs: it waits here until that host lets go.
CREATE TABLE vm_claims (
  vm uuid NOT NULL REFERENCES vms ON DELETE CASCADE,
  host uuid NOT NULL REFERENCES hosts ON DELETE CASCADE,
  report jsonb NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  alerted boolean NOT NULL DEFAULT false,
  PRIMARY KEY (vm, host)
);
