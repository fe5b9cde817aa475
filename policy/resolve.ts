// Labels → address sets, incrementally: one VM's change touches only the selections that look at what changed.
import { isGroupAddress, linkLocal, parseCidr, CidrSet, type Prefix } from './cidr.ts';
import { PolicyError } from './errors.ts';
import { digest } from './digest.ts';
import type { InventoryVm } from './model.ts';
import { EVERYONE, inSelection, type Scope, type Selection } from './selection.ts';

/** A VM as it counts for sets: per network, every address it may speak from. */
interface Known {
  vm: InventoryVm;
  addresses: Map<string, Prefix[]>;
  memberships: Set<string>;
}

interface Resolved {
  selection: Selection;
  members: Set<string>;
  /** Per network. */
  sets: Map<string, CidrSet>;
}

const EMPTY: readonly string[] = [];
const NO_KEYS: ReadonlySet<string> = new Set();

/** Addresses of a NIC in canonical form. What cannot be one VM's own (malformed, multicast) is left out. */
export function ownAddresses(texts: readonly string[]): Prefix[] {
  const out = new Map<string, Prefix>();
  for (const text of texts) {
    try {
      const parsed = parseCidr(text);
      if (!isGroupAddress(parsed)) out.set(parsed.text, parsed);
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error;
    }
  }
  return [...out.values()];
}

/** Longer names than this are replaced by their digest, so that an id stays under the wire's limit. */
const LONGEST_NAME = 100;

/** Id of the set of a selection's addresses on one network: `g:acme/db@<network>`. */
export function setId(selection: string, network: string): string {
  const name = selection.length <= LONGEST_NAME ? selection : `${selection.slice(0, 2)}#${digest(selection)}`;
  return `${name}@${network}`;
}

export class Resolver {
  readonly #vms = new Map<string, Known>();
  readonly #selections = new Map<string, Resolved>();
  readonly #byScope = new Map<Scope, Set<string>>();
  /** Scope, then label key, then the selections that look at it. */
  readonly #byLabel = new Map<Scope, Map<string, Set<string>>>();
  readonly #vmsOfTenant = new Map<string | null, Set<string>>();
  #changed = new Set<string>();

  /** Set ids whose elements may have changed since the last call. */
  takeChanged(): Set<string> {
    const changed = this.#changed;
    this.#changed = new Set();
    return changed;
  }

