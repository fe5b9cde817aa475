// The domains of this host as they are now: events as they come, and everything anew at each connection to
// libvirt and periodically. A change is told within milliseconds; what events miss, the next full look finds.
import { EventEmitter } from 'node:events';
import { ErrorNumber } from '@wocloud/libvirt/constants-error.ts';
import { isRemote, LibvirtError } from '@wocloud/libvirt/errors.ts';
import { domainState, domainXml, listDomains } from '@wocloud/libvirt/procedures-domain.ts';
import { listNetworks, networkXml } from '@wocloud/libvirt/procedures-network.ts';
import type { Session } from '@wocloud/libvirt/session.ts';
import type { Logger } from 'pino';
import { NO_BRIDGES, readBridges, type Bridges } from './bridges.ts';
import { readDomain, type Domain } from './domain-xml.ts';
import { readNetwork, type LibvirtNetwork } from './network-xml.ts';
import { placeNic } from './nics.ts';
import { hasTaps, vmState, type KnownVm } from './observed.ts';

export type InventoryEvents = {
  /** A VM is new or has changed. */
  vm: [id: string];
  gone: [id: string];
  /** All was read anew. */
  resynced: [];
};

export class Inventory extends EventEmitter<InventoryEvents> {
  readonly counters = { 'inventory.resyncs': 0, 'inventory.events': 0, 'inventory.unreadable': 0 };
  readonly #session: Session;
  readonly #log: Logger;
  #vms = new Map<string, KnownVm>();
  #networks = new Map<string, LibvirtNetwork>();
  #bridges: Bridges = NO_BRIDGES;
  #isKnown = false;
  /** Reads under way, by domain; `true`: something has happened since it began. */
  readonly #reading = new Map<string, boolean>();
  #resync: Promise<void> | undefined;
  #again = false;
  /** Domains read on their own while a full look was under way: those readings are the newer ones. */
  readonly #fresher = new Set<string>();

