// The desired state of each host, from documents and inventory: incremental, and the same whatever order things came in.
import type {
  DesiredChain,
  DesiredGateway,
  DesiredInsertion,
  DesiredLimits,
  DesiredNetwork,
  DesiredNic,
  DesiredRules,
  DesiredSet,
  DesiredState,
} from '@wocloud/protocol/desired.ts';
import { buildChain, chainId, type BuiltChain } from './chains.ts';
import { canonical } from './cidr.ts';
import { InsertionIndex, desiredInsertion, type ExpandedInsertion } from './insertions.ts';
import { LimitIndex, sameLimits } from './limits.ts';
import {
  NO_DOCUMENTS,
  nicId,
  type Documents,
  type InventoryNic,
  type InventoryVm,
  type World,
} from './model.ts';
import { Resolver, ownAddresses } from './resolve.ts';
import {
  ServiceIndex,
  comparePolicies,
  expandPolicy,
  tenantDefaults,
  type Direction,
  type ExpandedPolicy,
  type TenantDefaults,
} from './rules.ts';
import { GroupIndex, KNOWN, selectionFacts, tenantSelection, type Selection } from './selection.ts';
import type { Policy } from '@wocloud/protocol/resources/policy.ts';

interface Expansion {
  source: Policy;
  expanded: ExpandedPolicy | null;
  problems: string[];
  /** Everything a chain takes from it, and who its groups mean. */
  fingerprint: string;
}

interface CachedChain {
  policies: readonly ExpandedPolicy[];
  defaults: TenantDefaults;
  built: BuiltChain;
}

const NO_GATEWAYS: DesiredGateway[] = [];
const NO_RULES: DesiredRules[] = [];
const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const byId = (a: { id: string }, b: { id: string }): number => compareText(a.id, b.id);

export class Planner {
  readonly #resolver = new Resolver();
  readonly #networks = new Map<string, DesiredNetwork[]>();
  readonly #gateways = new Map<string, DesiredGateway[]>();
  readonly #insertions = new InsertionIndex();
  readonly #limits = new LimitIndex();
  readonly #vmsOfHost = new Map<string, Set<string>>();
  readonly #dirty = new Set<string>();
  /** Which hosts' last desired state used a set. */
  readonly #setUsers = new Map<string, Set<string>>();
  readonly #setsOfHost = new Map<string, readonly string[]>();
  readonly #chains = new Map<string, CachedChain>();
  readonly #sets = new Map<string, DesiredSet>();
  readonly #nics = new Map<string, { vm: InventoryVm; nic: DesiredNic }>();
  readonly #states = new Map<string, DesiredState>();
  readonly #tenantUse = new Map<string | null, number>();
  #documents: Documents = NO_DOCUMENTS;
  #rules: DesiredRules[] = [];
  #expansions = new Map<string, Expansion>();
  #order = new Map<ExpandedPolicy, number>();
  #bySelection = new Map<string, ExpandedPolicy[]>();
  #defaults = new Map<string, TenantDefaults>();

  constructor() {
    this.#resolver.keep(KNOWN);
  }

