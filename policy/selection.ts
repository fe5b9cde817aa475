// A selection: which VMs a peer or appliesTo means, as a value with a key, so that equal ones are resolved once.
import type { Group } from '@wocloud/protocol/resources/group.ts';
import type { AppliesTo, Peer } from '@wocloud/protocol/resources/policy.ts';
import { matchesSelector, parseSelector, type LabelSelector } from './selector.ts';
import { qualified, type InventoryVm } from './model.ts';

/** Whose VMs: one tenant's, those without a tenant (null), or everyone's ('*'). */
export type Scope = string | null;
export const EVERYONE = '*';

export interface Selection {
  /** `g:acme/db`, `s:acme/app=web`, `v:acme/web-1`, `t:acme`, `k:` (every known VM). Unique by meaning within one set of documents. */
  key: string;
  /** Changes when the meaning behind the key does (a group was edited). */
  definition: string;
  scope: Scope;
  /** Labels it looks at; null when it never looks at any. */
  labels: readonly string[];
  selector: LabelSelector | null;
  /** VM names it takes beside those the selector takes. */
  names: ReadonlySet<string>;
  /** Takes every VM of its scope. */
  whole: boolean;
}

const NOBODY: ReadonlySet<string> = new Set();
const scopeWord = (scope: Scope): string => scope ?? '-';

export function inSelection(
  selection: Selection,
  vm: Pick<InventoryVm, 'tenant' | 'name' | 'labels'>,
): boolean {
  if (selection.scope !== EVERYONE && selection.scope !== vm.tenant) return false;
  return (
    selection.whole ||
    selection.names.has(vm.name) ||
    (selection.selector !== null && matchesSelector(selection.selector, vm.labels))
  );
}

export const tenantSelection = (tenant: string | null): Selection => ({
  key: `t:${scopeWord(tenant)}`,
  definition: '',
  scope: tenant,
  labels: [],
  selector: null,
  names: NOBODY,
  whole: true,
});

/** Whom it means, as plain values. */
export const selectionFacts = (selection: Selection | null): unknown =>
  selection && [selection.key, selection.definition];

/** Every VM we know of. */
export const KNOWN: Selection = { ...tenantSelection(EVERYONE), key: 'k:' };

export function selectorSelection(text: string, scope: Scope): Selection {
  const selector = parseSelector(text);
  return {
    key: `s:${scopeWord(scope)}/${selector.canonical}`,
    definition: '',
    scope,
    labels: selector.keys,
    selector,
    names: NOBODY,
    whole: false,
  };
}

export const vmSelection = (name: string, scope: Scope): Selection => ({
  key: `v:${scopeWord(scope)}/${name}`,
  definition: '',
  scope,
  labels: [],
  selector: null,
  names: new Set([name]),
  whole: false,
});

export function groupSelection(group: Group): Selection {
  const { tenant, name } = group.metadata;
  const { selector: text, members = [] } = group.spec;
  const selector = text === undefined ? null : parseSelector(text);
  return {
    key: `g:${qualified(tenant, name)}`,
    definition: JSON.stringify([selector?.canonical ?? null, [...members].sort()]),
    scope: tenant ?? EVERYONE,
    labels: selector?.keys ?? [],
    selector,
    names: new Set(members),
    whole: false,
  };
}

/** Finds a group by the name a policy of `tenant` uses: its own tenant's first, then the platform's. */
export class GroupIndex {
  readonly #groups = new Map<string, Group>();

  constructor(groups: readonly Group[]) {
    for (const group of groups)
      this.#groups.set(qualified(group.metadata.tenant, group.metadata.name), group);
  }

  /** `other`: the tenant a peer names; then only that tenant's groups count. */
  find(name: string, tenant: string | undefined, other?: string): Group | null {
    if (other !== undefined) return this.#groups.get(qualified(other, name)) ?? null;
    const own = tenant === undefined ? undefined : this.#groups.get(qualified(tenant, name));
    return own ?? this.#groups.get(qualified(null, name)) ?? null;
  }
}

export interface ResolvedPeers {
  any: boolean;
  host: boolean;
  selections: Selection[];
  cidrs: string[];
}

/** What a peer list of a policy of `tenant` means. An unknown group means nobody; validation refuses it before. */
export function resolvePeers(
  peers: readonly Peer[] | undefined,
  tenant: string | undefined,
  groups: GroupIndex,
): ResolvedPeers {
  const out: ResolvedPeers = { any: peers === undefined, host: false, selections: [], cidrs: [] };
  for (const peer of peers ?? []) {
    if (peer === 'any') out.any = true;
    else if (peer === 'host') out.host = true;
    else if ('cidr' in peer) out.cidrs.push(peer.cidr);
    else if ('selector' in peer)
      out.selections.push(selectorSelection(peer.selector, peer.tenant ?? tenant ?? EVERYONE));
    else if ('vm' in peer) out.selections.push(vmSelection(peer.vm, peer.tenant ?? tenant ?? EVERYONE));
    else if ('group' in peer) {
      const group = groups.find(peer.group, tenant, peer.tenant);
      if (!group) continue;
      out.selections.push(groupSelection(group));
      out.cidrs.push(...(group.spec.cidrs ?? []));
    } else out.selections.push(tenantSelection(peer.tenant));
  }
  return out;
}

/** The VMs a policy is for. A tenant's policy never reaches beyond the tenant, whatever it says. */
export function resolveAppliesTo(
  appliesTo: AppliesTo,
  tenant: string | undefined,
  groups: GroupIndex,
): Selection | null {
  const scope = tenant ?? EVERYONE;
  if (appliesTo === 'all') return tenant === undefined ? KNOWN : tenantSelection(tenant);
  if (tenant !== undefined && appliesTo.tenant !== undefined && appliesTo.tenant !== tenant) return null;
  if ('selector' in appliesTo) return selectorSelection(appliesTo.selector, appliesTo.tenant ?? scope);
  if ('vm' in appliesTo) return vmSelection(appliesTo.vm, appliesTo.tenant ?? scope);
  if ('group' in appliesTo) {
    const group = groups.find(appliesTo.group, tenant, appliesTo.tenant);
    return group && groupSelection(group);
  }
  return tenantSelection(appliesTo.tenant);
}
