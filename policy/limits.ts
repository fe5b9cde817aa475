// How much of the network a VM may take: all Limits that apply to it count, and of each kind the strictest.
import type { DesiredLimits } from '@wocloud/protocol/desired.ts';
import { DEFAULT_SYNS_PER_SECOND, type Limit } from '@wocloud/protocol/resources/limit.ts';
import { PolicyError } from './errors.ts';
import { qualified, type InventoryVm } from './model.ts';
import {
  inSelection,
  resolveAppliesTo,
  selectionFacts,
  type GroupIndex,
  type Selection,
} from './selection.ts';

export interface ExpandedLimit {
  /** `acme/web`, or `-/web` for the platform's own. */
  key: string;
  /** Null: the platform's. */
  tenant: string | null;
  appliesTo: Selection | null;
  limits: LimitValues;
}

type LimitValues = Partial<Record<keyof DesiredLimits, number>>;

export const LIMITED = [
  'connections',
  'connectionsPerSecond',
  'synsPerSecond',
  'sendKbps',
  'receiveKbps',
] as const satisfies readonly (keyof DesiredLimits)[];

/** One Limit, its names resolved. Null when it cannot be read at all; `problems` says why. */
export function expandLimit(
  { metadata, spec }: Limit,
  groups: GroupIndex,
  problems: string[],
): ExpandedLimit | null {
  const { tenant, name } = metadata;
  const key = qualified(tenant, name);
  try {
    const limits: LimitValues = {};
    for (const what of LIMITED) if (spec[what] !== undefined) limits[what] = spec[what];
    return {
      key,
      tenant: tenant ?? null,
      appliesTo: resolveAppliesTo(spec.appliesTo, tenant, groups),
      limits,
    };
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    problems.push(`${key}: ${error.message}`);
    return null;
  }
}

/** Whether an expanded Limit is for this VM. */
export const limitsVm = (
  limit: ExpandedLimit,
  vm: Pick<InventoryVm, 'tenant' | 'name' | 'labels'>,
): boolean =>
  limit.appliesTo !== null &&
  (limit.tenant === null || limit.tenant === vm.tenant) &&
  inSelection(limit.appliesTo, vm);

/** What all of them together allow; undefined without any. */
export function strictest(limits: readonly ExpandedLimit[]): DesiredLimits | undefined {
  if (limits.length === 0) return undefined;
  const least = (what: keyof DesiredLimits): number | null =>
    limits.reduce<number | null>((least, { limits }) => {
      const value = limits[what];
      return value === undefined ? least : Math.min(value, least ?? value);
    }, null);
  return {
    connections: least('connections'),
    connectionsPerSecond: least('connectionsPerSecond'),
    synsPerSecond: least('synsPerSecond') ?? DEFAULT_SYNS_PER_SECOND,
    sendKbps: least('sendKbps'),
    receiveKbps: least('receiveKbps'),
  };
}

export const sameLimits = (a: DesiredLimits | undefined, b: DesiredLimits | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && LIMITED.every((what) => a[what] === b[what]));

/** The Limits in force, by the selections they apply to. */
export class LimitIndex {
  #limits: readonly ExpandedLimit[] = [];
  #bySelection = new Map<string, ExpandedLimit[]>();
  #problems: string[] = [];

  /** Replaces all. Returns whose VMs are concerned, as was and as is. */
  replace(documents: readonly Limit[], groups: GroupIndex): { was: Selection[]; is: Selection[] } {
    const before = this.#limits;
    this.#problems = [];
    this.#limits = documents.flatMap((limit) => expandLimit(limit, groups, this.#problems) ?? []);
    this.#bySelection = new Map();
    for (const limit of this.#limits) {
      if (!limit.appliesTo) continue;
      const { key } = limit.appliesTo;
      this.#bySelection.set(key, [...(this.#bySelection.get(key) ?? []), limit]);
    }
    return { was: concerned(before, this.#limits), is: concerned(this.#limits, before) };
  }

  selections(): Selection[] {
    return this.#limits.flatMap(({ appliesTo }) => appliesTo ?? []);
  }

  problems(): string[] {
    return this.#problems;
  }

  /** What a VM of this tenant that is in these selections may take. */
  of(tenant: string | null, selections: Iterable<string>): DesiredLimits | undefined {
    if (this.#bySelection.size === 0) return undefined;
    const all = [...selections].flatMap((key) => this.#bySelection.get(key) ?? []);
    return strictest(all.filter((limit) => limit.tenant === null || limit.tenant === tenant));
  }
}

/** Whom Limits apply to that are not among the others just so. */
function concerned(limits: readonly ExpandedLimit[], others: readonly ExpandedLimit[]): Selection[] {
  const facts = ({ key, appliesTo, limits }: ExpandedLimit) =>
    JSON.stringify([key, selectionFacts(appliesTo), limits]);
  const known = new Set(others.map(facts));
  return limits.flatMap((limit) => (known.has(facts(limit)) ? [] : (limit.appliesTo ?? [])));
}
