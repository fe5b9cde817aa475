// What a host is, as its engine sees it: domains, NICs, addresses, protection, alerts, receipts.
import { Type, type Static } from 'typebox';
import { GATEWAY_FORMS } from './resources/gateway.ts';
import { Labels, Mac, Name, Uuid, oneOf, record } from './schema.ts';

const text = (max: number) => Type.String({ maxLength: max });

export const VM_STATES = [
  'running',
  'blocked',
  'paused',
  'shutdown',
  'shutoff',
  'crashed',
  'suspended',
  'unknown',
] as const;
export const PROTECTION = ['enforced', 'observed', 'unprotected', 'inactive'] as const;

/** `source`: how the address became known. */
export const ObservedAddress = record({
  ip: text(45),
  source: oneOf(['lease', 'agent', 'snooped', 'metadata']),
});
export type ObservedAddress = Static<typeof ObservedAddress>;

/**
 * `link` is how the NIC reaches the network; `bridge`/`vlan` locate its L2 segment on this host.
 * `protection: unprotected` carries the `reason` (macvtap, ovs, user-mode network, no bridge, …).
 */
export const ObservedNic = record({
  mac: Mac,
  model: text(64),
  link: oneOf(['network', 'bridge', 'direct', 'hostdev', 'user', 'ovs', 'ethernet', 'vhostuser', 'other']),
  source: text(255),
  bridge: Type.Union([text(15), Type.Null()]),
  vlan: Type.Union([Type.Integer({ minimum: 1, maximum: 4094 }), Type.Null()]),
  tap: Type.Union([text(15), Type.Null()]),
  addresses: Type.Array(ObservedAddress, { maxItems: 256 }),
  protection: oneOf(PROTECTION),
  reason: text(500),
});
export type ObservedNic = Static<typeof ObservedNic>;

export const ObservedVm = record({
  id: Uuid,
  name: text(255),
  title: text(255),
  state: oneOf(VM_STATES),
  vcpus: Type.Integer({ minimum: 0 }),
  memoryKiB: Type.Integer({ minimum: 0 }),
  /** From the domain's own metadata (wocloud or Nova), set by whoever may define domains on the host. */
  tenant: Type.Union([Name, Type.Null()]),
  labels: Labels,
  nics: Type.Array(ObservedNic, { maxItems: 64 }),
});
export type ObservedVm = Static<typeof ObservedVm>;

/** Facts about the host itself. `notices`: what stands in the way of protection, in words an operator can act on. */
export const HostFacts = record({
  hostname: text(253),
  kernel: text(255),
  libvirt: text(64),
  qemu: text(64),
  libvirtUp: Type.Boolean(),
  cpus: Type.Integer({ minimum: 0 }),
  memoryKiB: Type.Integer({ minimum: 0 }),
  notices: Type.Array(record({ code: text(64), message: text(1000), action: text(1000) }), { maxItems: 64 }),
});
export type HostFacts = Static<typeof HostFacts>;

/** Proof that a generation stands in the kernel: the digest of what was read back, signed by the host's key. */
export const Receipt = record({
  generation: Type.Integer({ minimum: 0 }),
  result: oneOf(['applied', 'failed']),
  /** sha256, hex, of the canonical ruleset read back from the kernel. */
  digest: text(64),
  at: Type.Number({ description: 'µs since the epoch' }),
  /** ms from the arrival of the desired state to its proof. */
  took: Type.Number({ minimum: 0 }),
  error: text(2000),
  nics: Type.Array(record({ nic: text(64), protection: oneOf(PROTECTION), reason: text(500) }), {
    maxItems: 10_000,
  }),
  /** base64 ECDSA P-256 signature (SHA-256) over `receiptText()`, by the key of the host's certificate. */
  signature: text(200),
});
export type Receipt = Static<typeof Receipt>;

/** The exact text a receipt's signature covers. */
export function receiptText(host: string, receipt: Omit<Receipt, 'signature'>): string {
  const nics = receipt.nics.map((n) => `${n.nic}=${n.protection}`).sort();
  return [host, receipt.generation, receipt.result, receipt.digest, receipt.at, ...nics].join('\n');
}

export const SEVERITIES = ['info', 'low', 'medium', 'high', 'critical'] as const;

/**
 * Something that needs a person. `kind` is a stable dotted code: spoof.mac, spoof.ipv4, spoof.ipv6, spoof.arp,
 * spoof.nd, spoof.ra, spoof.dhcp, spoof.dhcpv6, spoof.vlan, spoof.fragment, spoof.ethertype, firewall.drift,
 * syn.flood, limit.connections, limit.rate, records.lost, rule.logged, libvirt.down, host.stale, …
 * `key` groups repetitions: same kind and key while open is one alert with a count.
 */
export const EngineAlert = record({
  kind: Type.String({ pattern: '^[a-z0-9]+(\\.[a-z0-9-]+)+$', maxLength: 64 }),
  key: text(255),
  severity: oneOf(SEVERITIES),
  title: text(300),
  vm: Type.Union([Uuid, Type.Null()]),
  time: Type.Number({ description: 'µs since the epoch' }),
  count: Type.Integer({ minimum: 1 }),
  evidence: Type.Record(text(64), Type.Union([text(2000), Type.Number(), Type.Boolean()])),
});
export type EngineAlert = Static<typeof EngineAlert>;

export const INSTANCE_STATES = ['starting', 'working', 'degraded', 'failed', 'draining'] as const;

/**
 * One gateway instance. `working`: probes pass through it and its daemon speaks; `degraded`: only one of the two, with
 * the `reason`; `failed`: traffic does not go through it. Latency is the probes' median, in µs, of the last ten seconds.
 */
export const GatewayReport = record({
  id: Type.String({ maxLength: 80, description: '<gateway>/<number>' }),
  gateway: text(63),
  form: oneOf(GATEWAY_FORMS),
  state: oneOf(INSTANCE_STATES),
  reason: text(500),
  since: Type.Number({ description: 'µs since the epoch' }),
  image: text(64),
  suricata: text(64),
  /** Digest of the rules in force, how many were loaded, how many refused, and why the last ones were not taken. */
  rules: text(64),
  loaded: Type.Integer({ minimum: 0 }),
  refused: Type.Integer({ minimum: 0 }),
  rulesError: text(8_000),
  latencyMicros: Type.Union([Type.Number({ minimum: 0 }), Type.Null()]),
  residentKiB: Type.Integer({ minimum: 0 }),
  counters: Type.Record(text(64), Type.Number()),
});
export type GatewayReport = Static<typeof GatewayReport>;

/** Monotonic counters since the engine's start; whatever is lost anywhere is counted here. */
export const Health = record({
  time: Type.Number(),
  uptimeSeconds: Type.Number({ minimum: 0 }),
  residentBytes: Type.Number({ minimum: 0 }),
  counters: Type.Record(text(64), Type.Number()),
});
export type Health = Static<typeof Health>;
