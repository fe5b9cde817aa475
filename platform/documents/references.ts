// What a set of documents must satisfy together: tenants exist, a VM is described once, a bridge is in one network, a
// signature is in one rule set, and every name that a policy uses is known. Pure; errors point into the document that
// has them.
import type { Document } from '@wocloud/protocol/resources/kinds.ts';
import type { ProblemDetail } from '@wocloud/protocol/problem.ts';
import { MAX_INSTANCES } from '@wocloud/protocol/resources/gateway.ts';
import { nearest } from '@wocloud/protocol/documents.ts';
import { validateDocuments } from '@wocloud/policy/validate.ts';
import type { Documents } from '@wocloud/policy/model.ts';
import { checkRuleSets } from '../inspection/check.ts';
import { keyOf, keyText, label } from './rows.ts';

export type Finding = ProblemDetail & { key: string };

/** Every finding in `documents` (all that would exist). */
export function checkReferences(documents: readonly Document[]): Finding[] {
  const tenants = documents.filter((d) => d.kind === 'Tenant').map((d) => d.metadata.name);
  const known = new Set(tenants);
  const described = new Map<string, string>();
  const findings: Finding[] = [];
  for (const document of documents) {
    const key = keyText(keyOf(document));
    const { tenant } = document.metadata;
    const unknownTenant = (name: string, path: string) => {
      const hint = nearest(name, tenants);
      findings.push({
        key,
        path,
        message: `there is no tenant "${name}"`,
        ...(hint ? { hint: `did you mean ${hint}?` } : {}),
      });
    };
    if (tenant !== undefined && !known.has(tenant)) unknownTenant(tenant, '/metadata/tenant');
    if (document.kind === 'Network' && document.spec.tenant !== undefined && !known.has(document.spec.tenant))
      unknownTenant(document.spec.tenant, '/spec/tenant');
    if (document.kind === 'VM' && document.spec.id !== undefined) {
      const other = described.get(document.spec.id);
      if (other !== undefined)
        findings.push({
          key,
          path: '/spec/id',
          message: `VM ${document.spec.id} is described by ${other} already`,
        });
      described.set(document.spec.id, label(keyOf(document)));
    }
  }
  findings.push(
    ...joinedTwice(documents),
    ...tooManyInstances(documents),
    ...checkPolicies(documents),
    ...checkRules(documents),
  );
  return findings;
}

/** Instances a host may have: as many again run beside them while they are upgraded. */
export const MOST_INSTANCES = Math.floor(MAX_INSTANCES / 2);

function tooManyInstances(documents: readonly Document[]): Finding[] {
  const sums = new Map<string, number>();
  const findings: Finding[] = [];
  for (const document of documents) {
    if (document.kind !== 'Gateway') continue;
    const { host, instances = 1 } = document.spec;
    const sum = (sums.get(host) ?? 0) + instances;
    sums.set(host, sum);
    if (sum > MOST_INSTANCES)
      findings.push({
        key: keyText(keyOf(document)),
        path: '/spec/instances',
        message: `host ${host} would have ${sum} gateway instances, at most ${MOST_INSTANCES} can be upgraded there`,
        hint: 'fewer instances with more vcpus carry as much',
      });
  }
  return findings;
}

const checkRules = (documents: readonly Document[]): Finding[] =>
  checkRuleSets(documents.filter((d) => d.kind === 'RuleSet')).map(({ name, ...finding }) => ({
    ...finding,
    key: keyText({ kind: 'RuleSet', tenant: null, name }),
  }));

/** A bridge (or VLAN) of a host is in one network only. */
function joinedTwice(documents: readonly Document[]): Finding[] {
  const owner = new Map<string, string>();
  const findings: Finding[] = [];
  for (const document of documents) {
    if (document.kind !== 'Network') continue;
    document.spec.members.forEach((member, i) => {
      const segment = `${member.host}/${member.bridge}${member.vlan === undefined ? '' : `.${member.vlan}`}`;
      const other = owner.get(segment);
      if (other !== undefined)
        findings.push({
          key: keyText(keyOf(document)),
          path: `/spec/members/${i}`,
          message: `${segment} is in network ${other} already`,
        });
      owner.set(segment, document.metadata.name);
    });
  }
  return findings;
}

/** What the policy library reads, by kind. */
export function policyDocuments(documents: readonly Document[]): Documents {
  const of = <K extends Document['kind']>(kind: K) =>
    documents.filter((d): d is Extract<Document, { kind: K }> => d.kind === kind);
  return {
    tenants: of('Tenant'),
    groups: of('Group'),
    services: of('Service'),
    policies: of('Policy'),
    insertions: of('Insertion'),
    limits: of('Limit'),
  };
}

/** Names, selectors, ranges and tiers, as the policy library understands them. */
export function checkPolicies(documents: readonly Document[]): Finding[] {
  return validateDocuments(policyDocuments(documents)).map(({ kind, tenant, name, path, message, hint }) => ({
    key: keyText({ kind, tenant, name }),
    path,
    message,
    ...(hint === null ? {} : { hint }),
  }));
}
