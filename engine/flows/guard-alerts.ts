// Packets the guard refused because they were forged → alerts that name the VM and what it forged.
// The log prefix says which kind: `wocloud-guard:<kind>:`; the port it came in by says who. The first of a kind from a NIC
// alerts at once; after that the same is told at most every few seconds, with its count.
import type { EngineAlert } from '@wocloud/protocol/reports.ts';
import type { Directory, LocalNic } from '../directory.ts';
import { readEvidence, type Evidence } from './evidence.ts';
import type { NicFinder } from './ports.ts';
import { macText } from './packet.ts';
import type { Forgery } from './reading.ts';

const PREFIX = /^wocloud-guard:([a-z0-9-]{1,32}):(.{0,64})$/;
const EVERY = 5000;
const MAX_KEYS = 4096;

const WHAT: Record<string, { title: (e: Evidence) => string; severity: EngineAlert['severity'] }> = {
  mac: { title: (e) => `a MAC address that is not its own (${e['sourceMac'] ?? '?'})`, severity: 'high' },
  ipv4: { title: (e) => `an IPv4 address that is not its own (${e['claimedIp'] ?? '?'})`, severity: 'high' },
  ipv6: { title: (e) => `an IPv6 address that is not its own (${e['claimedIp'] ?? '?'})`, severity: 'high' },
  arp: { title: (e) => `an ARP ${e['arp'] ?? 'message'} claiming ${claim(e)}`, severity: 'high' },
  nd: {
    title: (e) => `a ${e['message'] ?? 'neighbour discovery message'} claiming ${claim(e)}`,
    severity: 'high',
  },
  'nd-option': {
    title: (e) =>
      `a ${e['message'] ?? 'neighbour discovery message'} with a link-layer address that is not its own (${e['claimedMac'] ?? '?'})`,
    severity: 'high',
  },
  'nd-dad': {
    title: (e) => `a claim to an address that is not its own (${e['target'] ?? '?'})`,
    severity: 'high',
  },
  redirect: { title: (e) => `a redirect (of ${e['target'] ?? '?'})`, severity: 'high' },
  'dhcp-client': { title: () => 'a DHCP request in the name of another MAC address', severity: 'high' },
  route: {
    title: (e) => `a packet from an address of another network (${e['claimedIp'] ?? '?'})`,
    severity: 'high',
  },
  ra: { title: (e) => `a router advertisement (prefix ${e['prefix'] ?? 'none'})`, severity: 'high' },
  dhcp: { title: (e) => `a DHCP server's reply offering ${e['offeredIp'] ?? '?'}`, severity: 'high' },
  dhcpv6: { title: () => `a DHCPv6 server's reply`, severity: 'high' },
  vlan: { title: (e) => `a VLAN tag (${e['vlan'] ?? '?'})`, severity: 'medium' },
  fragment: {
    title: (e) => `a fragment that hides its ports (to ${e['destination'] ?? '?'})`,
    severity: 'medium',
  },
  ethertype: {
    title: (e) => `a frame of a type it may not send (${e['etherType'] ?? '?'})`,
    severity: 'medium',
  },
};

const claim = (e: Evidence) =>
  `${e['target'] ?? e['claimedIp'] ?? '?'} is at ${e['claimedMac'] ?? e['sourceMac'] ?? '?'}`;

interface Pending {
  alert: EngineAlert;
  /** Not told yet. */
  count: number;
  toldAt: number;
}

export class GuardAlerts {
  readonly counters = { 'guard.alerts': 0, 'guard.unknown': 0 };
  readonly #directory: Directory;
  readonly #finder: NicFinder;
  readonly #alert: (alert: EngineAlert) => void;
  readonly #keys = new Map<string, Pending>();
  readonly #timer: NodeJS.Timeout;

  constructor(directory: Directory, finder: NicFinder, alert: (alert: EngineAlert) => void) {
    this.#directory = directory;
    this.#finder = finder;
    this.#alert = alert;
    this.#timer = setInterval(() => this.#tellPending(), 1000);
    this.#timer.unref();
  }

