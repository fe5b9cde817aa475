// Where addresses come from: the domain's metadata, reservations and leases of libvirt's DHCP servers (a new lease is
// seen when dnsmasq writes it), and the guest agents, which are asked seldom and never waited for.
import { watch, type FSWatcher } from 'node:fs';
import { isIP } from 'node:net';
import { AddressSource } from '@wocloud/libvirt/constants.ts';
import { domainInterfaceAddresses } from '@wocloud/libvirt/procedures-guest.ts';
import { dhcpLeases } from '@wocloud/libvirt/procedures-network.ts';
import { Session } from '@wocloud/libvirt/session.ts';
import type { Target } from '@wocloud/libvirt/transport.ts';
import type { Logger } from 'pino';
import type { AddressBook } from './addresses.ts';
import type { Inventory } from './inventory.ts';

const LEASE_DIR = '/var/lib/libvirt/dnsmasq';
const LEASES_EVERY_MS = 15_000;
const AGENT_EVERY_MS = 60_000;
const AGENT_DEADLINE_MS = 5_000;
/** Until the source says otherwise: while libvirt is away, what it said still holds. */
const UNTIL_TOLD = Infinity;

export class AddressSources {
  readonly counters = { 'addresses.leaseReads': 0, 'addresses.agentAsks': 0, 'addresses.agentFailures': 0 };
  readonly #session: Session;
  readonly #agents: Session;
  readonly #inventory: Inventory;
  readonly #book: AddressBook;
  readonly #changed: (macs: ReadonlySet<string>) => void;
  readonly #log: Logger;
  readonly #asked = new Map<string, number>();
  readonly #timers: NodeJS.Timeout[] = [];
  #watcher: FSWatcher | undefined;
  #soon: NodeJS.Timeout | undefined;
  #asking = false;

  /**
   * Listens to the inventory from here on: whoever is to see addresses at once must listen after it.
   * @param changed called with the MACs whose addresses are others than before.
   */
  constructor(
    session: Session,
    target: Target,
    inventory: Inventory,
    book: AddressBook,
    changed: (macs: ReadonlySet<string>) => void,
    log: Logger,
  ) {
    this.#session = session;
    // A guest that does not answer would hold up one of the four calls libvirt serves at a time.
    this.#agents = new Session({ target });
    this.#inventory = inventory;
    this.#book = book;
    this.#changed = changed;
    this.#log = log;
    inventory.on('resynced', () => void this.refresh());
    inventory.on('vm', (id) => this.#metadata([id]));
  }

  start(): void {
    this.#agents.start();
    this.#timers.push(
      setInterval(() => this.#readSoon(), LEASES_EVERY_MS),
      setInterval(() => void this.#askAgents(), 1_000),
    );
    try {
      this.#watcher = watch(LEASE_DIR, () => this.#readSoon());
      this.#watcher.on('error', () => this.#watcher?.close());
    } catch {
      // No such directory: leases are then found by the periodic look.
    }
  }

  async stop(): Promise<void> {
    this.#watcher?.close();
    clearTimeout(this.#soon);
    for (const timer of this.#timers) clearInterval(timer);
    await this.#agents.close();
  }

  /** Everything that can be had without asking a guest. */
  async refresh(): Promise<void> {
    this.#metadata(this.#inventory.vms.keys());
    this.#book.keepOnly(
      new Set([...this.#inventory.vms.values()].flatMap((vm) => vm.nics.map((nic) => nic.mac))),
    );
    await this.#leases();
  }

  #metadata(ids: Iterable<string>): void {
    const changed = new Set<string>();
    for (const id of ids) {
      const vm = this.#inventory.vms.get(id);
      if (!vm) continue;
      for (const { mac } of vm.nics) {
        const own = vm.domain.metadata.addresses.filter((a) => a.mac === mac).map((a) => a.ip);
        if (this.#book.replace(mac, own, 'metadata', UNTIL_TOLD)) changed.add(mac);
      }
    }
    if (changed.size > 0) this.#changed(changed);
  }

  #readSoon(): void {
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      void this.#leases();
    }, 30);
  }

  async #leases(): Promise<void> {
    if (!this.#session.isConnected) return;
    this.counters['addresses.leaseReads']++;
    const byMac = new Map<string, string[]>();
    const add = (mac: string, ip: string) => byMac.set(mac, [...(byMac.get(mac) ?? []), ip]);
    try {
      for (const network of this.#inventory.networks.values()) {
        for (const { mac, ip } of network.reserved) add(mac, ip);
        if (!network.dhcp) continue;
        for (const lease of await dhcpLeases(this.#session, network.ref))
          if (lease.mac !== null && isIP(lease.address) !== 0) add(lease.mac.toLowerCase(), lease.address);
      }
    } catch (error) {
      this.#log.debug({ err: error }, 'leases cannot be read now');
      return;
    }
    const changed = new Set<string>();
    for (const vm of this.#inventory.vms.values())
      for (const { mac } of vm.nics)
        if (this.#book.replace(mac, byMac.get(mac) ?? [], 'lease', UNTIL_TOLD)) changed.add(mac);
    if (changed.size > 0) this.#changed(changed);
  }

  /** Asks the one agent that has waited longest, if it is due. */
  async #askAgents(): Promise<void> {
    if (this.#asking || !this.#agents.isConnected) return;
    const now = performance.now();
    for (const id of this.#asked.keys()) if (!this.#inventory.vms.has(id)) this.#asked.delete(id);
    const due = [...this.#inventory.vms]
      .filter(([id, vm]) => vm.domain.agent && now - (this.#asked.get(id) ?? -Infinity) >= AGENT_EVERY_MS)
      .sort(([a], [b]) => (this.#asked.get(a) ?? -Infinity) - (this.#asked.get(b) ?? -Infinity))[0];
    if (!due) return;
    this.#asking = true;
    this.#asked.set(due[0], now);
    this.counters['addresses.agentAsks']++;
    try {
      await this.#ask(due[0]);
    } catch (error) {
      this.counters['addresses.agentFailures']++;
      this.#log.debug({ err: error, vm: due[0] }, 'a guest agent does not answer');
    } finally {
      this.#asking = false;
    }
  }

  async #ask(id: string): Promise<void> {
    const interfaces = await domainInterfaceAddresses(this.#agents, { uuid: id }, AddressSource.agent, {
      timeoutMs: AGENT_DEADLINE_MS,
    });
    const changed = new Set<string>();
    for (const { mac } of this.#inventory.vms.get(id)?.nics ?? []) {
      // A guest's word is taken for its own NICs only.
      const said = interfaces
        .filter((i) => i.mac?.toLowerCase() === mac)
        .flatMap((i) => i.addresses.map((a) => a.address))
        .filter((ip) => isIP(ip) !== 0);
      if (this.#book.replace(mac, said, 'agent', UNTIL_TOLD)) changed.add(mac);
    }
    if (changed.size > 0) this.#changed(changed);
  }
}
