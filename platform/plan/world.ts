// From what the database says to what the planner takes: each VM with its tenant, labels, mode, networks and
// addresses; each host with its guardable networks. Follows changes; asks for nothing it was not told of.
import type { DesiredGateway, DesiredNetwork } from '@wocloud/protocol/desired.ts';
import type { Gateway } from '@wocloud/protocol/resources/gateway.ts';
import type { Kind } from '@wocloud/protocol/resources/kinds.ts';
import type { InventoryVm } from '@wocloud/policy/model.ts';
import { Planner } from '@wocloud/policy/plan.ts';
import type { Database } from '../database/database.ts';
import { Enforcement, readEnforcement } from '../enforcement/mode.ts';
import { compose } from '../inspection/compose.ts';
import { storeRules } from '../inspection/rules-store.ts';
import { effective } from '../vms/effective.ts';
import { Addresses, type NicAddresses } from './addresses.ts';
import { InForce } from './documents.ts';
import { guardable, readHosts, readVms, type PlanHost, type ReportedVm } from './vms.ts';
import { Zones } from './zones.ts';

/** As long as the wire takes. */
const MAX_NETWORK_ID = 128;

/** Kinds the planner takes as they are. */
const POLICY_KINDS: readonly Kind[] = ['Tenant', 'Group', 'Service', 'Policy', 'Insertion', 'Limit'];

/** What may have changed since the last look. */
export interface Pending {
  documents: boolean;
  enforcement: boolean;
  hosts: boolean;
  /** Ids, or all. */
  vms: Set<string> | 'all';
}

/** A report with everything that was said about it. */
interface Seen {
  inventory: InventoryVm;
  nics: NicAddresses[];
  segments: Map<string, { bridge: string; vlan: number | null }>;
  /** Not given to the planner yet. */
  fresh: boolean;
}

export class PlanWorld {
  readonly planner = new Planner();
  readonly #db: Database;
  readonly #inForce = new InForce();
  readonly #addresses = new Addresses();
  readonly #zones = new Zones();
  readonly #seen = new Map<string, Seen>();
  readonly #vmsOfHost = new Map<string, Set<string>>();
  readonly #networks = new Map<string, string>();
  readonly #gateways = new Map<string, string>();
  #hosts = new Map<string, PlanHost>();
  #enforcement = new Enforcement([]);

  constructor(db: Database) {
    this.#db = db;
  }

