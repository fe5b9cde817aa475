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

-- Who was first with an address on a network: a NIC that was seen with it before it was enforced, or one whose
-- tenant declared it (as long as it does). Later claims of others get nothing.
CREATE TABLE first_addresses (
  network text NOT NULL,
  ip text NOT NULL,
  vm uuid NOT NULL,
  mac text NOT NULL,
  declared boolean NOT NULL,
  at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (network, ip)
);
