// What a schema cannot see in a document: names that mean nothing, selectors and ranges that do not parse, reach beyond a tenant.
import type { Group } from '@wocloud/protocol/resources/group.ts';
import type { AppliesTo, Peer, Policy, Rule } from '@wocloud/protocol/resources/policy.ts';
import type { Service } from '@wocloud/protocol/resources/service.ts';
import type { Tenant } from '@wocloud/protocol/resources/tenant.ts';
import { parseCidr } from './cidr.ts';
import { PolicyError } from './errors.ts';
import type { Documents } from './model.ts';
import { didYouMean } from './names.ts';
import { ServiceIndex } from './rules.ts';
import { GroupIndex } from './selection.ts';
import { parseSelector } from './selector.ts';
import { PROTOCOLS, parsePorts } from './services.ts';

export interface Issue {
  /** JSON pointer into the document: /spec/rules/0/services/1 */
  path: string;
  /** Stable: `group.unknown`, `cidr.syntax`, `tier.forbidden`, … */
  code: string;
  message: string;
  hint: string | null;
}

export type PolicyDocument = Tenant | Group | Service | Policy;

/** Mistakes of one document, its references looked up in `documents` (which should hold it and its companions). */
export function validateDocument(document: PolicyDocument, documents: Documents): Issue[] {
  switch (document.kind) {
    case 'Tenant':
      return [];
    case 'Group':
      return validateGroup(document);
    case 'Service':
      return validateService(document);
    case 'Policy':
      return new PolicyCheck(document, documents).issues;
  }
}

export interface DocumentIssue extends Issue {
  kind: PolicyDocument['kind'];
  tenant: string | null;
  name: string;
}

/** Mistakes of a whole set, as it would be published: also names given twice. */
export function validateDocuments(documents: Documents): DocumentIssue[] {
  const all = [...documents.tenants, ...documents.groups, ...documents.services, ...documents.policies];
  const seen = new Set<string>();
  return all.flatMap((document) => {
    const { name, tenant } = document.metadata;
    const who = { kind: document.kind, tenant: tenant ?? null, name };
    const issues = validateDocument(document, documents);
    const key = `${document.kind}/${tenant ?? ''}/${name}`;
    if (seen.has(key))
      issues.push({
        path: '/metadata/name',
        code: 'name.taken',
        message: `${document.kind} "${name}" is there twice`,
        hint: null,
      });
    seen.add(key);
    return issues.map((issue) => ({ ...issue, ...who }));
  });
}

function attempt(path: string, action: () => unknown): Issue[] {
  try {
    action();
    return [];
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return [{ path, code: error.code, message: error.message, hint: error.hint }];
  }
}

function validateGroup(group: Group): Issue[] {
  const { selector, cidrs = [], members = [] } = group.spec;
  const issues = [
    ...(selector === undefined ? [] : attempt('/spec/selector', () => parseSelector(selector))),
    ...cidrs.flatMap((cidr, i) => attempt(`/spec/cidrs/${i}`, () => parseCidr(cidr))),
  ];
  if (selector === undefined && cidrs.length === 0 && members.length === 0)
    issues.push({
      path: '/spec',
      code: 'group.empty',
      message: `group "${group.metadata.name}" can never have a member`,
      hint: 'give a selector, members or cidrs',
    });
  return issues;
}

function validateService(service: Service): Issue[] {
  const { name } = service.metadata;
  const issues = service.spec.ports.flatMap((text, i) => {
    const path = `/spec/ports/${i}`;
    let isName = false;
    const wrong = attempt(path, () => {
      isName = parsePorts(text) === null;
    });
    if (isName)
      wrong.push({
        path,
        code: 'service.nested',
        message: `"${text}" is no protocol and port`,
        hint:
          didYouMean(text, Object.keys(PROTOCOLS)) ?? 'a Service lists ports as tcp/443, not other services',
      });
    return wrong;
  });
  if (name === 'any' || Object.hasOwn(PROTOCOLS, name))
    issues.push({
      path: '/metadata/name',
      code: 'name.reserved',
      message: `"${name}" always means the protocol`,
      hint: `choose another name, for example ${name}-ports`,
    });
  return issues;
}

class PolicyCheck {
  readonly issues: Issue[] = [];
  readonly #policy: Policy;
  readonly #tenant: string | undefined;
  readonly #documents: Documents;
  readonly #groups: GroupIndex;
  readonly #services: ServiceIndex;