  hosts(): PlanHost[] {
    return [...this.#hosts.values()];
  }

  /** Reads again what was remembered: after starting, and after another replica held the lease. */
  async remember(): Promise<void> {
    await this.#addresses.load(this.#db);
    await this.#zones.load(this.#db);
  }

  /** Brings the planner up to date. `lead`: may settle addresses and zones, not only follow them. */
  async update(pending: Pending, lead: boolean): Promise<void> {
    if (!lead) await this.remember();
    let all = pending.vms === 'all';
    const hosts = pending.hosts || all;
    if (hosts) all = (await this.#updateHosts()) || all;
    if (pending.documents) {
      const kinds = await this.#inForce.refresh(this.#db);
      if (kinds.has('VM') || kinds.has('Network')) all = true;
      if (POLICY_KINDS.some((kind) => kinds.has(kind))) this.planner.setDocuments(this.#inForce.policy);
      if (kinds.has('RuleSet')) await this.#updateRules(lead);
    }
    if (pending.documents || hosts) this.#updateGateways();
    if (pending.enforcement) {
      this.#enforcement = await readEnforcement(this.#db);
      all = true;
    }
    const ids = all ? null : [...(pending.vms as Set<string>)];
    if (ids === null || ids.length > 0) await this.#updateVms(ids, lead);
    if (lead) return;
    // Zones and addresses that the leader has settled since may concern any VM.
    for (const host of this.#hosts.keys()) await this.#updateNetworks(host, false);
    for (const id of this.#seen.keys()) this.#upsert(id);
  }

  async #updateHosts(): Promise<boolean> {
    const before = [...this.#hosts.values()].map((h) => `${h.id} ${h.name}`).join();
    const rows = await readHosts(this.#db);
    for (const id of this.#hosts.keys())
      if (!rows.some((row) => row.id === id)) {
        this.planner.removeHost(id);
        this.#networks.delete(id);
        this.#gateways.delete(id);
      }
    this.#hosts = new Map(rows.map((row) => [row.id, row]));
    for (const { id } of rows) if (!this.#networks.has(id)) this.#setNetworks(id, []);
    return before !== rows.map((h) => `${h.id} ${h.name}`).join();
  }

  /** Before a host hears of rules they are stored, so that it gets them when it asks. */
  async #updateRules(lead: boolean): Promise<void> {
    const composed = compose(this.#inForce.ruleSets);
    if (composed && lead) await storeRules(this.#db, composed);
    this.planner.setRules(composed?.digest ?? null);
  }

  /** Gateway documents name hosts as people do. */
  #updateGateways(): void {
    const byHost = Map.groupBy(this.#inForce.gateways, (gateway) => gateway.spec.host);
    for (const { id, name } of this.#hosts.values()) {
      const gateways = [...(byHost.get(name) ?? []), ...(byHost.get(id) ?? [])].map(desiredGateway);
      const text = JSON.stringify(gateways);
      if ((this.#gateways.get(id) ?? '[]') === text) continue;
      this.#gateways.set(id, text);
      this.planner.setGateways(id, gateways);
    }
  }

  async #updateVms(ids: readonly string[] | null, lead: boolean): Promise<void> {
    const rows = await readVms(this.#db, ids);
    const found = new Map(rows.filter((row) => !row.gone).map((row) => [row.id, row]));
    const asked = ids ?? [...new Set([...this.#seen.keys(), ...found.keys()])];
    const touched = new Set<string>();
    for (const id of asked) {
      const old = this.#seen.get(id);
      if (old) {
        touched.add(old.inventory.host);
        this.#vmsOfHost.get(old.inventory.host)?.delete(id);
      }
      const row = found.get(id);
      if (!row) {
        if (!old) continue;
        this.#addresses.observe(id, []);
        this.planner.removeVm(id);
        this.#seen.delete(id);
        continue;
      }
      const seen = this.#see(row);
      this.#seen.set(id, seen);
      this.#addresses.observe(id, seen.nics);
      this.#vmsOfHost.set(row.host, (this.#vmsOfHost.get(row.host) ?? new Set()).add(id));
      touched.add(row.host);
    }
    const others = lead ? await this.#addresses.settle(this.#db, asked) : [];
    for (const host of touched) await this.#updateNetworks(host, lead);
    for (const id of new Set([...asked, ...others])) this.#upsert(id);
  }

  #see(row: ReportedVm): Seen {
    const host = this.#hosts.get(row.host)?.name ?? '';
    const { tenant, labels, addresses, document } = effective(row, this.#inForce.vms);
    const { mode } = this.#enforcement.of({ id: row.id, tenant, host: row.host });
    const segments: Seen['segments'] = new Map();
    const nics: NicAddresses[] = [];
    for (const nic of row.nics) {
      const network = this.#inForce.networks.of(host, nic.bridge, nic.vlan);
      if (network === null || nic.bridge === null || !guardable(nic)) continue;
      const id = network.slice(-MAX_NETWORK_ID);
      segments.set(id, { bridge: nic.bridge, vlan: nic.vlan });
      nics.push({
        vm: row.id,
        mac: nic.mac,
        network: id,
        tenant,
        mode,
        reported: nic.addresses,
        declared: addresses.filter((a) => a.mac === nic.mac).map((a) => a.ip),
        byTenant: document !== undefined && document.tenant !== null,
      });
    }
    const inventory = { id: row.id, name: row.name, host: row.host, tenant, labels, mode, nics: [] };
    return { inventory, nics, segments, fresh: true };
  }

  #upsert(id: string): void {
    const placed = this.#seen.get(id);
    if (!placed) return;
    const nics = placed.nics.map((nic) => ({
      mac: nic.mac,
      network: nic.network,
      addresses: this.#addresses.allowed(nic),
    }));
    if (!placed.fresh && JSON.stringify(nics) === JSON.stringify(placed.inventory.nics)) return;
    placed.fresh = false;
    placed.inventory = { ...placed.inventory, nics };
    this.planner.upsertVm(placed.inventory);
  }

  async #updateNetworks(host: string, lead: boolean): Promise<void> {
    if (!this.#hosts.has(host)) return;
    const segments = new Map<string, { bridge: string; vlan: number | null }>();
    for (const vm of this.#vmsOfHost.get(host) ?? [])
      for (const [id, segment] of this.#seen.get(vm)?.segments ?? []) segments.set(id, segment);
    const networks: DesiredNetwork[] = [];
    for (const [id, { bridge, vlan }] of segments) {
      const zone = lead ? await this.#zones.give(this.#db, host, id) : this.#zones.of(host, id);
      // A follower that does not know the zone yet plans without the network until the leader has given one.
      if (zone !== undefined) networks.push({ id, name: id, bridge, vlan, zone });
    }
    this.#setNetworks(
      host,
      networks.sort((a, b) => (a.id < b.id ? -1 : 1)),
    );
  }

  #setNetworks(host: string, networks: DesiredNetwork[]): void {
    const text = JSON.stringify(networks);
    if (this.#networks.get(host) === text) return;
    this.#networks.set(host, text);
    this.planner.setHostNetworks(host, networks);
  }
}

const desiredGateway = ({ metadata, spec }: Gateway): DesiredGateway => ({
  id: metadata.name,
  form: spec.form ?? 'vm',
  instances: spec.instances ?? 1,
  vcpus: spec.vcpus ?? 1,
  memoryMiB: spec.memoryMiB ?? 768,
  image: spec.image ?? null,
});