  /** Starts keeping a selection; a new definition under the same key replaces the old one. */
  keep(selection: Selection): void {
    const found = this.#selections.get(selection.key);
    if (found?.selection.definition === selection.definition) return;
    if (found) this.drop(selection.key);
    const resolved: Resolved = { selection, members: new Set(), sets: new Map() };
    this.#selections.set(selection.key, resolved);
    child(this.#byScope, selection.scope, () => new Set<string>()).add(selection.key);
    const labels = child(this.#byLabel, selection.scope, () => new Map<string, Set<string>>());
    for (const label of selection.labels) child(labels, label, () => new Set<string>()).add(selection.key);
    const candidates =
      selection.scope === EVERYONE ? this.#vms.keys() : (this.#vmsOfTenant.get(selection.scope) ?? []);
    for (const id of candidates) {
      const known = this.#vms.get(id) as Known;
      if (inSelection(selection, known.vm)) this.#join(resolved, known);
    }
  }

  /** Stops keeping a selection. */
  drop(key: string): void {
    const resolved = this.#selections.get(key);
    if (!resolved) return;
    for (const id of resolved.members) this.#leave(resolved, this.#vms.get(id) as Known);
    const { scope, labels } = resolved.selection;
    this.#byScope.get(scope)?.delete(key);
    for (const label of labels) this.#byLabel.get(scope)?.get(label)?.delete(key);
    this.#selections.delete(key);
  }

  keys(): IterableIterator<string> {
    return this.#selections.keys();
  }

  members(key: string): ReadonlySet<string> {
    return this.#selections.get(key)?.members ?? NO_KEYS;
  }

  /** Selections a VM is in. */
  memberships(vm: string): ReadonlySet<string> {
    return this.#vms.get(vm)?.memberships ?? NO_KEYS;
  }

  vm(id: string): InventoryVm | undefined {
    return this.#vms.get(id)?.vm;
  }

  vms(): InventoryVm[] {
    return [...this.#vms.values()].map((known) => known.vm);
  }

  /** Canonical elements; the same array until they change. */
  elements(key: string, network: string): readonly string[] {
    return this.#selections.get(key)?.sets.get(network)?.elements() ?? EMPTY;
  }

  /** Returns whether the VM's memberships changed. */
  upsert(vm: InventoryVm): boolean {
    const old = this.#vms.get(vm.id);
    const addresses = addressesByNetwork(vm);
    if (!old) {
      const known: Known = { vm, addresses, memberships: new Set() };
      this.#vms.set(vm.id, known);
      child(this.#vmsOfTenant, vm.tenant, () => new Set<string>()).add(vm.id);
      for (const key of this.#inScope(vm.tenant)) this.#enter(key, known);
      return known.memberships.size > 0;
    }
    const moved = old.vm.tenant !== vm.tenant || old.vm.name !== vm.name;
    const suspects = new Set(moved ? [...old.memberships, ...this.#inScope(vm.tenant)] : []);
    if (!moved) for (const label of changedLabels(old.vm, vm)) this.#looksAt(vm.tenant, label, suspects);
    const readdressed = !sameAddresses(old.addresses, addresses);
    if (readdressed) for (const key of old.memberships) this.#touchSets(key, old, -1);
    if (old.vm.tenant !== vm.tenant) {
      this.#vmsOfTenant.get(old.vm.tenant)?.delete(vm.id);
      child(this.#vmsOfTenant, vm.tenant, () => new Set<string>()).add(vm.id);
    }
    old.vm = vm;
    old.addresses = addresses;
    if (readdressed) for (const key of old.memberships) this.#touchSets(key, old, 1);
    let changed = false;
    for (const key of suspects) {
      const resolved = this.#selections.get(key) as Resolved;
      const was = resolved.members.has(vm.id);
      const is = inSelection(resolved.selection, vm);
      if (was === is) continue;
      changed = true;
      if (is) this.#join(resolved, old);
      else this.#leave(resolved, old);
    }
    return changed;
  }

  remove(id: string): void {
    const known = this.#vms.get(id);
    if (!known) return;
    for (const key of known.memberships) this.#leave(this.#selections.get(key) as Resolved, known);
    this.#vmsOfTenant.get(known.vm.tenant)?.delete(id);
    this.#vms.delete(id);
  }

  *#inScope(tenant: string | null): Generator<string> {
    yield* this.#byScope.get(tenant) ?? [];
    yield* this.#byScope.get(EVERYONE) ?? [];
  }

  #looksAt(tenant: string | null, label: string, into: Set<string>): void {
    for (const scope of [tenant, EVERYONE])
      for (const key of this.#byLabel.get(scope)?.get(label) ?? []) into.add(key);
  }

  #enter(key: string, known: Known): void {
    const resolved = this.#selections.get(key) as Resolved;
    if (inSelection(resolved.selection, known.vm)) this.#join(resolved, known);
  }

  #join(resolved: Resolved, known: Known): void {
    resolved.members.add(known.vm.id);
    known.memberships.add(resolved.selection.key);
    this.#touchSets(resolved.selection.key, known, 1);
  }

  #leave(resolved: Resolved, known: Known): void {
    resolved.members.delete(known.vm.id);
    known.memberships.delete(resolved.selection.key);
    this.#touchSets(resolved.selection.key, known, -1);
  }

  #touchSets(key: string, known: Known, sign: 1 | -1): void {
    const { sets } = this.#selections.get(key) as Resolved;
    for (const [network, prefixes] of known.addresses) {
      const set = child(sets, network, () => new CidrSet());
      for (const p of prefixes) {
        if (sign > 0) set.add(p);
        else set.remove(p);
      }
      if (set.size === 0) sets.delete(network);
      this.#changed.add(setId(key, network));
    }
  }
}

function addressesByNetwork(vm: InventoryVm): Map<string, Prefix[]> {
  const out = new Map<string, Prefix[]>();
  for (const nic of vm.nics)
    child(out, nic.network, () => []).push(...ownAddresses([...nic.addresses, linkLocal(nic.mac)]));
  return out;
}

function sameAddresses(a: Map<string, Prefix[]>, b: Map<string, Prefix[]>): boolean {
  if (a.size !== b.size) return false;
  for (const [network, list] of a) {
    const other = b.get(network);
    if (!other || other.length !== list.length) return false;
    if (!list.every((p, i) => p.text === other[i]?.text)) return false;
  }
  return true;
}

function changedLabels(a: InventoryVm, b: InventoryVm): string[] {
  if (a.labels === b.labels) return [];
  const keys = new Set([...Object.keys(a.labels), ...Object.keys(b.labels)]);
  return [...keys].filter((key) => a.labels[key] !== b.labels[key]);
}

function child<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
