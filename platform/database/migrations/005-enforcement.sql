-- Where somebody switched enforcement on or off. `name`: id of the VM or host, name of the tenant.
CREATE TABLE enforcement (
  scope text NOT NULL CHECK (scope IN ('vm', 'tenant', 'host')),
  name text NOT NULL,
  mode text NOT NULL CHECK (mode IN ('observe', 'enforce')),
  by text NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (scope, name)
);
