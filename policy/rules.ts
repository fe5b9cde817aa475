// A policy's rules as they are judged: in order, one list per direction, names resolved, services as numbers.
import type { DesiredService } from '@wocloud/protocol/desired.ts';
import type { FailureMode } from '@wocloud/protocol/resources/insertion.ts';
import { TIERS, type Action, type Policy, type Rule } from '@wocloud/protocol/resources/policy.ts';
import { TENANT_DEFAULTS, type Tenant } from '@wocloud/protocol/resources/tenant.ts';
import { PolicyError } from './errors.ts';
import { qualified, ruleId, type Documents, type InventoryVm } from './model.ts';
import { didYouMean } from './names.ts';
import {
  GroupIndex,
  inSelection,
  resolveAppliesTo,
  resolvePeers,
  type ResolvedPeers,
  type Selection,
} from './selection.ts';
import { normalizeServices, parsePorts } from './services.ts';

export type Direction = 'in' | 'out';

export interface ExpandedRule {
  id: string;
  action: Action;
  staged: boolean;
  log: boolean;
  peers: ResolvedPeers;
  /** Empty: all traffic. */
  services: DesiredService[];
  /** Of `inspect`. */
  failure?: FailureMode;
}

export interface ExpandedPolicy {
  /** `acme/web` */
  key: string;
  /** Null: the platform's. */
  tenant: string | null;
  appliesTo: Selection | null;
  in: ExpandedRule[];
  out: ExpandedRule[];
}

/** Tier, then priority, then tenant/name: the order in which policies are asked. */
export function comparePolicies(a: Policy, b: Policy): number {
  const tier = TIERS.indexOf(a.spec.tier) - TIERS.indexOf(b.spec.tier);
  if (tier !== 0) return tier;
  if (a.spec.priority !== b.spec.priority) return a.spec.priority - b.spec.priority;
  const [x, y] = [
    qualified(a.metadata.tenant, a.metadata.name),
    qualified(b.metadata.tenant, b.metadata.name),
  ];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** Peer lists by direction: for `both`, whichever list is given stands for the missing one. */
export function peersOf(rule: Rule, direction: Direction): Rule['from'] {
  if (rule.direction !== 'both') return direction === 'in' ? rule.from : rule.to;
  return direction === 'in' ? (rule.from ?? rule.to) : (rule.to ?? rule.from);
}

/** Service names as a policy of one tenant sees them: its own first, then the platform's. */
export class ServiceIndex {
  readonly #services = new Map<string, readonly string[]>();

  constructor(services: Documents['services']) {
    for (const { metadata, spec } of services)
      this.#services.set(qualified(metadata.tenant, metadata.name), spec.ports);
  }

  /** Names a policy of `tenant` may use. */
  names(tenant: string | undefined): string[] {
    const own = tenant === undefined ? [] : this.#below(`${tenant}/`);
    return [...new Set([...own, ...this.#below('-/')])].sort();
  }

  #below(start: string): string[] {
    return [...this.#services.keys()].filter((k) => k.startsWith(start)).map((k) => k.slice(start.length));
  }

  /** One entry of a rule's `services`. Throws PolicyError `service.unknown` or `service.syntax`. */
  resolve(text: string, tenant: string | undefined): DesiredService[] {
    const literal = parsePorts(text);
    if (literal) return [literal];
    const ports =
      (tenant === undefined ? undefined : this.#services.get(qualified(tenant, text))) ??
      this.#services.get(qualified(null, text));
    if (!ports) {
      const hint = didYouMean(text, [...this.names(tenant), 'tcp', 'udp', 'icmp', 'icmpv6', 'any']);
      throw new PolicyError('service.unknown', `no service "${text}"`, {
        hint: hint ?? 'name a Service, or write ports as tcp/443',
      });
    }
    return ports.map((port) => {
      const service = parsePorts(port);
      if (service) return service;
      throw new PolicyError('service.syntax', `service "${text}" names "${port}"`, {
        hint: 'a Service lists ports, not other services',
      });
    });
  }
}

/**
 * One policy, its names resolved. Bad references never widen what is allowed; `problems` gets a line for each.
 * Null when it cannot be read at all (a selector that does not parse): validation refuses such before publication.
 */
export function expandPolicy(
  policy: Policy,
  groups: GroupIndex,
  services: ServiceIndex,
  problems: string[],
): ExpandedPolicy | null {
  const { tenant, name } = policy.metadata;
  const key = qualified(tenant, name);
  try {
    return {
      key,
      tenant: tenant ?? null,
      appliesTo: resolveAppliesTo(policy.spec.appliesTo, tenant, groups),
      in: expandDirection(policy, 'in', groups, services, problems),
      out: expandDirection(policy, 'out', groups, services, problems),
    };
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    problems.push(`${key}: ${error.message}`);
    return null;
  }
}

/** All policies in the order they are asked. */
export function expandDocuments(documents: Documents): { policies: ExpandedPolicy[]; problems: string[] } {
  const groups = new GroupIndex(documents.groups);
  const services = new ServiceIndex(documents.services);
  const problems: string[] = [];
  const policies = [...documents.policies]
    .sort(comparePolicies)
    .map((policy) => expandPolicy(policy, groups, services, problems))
    .filter((policy) => policy !== null);
  return { policies, problems };
}

/** Whether an expanded policy is for this VM. */
export const appliesToVm = (
  policy: ExpandedPolicy,
  vm: Pick<InventoryVm, 'tenant' | 'name' | 'labels'>,
): boolean =>
  policy.appliesTo !== null &&
  (policy.tenant === null || policy.tenant === vm.tenant) &&
  inSelection(policy.appliesTo, vm);

function expandDirection(
  policy: Policy,
  direction: Direction,
  groups: GroupIndex,
  services: ServiceIndex,
  problems: string[],
): ExpandedRule[] {
  const { tenant } = policy.metadata;
  const out: ExpandedRule[] = [];
  for (const rule of policy.spec.rules) {
    if (rule.direction !== direction && rule.direction !== 'both') continue;
    const id = ruleId(policy, rule.name);
    const peers = resolvePeers(peersOf(rule, direction), tenant, groups);
    const refuses = rule.action === 'drop' || rule.action === 'reject';
    let unknown = false;
    const wanted = (rule.services ?? ['any']).flatMap((text) => {
      try {
        return services.resolve(text, tenant);
      } catch (error) {
        if (!(error instanceof PolicyError)) throw error;
        problems.push(`${id}: ${error.message}`);
        unknown = true;
        return [];
      }
    });
    // A refusal whose service is gone refuses everything; a permission whose service is gone permits nothing.
    if (unknown && !refuses && wanted.length === 0) continue;
    out.push({
      id,
      action: rule.action,
      staged: policy.spec.mode === 'staged',
      log: rule.log ?? false,
      peers,
      services: unknown && refuses ? [] : normalizeServices(wanted),
      ...(rule.action === 'inspect' ? { failure: rule.failure ?? 'open' } : {}),
    });
  }
  return out;
}

export interface TenantDefaults {
  within: 'allow' | 'drop';
  ingress: 'allow' | 'drop';
  egress: 'allow' | 'drop';
}

/** Verdicts where no rule matches. VMs without a tenant are treated as one nameless tenant with the defaults. */
export function tenantDefaults(tenants: readonly Tenant[], name: string | null): TenantDefaults {
  const found = name === null ? undefined : tenants.find((t) => t.metadata.name === name);
  return { ...TENANT_DEFAULTS, ...found?.spec.defaults };
}