  take(forgery: Forgery): void {
    const said = PREFIX.exec(forgery.prefix);
    if (!said) {
      this.counters['guard.unknown'] += forgery.packets;
      return;
    }
    const [, kind = '', where = ''] = said;
    const nic =
      this.#directory.byTap(where) ??
      this.#directory.nics().find((n) => n.id === where) ??
      this.#finder.byPort(forgery.inIndex) ??
      // What was reassembled or routed may have lost its port; its MAC was checked where it came in.
      (kind === 'fragment' || kind === 'route' ? this.#finder.byMac(sourceMac(forgery)) : undefined);
    const key = `${kind}:${nic?.id ?? (where || this.#finder.names.of(forgery.inIndex))}`;
    const known = this.#keys.get(key);
    if (known) {
      known.count += forgery.packets;
      if (performance.now() - known.toldAt < EVERY) return;
      this.#tell(known, describe(kind, key, where, nic, forgery, this.#finder));
      return;
    }
    if (this.#keys.size >= MAX_KEYS) this.#forget();
    const pending: Pending = {
      alert: describe(kind, key, where, nic, forgery, this.#finder),
      count: forgery.packets,
      toldAt: 0,
    };
    this.#keys.set(key, pending);
    this.#tell(pending, pending.alert);
  }

  #tell(pending: Pending, alert: EngineAlert): void {
    pending.alert = alert;
    pending.toldAt = performance.now();
    const count = pending.count;
    pending.count = 0;
    this.counters['guard.alerts']++;
    this.#alert({ ...alert, count });
  }

  /** What was held back and has not been followed by more is told too: counts are never kept to ourselves. */
  #tellPending(): void {
    for (const pending of this.#keys.values())
      if (pending.count > 0 && performance.now() - pending.toldAt >= EVERY)
        this.#tell(pending, pending.alert);
  }

  #forget(): void {
    for (const [key, pending] of this.#keys) {
      if (pending.count > 0) this.#tell(pending, pending.alert);
      this.#keys.delete(key);
      if (this.#keys.size < MAX_KEYS / 2) return;
    }
  }

  /** Tells what is still held back. */
  close(): void {
    clearInterval(this.#timer);
    for (const pending of this.#keys.values()) if (pending.count > 0) this.#tell(pending, pending.alert);
  }
}

function describe(
  kind: string,
  key: string,
  where: string,
  nic: LocalNic | undefined,
  forgery: Forgery,
  finder: NicFinder,
): EngineAlert {
  const evidence = readEvidence(forgery);
  if (kind === 'theft') return describeTheft(key, evidence, forgery, finder);
  const what = WHAT[kind];
  const who = nic
    ? `VM ${nic.name}`
    : `The guest behind ${where || finder.names.of(forgery.inIndex) || 'an unknown port'}`;
  return {
    kind: `spoof.${kind}`,
    key,
    severity: what?.severity ?? 'medium',
    title: `${who} sent ${what ? what.title(evidence) : `a forged packet (${kind})`}`.slice(0, 300),
    vm: nic?.vm ?? null,
    time: forgery.time,
    count: forgery.packets,
    evidence: {
      ...evidence,
      tap: nic?.tap ?? finder.names.of(forgery.inIndex),
      ...(nic ? { nic: nic.id, ownMac: nic.mac, ownAddresses: nic.addresses.join(' ').slice(0, 2000) } : {}),
    },
  };
}

const sourceMac = (forgery: Forgery) => (forgery.link.length >= 12 ? macText(forgery.link, 6) : '');

/** A frame in the name of one of our NICs that came in by a port that is not its tap: the VM is the victim. */
function describeTheft(key: string, evidence: Evidence, forgery: Forgery, finder: NicFinder): EngineAlert {
  const victim = finder.byMac(sourceMac(forgery));
  const port = finder.names.of(forgery.inIndex) || 'an unknown port';
  return {
    kind: 'spoof.theft',
    key,
    severity: 'high',
    title: `A frame with the MAC address of ${victim ? `VM ${victim.name}` : 'a protected VM'} (${sourceMac(forgery)}) came in by ${port}`,
    vm: victim?.vm ?? null,
    time: forgery.time,
    count: forgery.packets,
    evidence: { ...evidence, port },
  };
}