  /** Replaces what is published. Documents that are the same objects as before cost nothing. */
  setDocuments(documents: Documents): void {
    const namesStand =
      sameItems(documents.groups, this.#documents.groups) &&
      sameItems(documents.services, this.#documents.services);
    const groups = new GroupIndex(documents.groups);
    const services = new ServiceIndex(documents.services);
    const before = this.#expansions;
    const after = new Map<string, Expansion>();
    for (const policy of [...documents.policies].sort(comparePolicies)) {
      const key = `${policy.metadata.tenant ?? '-'}/${policy.metadata.name}`;
      const old = before.get(key);
      after.set(key, namesStand && old?.source === policy ? old : expand(policy, groups, services, old));
    }
    const touched = [...new Set([...before.keys(), ...after.keys()])].filter(
      (key) => before.get(key)?.fingerprint !== after.get(key)?.fingerprint,
    );
    for (const key of touched) this.#dirtyMembers(before.get(key)?.expanded?.appliesTo);
    const inserted = this.#insertions.replace(documents.insertions ?? [], groups, services, namesStand);
    for (const selection of inserted.was) this.#dirtyMembers(selection);
    const limited = this.#limits.replace(documents.limits ?? [], groups);
    for (const selection of limited.was) this.#dirtyMembers(selection);
    this.#documents = documents;
    this.#expansions = after;
    this.#indexPolicies();
    this.#forgetUnused();
    for (const key of touched) this.#dirtyMembers(after.get(key)?.expanded?.appliesTo);
    for (const selection of inserted.is) this.#dirtyMembers(selection);
    for (const selection of limited.is) this.#dirtyMembers(selection);
    this.#setDefaults(documents);
    this.#spread();
  }

  /** What could not be read in the documents; empty when validation was asked before publishing. */
  problems(): string[] {
    const policies = [...this.#expansions.values()].flatMap((e) => e.problems);
    return [...policies, ...this.#insertions.problems(), ...this.#limits.problems()];
  }

  upsertVm(vm: InventoryVm): void {
    const old = this.#resolver.vm(vm.id);
    if (old?.tenant !== vm.tenant || !old) {
      this.#useTenant(vm.tenant, 1);
      if (old) this.#useTenant(old.tenant, -1);
    }
    const moved = this.#resolver.upsert(vm);
    if (old && old.host !== vm.host) this.#place(old, false);
    this.#place(vm, true);
    if (moved || !old || !sameOnHost(old, vm)) {
      this.#dirty.add(vm.host);
      if (old) this.#dirty.add(old.host);
    }
    this.#spread();
  }

  removeVm(id: string): void {
    const vm = this.#resolver.vm(id);
    if (!vm) return;
    for (const nic of vm.nics) this.#nics.delete(nicId(id, nic.mac));
    this.#resolver.remove(id);
    this.#useTenant(vm.tenant, -1);
    this.#place(vm, false);
    this.#dirty.add(vm.host);
    this.#spread();
  }

  /** The networks of a host whose taps can be guarded; a NIC on any other network is not planned. */
  setHostNetworks(host: string, networks: readonly DesiredNetwork[]): void {
    this.#networks.set(host, [...networks].sort(byId));
    this.#dirty.add(host);
  }

  /** The gateways a host is to run. */
  setGateways(host: string, gateways: readonly DesiredGateway[]): void {
    this.#gateways.set(host, [...gateways].sort(byId));
    this.#dirty.add(host);
  }

  /** The rules all gateways are to have; hosts without a gateway are not told. */
  setRules(digest: string | null): void {
    if (digest === (this.#rules[0]?.digest ?? null)) return;
    this.#rules = digest === null ? [] : [{ id: 'rules', digest }];
    for (const [host, gateways] of this.#gateways) if (gateways.length > 0) this.#dirty.add(host);
  }

  removeHost(host: string): void {
    this.#networks.delete(host);
    this.#gateways.delete(host);
    this.#states.delete(host);
    this.#dirty.delete(host);
    this.#useSets(host, []);
  }

  /** Hosts whose desired state may have changed since it was last asked for, sorted. */
  dirtyHosts(): string[] {
    return [...this.#dirty].filter((host) => this.#networks.has(host)).sort(compareText);
  }

  /** The state of one host. Parts that did not change are the same objects as before. */
  desired(host: string, generation = 0): DesiredState {
    const networks = this.#networks.get(host) ?? [];
    const known = new Set(networks.map((network) => network.id));
    const nics: DesiredNic[] = [];
    const chains = new Map<string, DesiredChain>();
    const sets = new Map<string, DesiredSet>();
    const inserted = new Map<ExpandedInsertion, string[]>();
    const seen = new Set<string>();
    for (const id of this.#vmsOfHost.get(host) ?? []) {
      const vm = this.#resolver.vm(id) as InventoryVm;
      const policies = this.#policiesOf(vm);
      const memberships = this.#resolver.memberships(vm.id);
      const limits = this.#limits.of(vm.tenant, memberships);
      const insertions = this.#insertions.of(vm.tenant, memberships);
      for (const nic of vm.nics) {
        const key = nicId(vm.id, nic.mac);
        if (!known.has(nic.network) || seen.has(key)) continue;
        seen.add(key);
        const [out, into] = (['out', 'in'] as const).map((direction) => {
          const built = this.#chain(direction, nic.network, vm.tenant, policies);
          chains.set(built.chain.id, built.chain);
          for (const set of built.literals) sets.set(set.id, set);
          for (const [set, selection] of built.selections)
            sets.set(set, this.#set(set, selection, nic.network));
          return built.chain.id;
        }) as [string, string];
        nics.push(this.#nic(key, vm, nic, { out, in: into, limits }));
        for (const insertion of insertions) {
          const list = inserted.get(insertion);
          if (list) list.push(key);
          else inserted.set(insertion, [key]);
        }
      }
    }
    this.#useSets(host, [...sets.keys()]);
    this.#dirty.delete(host);
    const last = this.#states.get(host);
    const gateways = this.#gateways.get(host) ?? NO_GATEWAYS;
    const state: DesiredState = {
      generation,
      networks,
      nics: unlessSame(nics.sort(byId), last?.nics),
      chains: unlessSame([...chains.values()].sort(byId), last?.chains),
      sets: unlessSame([...sets.values()].sort(byId), last?.sets),
      insertions: unlessSame(placedInsertions(inserted, last?.insertions), last?.insertions),
      gateways,
      rules: gateways.length > 0 ? this.#rules : NO_RULES,
    };
    this.#states.set(host, state);
    return state;
  }

  #nic(
    id: string,
    vm: InventoryVm,
    nic: InventoryNic,
    { limits, ...chains }: { out: string; in: string; limits: DesiredLimits | undefined },
  ): DesiredNic {
    const cached = this.#nics.get(id);
    if (
      cached?.vm === vm &&
      cached.nic.out === chains.out &&
      cached.nic.in === chains.in &&
      sameLimits(cached.nic.limits, limits)
    )
      return cached.nic;
    const { name, tenant, mode } = vm;
    const addresses = canonical(ownAddresses(nic.addresses).map((p) => p.text));
    const { mac, network } = nic;
    const made: DesiredNic = {
      id,
      vm: vm.id,
      name,
      tenant,
      mac,
      network,
      mode,
      addresses,
      ...chains,
      ...(limits && { limits }),
    };
    this.#nics.set(id, { vm, nic: made });
    return made;
  }

  hosts(): string[] {
    return [...this.#networks.keys()].sort(compareText);
  }

  /** The same facts for `decide`. */
  world(): World {
    return { documents: this.#documents, vms: this.#resolver.vms(), hosts: this.#networks };
  }

  #indexPolicies(): void {
    this.#order = new Map();
    this.#bySelection = new Map();
    const wanted = new Map<string, Selection>();
    let position = 0;
    for (const { expanded } of this.#expansions.values()) {
      if (!expanded) continue;
      this.#order.set(expanded, position++);
      if (!expanded.appliesTo) continue;
      wanted.set(expanded.appliesTo.key, expanded.appliesTo);
      const list = this.#bySelection.get(expanded.appliesTo.key);
      if (list) list.push(expanded);
      else this.#bySelection.set(expanded.appliesTo.key, [expanded]);
      for (const rule of [...expanded.in, ...expanded.out])
        for (const selection of rule.peers.selections) wanted.set(selection.key, selection);
    }
    for (const selection of [...this.#insertions.selections(), ...this.#limits.selections()])
      wanted.set(selection.key, selection);
    wanted.set(KNOWN.key, KNOWN);
    for (const tenant of this.#tenantUse.keys()) {
      const selection = tenantSelection(tenant);
      wanted.set(selection.key, selection);
    }
    for (const key of this.#resolver.keys()) if (!wanted.has(key)) this.#resolver.drop(key);
    for (const selection of wanted.values()) this.#resolver.keep(selection);
  }

  #forgetUnused(): void {
    for (const [id, { policies }] of this.#chains)
      if (policies.some((policy) => !this.#order.has(policy))) this.#chains.delete(id);
    for (const id of this.#sets.keys())
      if ((this.#setUsers.get(id)?.size ?? 0) === 0) {
        this.#sets.delete(id);
        this.#setUsers.delete(id);
      }
  }

  /** A tenant's own set is kept while it has a VM (or a policy asks for it). */
  #useTenant(tenant: string | null, change: 1 | -1): void {
    const count = (this.#tenantUse.get(tenant) ?? 0) + change;
    const selection = tenantSelection(tenant);
    if (count > 0) {
      this.#tenantUse.set(tenant, count);
      this.#resolver.keep(selection);
    } else {
      this.#tenantUse.delete(tenant);
    }
  }

  #policiesOf(vm: InventoryVm): ExpandedPolicy[] {
    const out: ExpandedPolicy[] = [];
    for (const key of this.#resolver.memberships(vm.id))
      for (const policy of this.#bySelection.get(key) ?? [])
        if (policy.tenant === null || policy.tenant === vm.tenant) out.push(policy);
    return out.sort((a, b) => (this.#order.get(a) as number) - (this.#order.get(b) as number));
  }

  #chain(
    direction: Direction,
    network: string,
    tenant: string | null,
    all: readonly ExpandedPolicy[],
  ): BuiltChain {
    const policies = all.filter((policy) => policy[direction].length > 0);
    const id = chainId(direction, network, tenant, policies);
    const defaults = this.#defaultsOf(tenant);
    const cached = this.#chains.get(id);
    if (cached && cached.defaults === defaults && sameItems(cached.policies, policies)) return cached.built;
    const built = buildChain(id, direction, network, tenant, policies, defaults);
    this.#chains.set(id, { policies, defaults, built });
    return built;
  }

  #set(id: string, selection: string, network: string): DesiredSet {
    const elements = this.#resolver.elements(selection, network) as string[];
    const cached = this.#sets.get(id);
    if (cached?.elements === elements) return cached;
    const set: DesiredSet = { id, network, elements };
    this.#sets.set(id, set);
    return set;
  }

  #defaultsOf(tenant: string | null): TenantDefaults {
    const key = tenant ?? '-';
    let defaults = this.#defaults.get(key);
    if (!defaults) {
      defaults = tenantDefaults(this.#documents.tenants, tenant);
      this.#defaults.set(key, defaults);
    }
    return defaults;
  }

  #setDefaults(documents: Documents): void {
    for (const [key, old] of this.#defaults) {
      const tenant = key === '-' ? null : key;
      const now = tenantDefaults(documents.tenants, tenant);
      if (JSON.stringify(old) === JSON.stringify(now)) continue;
      this.#defaults.set(key, now);
      this.#dirtyMembers(tenantSelection(tenant));
    }
  }

  #place(vm: InventoryVm, here: boolean): void {
    let vms = this.#vmsOfHost.get(vm.host);
    if (!vms) this.#vmsOfHost.set(vm.host, (vms = new Set()));
    if (here) vms.add(vm.id);
    else vms.delete(vm.id);
  }

  #dirtyMembers(selection: Selection | null | undefined): void {
    if (!selection) return;
    for (const id of this.#resolver.members(selection.key))
      this.#dirty.add((this.#resolver.vm(id) as InventoryVm).host);
  }

  /** Hosts that use a set that changed are dirty. */
  #spread(): void {
    for (const set of this.#resolver.takeChanged())
      for (const host of this.#setUsers.get(set) ?? []) this.#dirty.add(host);
  }

  #useSets(host: string, sets: readonly string[]): void {
    for (const set of this.#setsOfHost.get(host) ?? []) this.#setUsers.get(set)?.delete(host);
    this.#setsOfHost.set(host, sets);
    for (const set of sets) {
      let users = this.#setUsers.get(set);
      if (!users) this.#setUsers.set(set, (users = new Set()));
      users.add(host);
    }
  }
}

function expand(
  policy: Policy,
  groups: GroupIndex,
  services: ServiceIndex,
  old: Expansion | undefined,
): Expansion {
  const problems: string[] = [];
  const expanded = expandPolicy(policy, groups, services, problems);
  const fingerprint = JSON.stringify([
    policy.spec.tier,
    policy.spec.priority,
    expanded && [selectionFacts(expanded.appliesTo), expanded.in.map(ruleFacts), expanded.out.map(ruleFacts)],
  ]);
  // The same meaning keeps the same object, so that chains built from it stand.
  const kept = old?.fingerprint === fingerprint;
  return { source: policy, expanded: kept ? old.expanded : expanded, problems, fingerprint };
}

const ruleFacts = (rule: ExpandedPolicy['in'][number]): unknown => ({
  ...rule,
  peers: { ...rule.peers, selections: rule.peers.selections.map(selectionFacts) },
});

/** As they were before, where they say the same. */
function placedInsertions(
  inserted: ReadonlyMap<ExpandedInsertion, readonly string[]>,
  before: readonly DesiredInsertion[] | undefined,
): DesiredInsertion[] {
  if (inserted.size === 0) return [];
  const known = new Map(before?.map((insertion) => [insertion.id, insertion]));
  return [...inserted]
    .map(([insertion, nics]) => {
      const now = desiredInsertion(insertion, nics);
      const old = known.get(now.id);
      return old && JSON.stringify(old) === JSON.stringify(now) ? old : now;
    })
    .sort(byId);
}

/** The list as it was, when it holds the same: whoever compares by identity is done at once. */
const unlessSame = <T>(now: T[], before: T[] | undefined): T[] =>
  before && sameItems(now, before) ? before : now;

function sameItems<T>(a: readonly T[], b: readonly T[]): boolean {
  return a === b || (a.length === b.length && a.every((item, i) => item === b[i]));
}

/** Whether the VM's own NICs would be planned alike (its place in groups aside). */
function sameOnHost(a: InventoryVm, b: InventoryVm): boolean {
  const facts = ({ name, host, tenant, mode, nics }: InventoryVm) =>
    JSON.stringify([name, host, tenant, mode, nics.map((n) => [n.mac, n.network, n.addresses])]);
  return facts(a) === facts(b);
}
