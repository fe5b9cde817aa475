// Whose allowed traffic a gateway sees: insertion documents → selections of VMs, and which of several counts.
import type { DesiredInsertion, DesiredService } from '@wocloud/protocol/desired.ts';
import type { FailureMode, Insertion, InsertionMode } from '@wocloud/protocol/resources/insertion.ts';
import { PolicyError } from './errors.ts';
import { qualified, type InventoryVm } from './model.ts';
import type { ServiceIndex } from './rules.ts';
import { GroupIndex, inSelection, resolveAppliesTo, selectionFacts, type Selection } from './selection.ts';
import { normalizeServices } from './services.ts';

export interface ExpandedInsertion {
  /** `acme/web`, or `-/web` for the platform's own. */
  id: string;
  /** Null: the platform's. */
  tenant: string | null;
  /** The platform's are named before the tenants'. */
  order: number;
  appliesTo: Selection | null;
  mode: InsertionMode;
  failure: FailureMode;
  /** Empty: all traffic. */
  services: DesiredService[];
}

/**
 * One insertion, its names resolved. A service that is gone makes it inspect everything: less than was asked for is
 * never inspected. Null when it cannot be read at all; `problems` gets a line for each mistake.
 */
export function expandInsertion(
  { metadata, spec }: Insertion,
  groups: GroupIndex,
  services: ServiceIndex,
  problems: string[],
): ExpandedInsertion | null {
  const { tenant, name } = metadata;
  const id = qualified(tenant, name);
  try {
    return {
      id,
      tenant: tenant ?? null,
      order: tenant === undefined ? 0 : 1,
      appliesTo: resolveAppliesTo(spec.appliesTo, tenant, groups),
      mode: spec.mode,
      failure: spec.failure ?? 'open',
      services: normalizeServices(
        (spec.services ?? ['any']).flatMap((text) => resolveOr(text, tenant, services, id, problems)),
      ),
    };
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    problems.push(`${id}: ${error.message}`);
    return null;
  }
}

function resolveOr(
  text: string,
  tenant: string | undefined,
  services: ServiceIndex,
  id: string,
  problems: string[],
): DesiredService[] {
  try {
    return services.resolve(text, tenant);
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    problems.push(`${id}: ${error.message}`);
    return services.resolve('any', tenant);
  }
}

/** Whether an expanded insertion is for this VM. */
export const insertsVm = (
  insertion: ExpandedInsertion,
  vm: Pick<InventoryVm, 'tenant' | 'name' | 'labels'>,
): boolean =>
  insertion.appliesTo !== null &&
  (insertion.tenant === null || insertion.tenant === vm.tenant) &&
  inSelection(insertion.appliesTo, vm);

/** For one host. */
export const desiredInsertion = (
  { id, order, mode, failure, services }: ExpandedInsertion,
  nics: readonly string[],
): DesiredInsertion => ({ id, order, nics: [...nics].sort(), mode, failure, services });

/**
 * Of several that want one connection inspected the strictest counts: inline before a copy, closed before open. None
 * is set aside by another: a gateway that traffic passes through has seen it, and what is dropped never passed
 * uninspected. Lower is stricter.
 */
export const strictness = ({ mode, failure }: { mode: InsertionMode; failure: FailureMode }): number =>
  mode === 'mirror' ? 2 : failure === 'closed' ? 0 : 1;

interface Held {
  source: Insertion;
  expanded: ExpandedInsertion | null;
  problems: string[];
  /** Everything a host's state takes from it, and who its groups mean. */
  fingerprint: string;
}

/** The insertions in force, by the selections they apply to. */
export class InsertionIndex {
  #held = new Map<string, Held>();
  #bySelection = new Map<string, ExpandedInsertion[]>();

  /** Replaces all. Returns whose VMs are concerned, as was and as is. `namesStand`: groups and services are the same. */
  replace(
    documents: readonly Insertion[],
    groups: GroupIndex,
    services: ServiceIndex,
    namesStand: boolean,
  ): { was: Selection[]; is: Selection[] } {
    const before = this.#held;
    const after = new Map<string, Held>();
    for (const source of documents) {
      const id = qualified(source.metadata.tenant, source.metadata.name);
      const old = before.get(id);
      after.set(id, namesStand && old?.source === source ? old : hold(source, groups, services));
    }
    const touched = [...new Set([...before.keys(), ...after.keys()])].filter(
      (id) => before.get(id)?.fingerprint !== after.get(id)?.fingerprint,
    );
    this.#held = after;
    this.#bySelection = new Map();
    for (const { expanded } of after.values()) {
      if (!expanded?.appliesTo) continue;
      const { key } = expanded.appliesTo;
      this.#bySelection.set(key, [...(this.#bySelection.get(key) ?? []), expanded]);
    }
    const appliesTo = (from: ReadonlyMap<string, Held>) =>
      touched.flatMap((id) => from.get(id)?.expanded?.appliesTo ?? []);
    return { was: appliesTo(before), is: appliesTo(after) };
  }

  selections(): Selection[] {
    return [...this.#held.values()].flatMap(({ expanded }) => expanded?.appliesTo ?? []);
  }

  problems(): string[] {
    return [...this.#held.values()].flatMap(({ problems }) => problems);
  }

  /** Those for a VM of this tenant that is in these selections. */
  of(tenant: string | null, selections: Iterable<string>): ExpandedInsertion[] {
    if (this.#bySelection.size === 0) return [];
    const out: ExpandedInsertion[] = [];
    for (const key of selections)
      for (const insertion of this.#bySelection.get(key) ?? [])
        if (insertion.tenant === null || insertion.tenant === tenant) out.push(insertion);
    return out;
  }
}

function hold(source: Insertion, groups: GroupIndex, services: ServiceIndex): Held {
  const problems: string[] = [];
  const expanded = expandInsertion(source, groups, services, problems);
  const facts = expanded && { ...expanded, appliesTo: selectionFacts(expanded.appliesTo) };
  return { source, expanded, problems, fingerprint: JSON.stringify(facts) };
}
