-- What a plan must remember to be the same after a restart: generations, conntrack zones, addresses it trusted.
CREATE TABLE generations (
  host uuid PRIMARY KEY,
  generation bigint NOT NULL,
  -- sha256 of the state of that generation, its number left out.
  digest text NOT NULL,
  at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE zones (
  host uuid NOT NULL,
  network text NOT NULL,
  zone integer NOT NULL CHECK (zone BETWEEN 1 AND 65535),
  PRIMARY KEY (host, network),
  UNIQUE (host, zone)
);

-- Addresses that a NIC was seen with before it was enforced, and that nobody else had: trusted on first use.
CREATE TABLE learned_addresses (
  network text NOT NULL,
  ip text NOT NULL,
  vm uuid NOT NULL,
  mac text NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (network, ip)
);
CREATE INDEX learned_addresses_vm ON learned_addresses (vm);