  constructor(policy: Policy, documents: Documents) {
    this.#policy = policy;
    this.#tenant = policy.metadata.tenant;
    this.#documents = documents;
    this.#groups = new GroupIndex(documents.groups);
    this.#services = new ServiceIndex(documents.services);
    this.#checkTier();
    this.#checkAppliesTo(policy.spec.appliesTo);
    const names = new Map<string, number>();
    policy.spec.rules.forEach((rule, i) => {
      const path = `/spec/rules/${i}`;
      const first = names.get(rule.name);
      if (first === undefined) names.set(rule.name, i);
      else
        this.#add(
          `${path}/name`,
          'rule.duplicate',
          `rule "${rule.name}" is already rule ${first + 1}`,
          'rename one of them: flows name the rule that decided',
        );
      this.#checkRule(rule, path);
    });
  }

  #add(path: string, code: string, message: string, hint: string | null = null): void {
    this.issues.push({ path, code, message, hint });
  }

  #checkTier(): void {
    const { tier } = this.#policy.spec;
    if (this.#tenant !== undefined && tier !== 'tenant')
      this.#add(
        '/spec/tier',
        'tier.forbidden',
        `a tenant's policy is of tier "tenant", not "${tier}"`,
        'only the platform writes emergency, platform and baseline policies: leave out metadata.tenant',
      );
  }

  #checkAppliesTo(appliesTo: AppliesTo): void {
    const path = '/spec/appliesTo';
    if (appliesTo === 'all') return;
    if (appliesTo.tenant !== undefined) {
      if (this.#tenant !== undefined && appliesTo.tenant !== this.#tenant) {
        this.#add(
          `${path}/tenant`,
          'tenant.foreign',
          `a policy of tenant "${this.#tenant}" applies to its own VMs only`,
          'leave tenant out',
        );
        return;
      }
      this.#checkTenant(appliesTo.tenant, `${path}/tenant`);
    }
    if ('selector' in appliesTo) this.#checkSelector(appliesTo.selector, `${path}/selector`);
    if ('group' in appliesTo) this.#checkGroup(appliesTo.group, appliesTo.tenant, `${path}/group`);
  }

  #checkRule(rule: Rule, path: string): void {
    for (const [list, direction] of [
      ['from', 'out'],
      ['to', 'in'],
    ] as const)
      if (rule.direction === direction && rule[list] !== undefined)
        this.#add(
          `${path}/${list}`,
          'rule.direction',
          `direction "${direction}" has no "${list}"`,
          direction === 'out' ? 'name the destinations under "to"' : 'name the sources under "from"',
        );
    rule.from?.forEach((peer, i) => this.#checkPeer(peer, `${path}/from/${i}`));
    rule.to?.forEach((peer, i) => this.#checkPeer(peer, `${path}/to/${i}`));
    rule.services?.forEach((text, i) => {
      this.issues.push(...attempt(`${path}/services/${i}`, () => this.#services.resolve(text, this.#tenant)));
    });
  }

  #checkPeer(peer: Peer, path: string): void {
    if (typeof peer === 'string') return;
    if ('cidr' in peer) {
      this.issues.push(...attempt(`${path}/cidr`, () => parseCidr(peer.cidr)));
      return;
    }
    if ('selector' in peer) this.#checkSelector(peer.selector, `${path}/selector`);
    if ('group' in peer) this.#checkGroup(peer.group, peer.tenant, `${path}/group`);
    if (peer.tenant !== undefined) this.#checkTenant(peer.tenant, `${path}/tenant`);
  }

  #checkSelector(text: string, path: string): void {
    this.issues.push(...attempt(path, () => parseSelector(text)));
  }

  /** What another tenant has is none of a tenant's business: a foreign name that means nothing is no error. */
  #checkGroup(name: string, other: string | undefined, path: string): void {
    if (this.#isForeign(other)) return;
    if (this.#groups.find(name, this.#tenant, other)) return;
    const owner = other ?? this.#tenant;
    const known = this.#documents.groups
      .filter(
        ({ metadata }) => metadata.tenant === owner || (other === undefined && metadata.tenant === undefined),
      )
      .map(({ metadata }) => metadata.name);
    this.#add(
      path,
      'group.unknown',
      `no group "${name}"`,
      didYouMean(name, known) ?? 'declare the group, or use a selector',
    );
  }

  #checkTenant(name: string, path: string): void {
    if (this.#isForeign(name) || this.#documents.tenants.some((t) => t.metadata.name === name)) return;
    const known = this.#tenant === undefined ? this.#documents.tenants.map((t) => t.metadata.name) : [];
    this.#add(path, 'tenant.unknown', `no tenant "${name}"`, didYouMean(name, known));
  }

  #isForeign(tenant: string | undefined): boolean {
    return this.#tenant !== undefined && tenant !== undefined && tenant !== this.#tenant;
  }
}
