// What a schema cannot see in a document: names that mean nothing, selectors and ranges that do not parse, reach beyond a tenant.
import type { Group } from '@wocloud/protocol/resources/group.ts';
import type { Insertion } from '@wocloud/protocol/resources/insertion.ts';
import type { Limit } from '@wocloud/protocol/resources/limit.ts';
import type { AppliesTo, Peer, Policy, Rule } from '@wocloud/protocol/resources/policy.ts';
import type { Service } from '@wocloud/protocol/resources/service.ts';
import type { Tenant } from '@wocloud/protocol/resources/tenant.ts';
import { parseCidr } from './cidr.ts';
import { PolicyError } from './errors.ts';
import { LIMITED } from './limits.ts';
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

export type PolicyDocument = Tenant | Group | Service | Policy | Insertion | Limit;

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
    case 'Insertion':
      return new PolicyCheck(document, documents).issues;
    case 'Limit':
      return validateLimit(document, documents);
  }
}

export interface DocumentIssue extends Issue {
  kind: PolicyDocument['kind'];
  tenant: string | null;
  name: string;
}

/** Mistakes of a whole set, as it would be published: also names given twice. */
export function validateDocuments(documents: Documents): DocumentIssue[] {
  const all = [
    ...documents.tenants,
    ...documents.groups,
    ...documents.services,
    ...documents.policies,
    ...(documents.insertions ?? []),
    ...(documents.limits ?? []),
  ];
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

function validateLimit(limit: Limit, documents: Documents): Issue[] {
  const { issues } = new PolicyCheck(limit, documents);
  if (LIMITED.every((what) => limit.spec[what] === undefined))
    issues.push({
      path: '/spec',
      code: 'limit.empty',
      message: `limit "${limit.metadata.name}" limits nothing`,
      hint: `give one of ${LIMITED.join(', ')}`,
    });
  return issues;
}

/** Names in a policy, or in what else applies to VMs as a policy does. */
class PolicyCheck {
  readonly issues: Issue[] = [];
  readonly #document: Policy | Insertion | Limit;
  readonly #tenant: string | undefined;
  readonly #documents: Documents;
  readonly #groups: GroupIndex;
  readonly #services: ServiceIndex;

  constructor(document: Policy | Insertion | Limit, documents: Documents) {
    this.#document = document;
    this.#tenant = document.metadata.tenant;
    this.#documents = documents;
    this.#groups = new GroupIndex(documents.groups);
    this.#services = new ServiceIndex(documents.services);
    this.#checkAppliesTo(document.spec.appliesTo);
    if (document.kind === 'Policy') this.#checkPolicy(document);
    if (document.kind === 'Insertion') this.#checkInsertion(document);
  }

  #checkInsertion({ spec: { mode, failure, services } }: Insertion): void {
    if (mode === 'mirror' && failure === 'closed')
      this.#add(
        '/spec/failure',
        'insertion.failure',
        'a mirror gets a copy, so it can stop nothing: "closed" has no meaning',
        'leave failure out, or choose mode "inline"',
      );
    this.#checkServices(services, '/spec');
  }

  #checkPolicy(policy: Policy): void {
    this.#checkTier(policy);
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

  #checkTier({ spec: { tier } }: Policy): void {
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
          `${this.#document.kind === 'Insertion' ? 'an' : 'a'} ${this.#document.kind.toLowerCase()} of tenant "${this.#tenant}" applies to its own VMs only`,
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
    this.#checkServices(rule.services, path);
    if (rule.failure !== undefined && rule.action !== 'inspect')
      this.#add(
        `${path}/failure`,
        'rule.failure',
        `action "${rule.action}" asks no gateway: "failure" has no meaning`,
        'leave failure out, or choose action "inspect"',
      );
  }

  #checkServices(services: readonly string[] | undefined, path: string): void {
    services?.forEach((text, i) => {
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