  constructor(session: Session, log: Logger) {
    super();
    this.#session = session;
    this.#log = log;
    session.on('event', ({ event }) => {
      this.counters['inventory.events']++;
      if (event.kind === 'network-lifecycle') this.#detach(this.resync());
      else if ('domain' in event) this.#detach(this.refresh(event.domain.uuid));
    });
    session.on('connected', () => this.#detach(this.resync()));
    session.on('reconnected', () => this.#detach(this.resync()));
  }

  get vms(): ReadonlyMap<string, KnownVm> {
    return this.#vms;
  }
  /** Whether this host has been looked at; before, that nothing is here means nothing. */
  get isKnown(): boolean {
    return this.#isKnown;
  }
  get networks(): ReadonlyMap<string, LibvirtNetwork> {
    return this.#networks;
  }
  get bridges(): Bridges {
    return this.#bridges;
  }

  /** VMs that have a NIC with one of these MACs. */
  vmsWith(macs: ReadonlySet<string>): string[] {
    return [...this.#vms].flatMap(([id, vm]) => (vm.nics.some((nic) => macs.has(nic.mac)) ? [id] : []));
  }

  /** Reads everything anew. Calls while one is under way share one more that begins after it. */
  resync(): Promise<void> {
    if (this.#resync) this.#again = true;
    this.#resync ??= this.#resyncs().finally(() => (this.#resync = undefined));
    return this.#resync;
  }

  /** Reads one domain anew. */
  async refresh(id: string): Promise<void> {
    if (this.#reading.has(id)) {
      this.#reading.set(id, true);
      return;
    }
    try {
      do {
        this.#reading.set(id, false);
        await this.#refreshOnce(id);
      } while (this.#reading.get(id) === true);
    } finally {
      this.#reading.delete(id);
    }
  }

  /** Looks at the host's devices anew and tells which VMs that concerns. */
  async refreshBridges(): Promise<void> {
    this.#bridges = await readBridges();
    for (const [id, vm] of this.#vms) {
      const nics = this.#place(vm.domain, vm.state);
      if (JSON.stringify(nics) === JSON.stringify(vm.nics)) continue;
      vm.nics = nics;
      this.emit('vm', id);
    }
  }

  /** libvirt does not come: the host's devices alone are all that can be known for now. */
  async withoutLibvirt(): Promise<void> {
    await this.refreshBridges();
    this.#isKnown = true;
  }

  async #resyncs(): Promise<void> {
    do {
      this.#again = false;
      await this.#resyncOnce();
    } while (this.#again);
  }

  async #resyncOnce(): Promise<void> {
    this.#fresher.clear();
    const [domains, networks, bridges] = await Promise.all([
      listDomains(this.#session),
      this.#readNetworks(),
      readBridges(),
    ]);
    this.#networks = networks;
    this.#bridges = bridges;
    const vms = new Map<string, KnownVm>();
    await Promise.all(
      domains.map(async ({ uuid }) => {
        const vm = await this.#read(uuid);
        if (vm) vms.set(uuid, vm);
      }),
    );
    for (const id of this.#fresher) {
      const vm = this.#vms.get(id);
      if (vm) vms.set(id, vm);
      else vms.delete(id);
    }
    this.#vms = vms;
    this.#isKnown = true;
    this.counters['inventory.resyncs']++;
    this.emit('resynced');
  }

  async #refreshOnce(id: string): Promise<void> {
    this.#bridges = await readBridges();
    const vm = await this.#read(id);
    this.#fresher.add(id);
    if (vm) {
      this.#vms.set(id, vm);
      this.emit('vm', id);
    } else if (this.#vms.delete(id)) this.emit('gone', id);
  }

  /**
   * Undefined when the domain is gone, or is a gateway of ours. One whose XML cannot be read is kept by name, so that it
   * is not invisible.
   */
  async #read(uuid: string): Promise<KnownVm | undefined> {
    try {
      const [xml, status] = await Promise.all([
        domainXml(this.#session, { uuid }),
        domainState(this.#session, { uuid }),
      ]);
      const state = vmState(status.state);
      const domain = this.#parse(uuid, xml);
      if (domain.gateway) return undefined;
      return { domain, state, nics: this.#place(domain, state) };
    } catch (error) {
      if (isRemote(error, ErrorNumber.noDomain)) return undefined;
      throw error;
    }
  }

  #parse(uuid: string, xml: string): Domain {
    try {
      return readDomain(xml);
    } catch (error) {
      this.counters['inventory.unreadable']++;
      this.#log.error({ err: error, vm: uuid }, 'a domain whose XML cannot be read');
      const metadata = { tenant: null, labels: {}, addresses: [], problems: ['XML cannot be read'] };
      return { id: uuid, name: uuid, title: '', vcpus: 0, memoryKiB: 0, metadata, nics: [], agent: false };
    }
  }

  #place(domain: Domain, state: KnownVm['state']): KnownVm['nics'] {
    const bridgeOf = (name: string) => this.#networks.get(name)?.bridge ?? null;
    return domain.nics.map((nic) => placeNic(nic, hasTaps(state), this.#bridges, bridgeOf));
  }

  async #readNetworks(): Promise<Map<string, LibvirtNetwork>> {
    const result = new Map<string, LibvirtNetwork>();
    await Promise.all(
      (await listNetworks(this.#session)).map(async (ref) => {
        try {
          result.set(ref.name, readNetwork(await networkXml(this.#session, ref), ref));
        } catch (error) {
          // Gone since the list, or not readable: the NICs on it then have the bridge of their tap.
          this.#log.warn({ err: error, network: ref.name }, 'a network that cannot be read');
        }
      }),
    );
    return result;
  }

  /** A lost connection is no error here: everything is read anew once there is one. */
  #detach(work: Promise<void>): void {
    work.catch((error: unknown) => {
      const lost = error instanceof LibvirtError && ['lost', 'disconnected', 'closed'].includes(error.code);
      if (lost) return;
      this.#log.error({ err: error }, 'reading domains failed; reading all again');
      setTimeout(() => this.#detach(this.resync()), 1_000).unref();
    });
  }
}
