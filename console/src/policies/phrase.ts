// Policies and rules as people say them: peers, targets, services.
import type { AppliesTo, Peer, PolicySpec, Rule } from '@wocloud/protocol/resources/policy.ts';
import type { Stored } from '@wocloud/protocol/views.ts';

const inTenant = (name: string, tenant: string | undefined) => (tenant ? `${tenant}/${name}` : name);

/** The other end of a rule: `any`, `app=web`, `group db`, `10.0.0.0/8`. */
export function peerText(peer: Peer): string {
  if (typeof peer === 'string') return peer;
  if ('selector' in peer) return inTenant(peer.selector, peer.tenant);
  if ('group' in peer) return `group ${inTenant(peer.group, peer.tenant)}`;
  if ('vm' in peer) return `vm ${inTenant(peer.vm, peer.tenant)}`;
  if ('cidr' in peer) return peer.cidr;
  return `tenant ${peer.tenant}`;
}

export function targetText(target: AppliesTo): string {
  return typeof target === 'string' ? target : peerText(target);
}

export const peersText = (peers: Rule['from']) => (peers ? peers.map(peerText).join(', ') : '');

/** The spec of a stored policy; the platform keeps only what fits the schema. */
export const policySpec = (stored: Stored) => stored.spec as PolicySpec;

/** A rule's id as flows carry it. */
export const ruleId = (stored: Stored, rule: Rule) =>
  `${stored.metadata.tenant ?? '-'}/${stored.metadata.name}/${rule.name}`;

/** Whether a document speaks of a group of that name. */
export function mentionsGroup(stored: Stored, tenant: string | null, group: string): boolean {
  const spec = policySpec(stored);
  const own = stored.metadata.tenant ?? null;
  const is = (p: unknown) =>
    typeof p === 'object' &&
    p !== null &&
    'group' in p &&
    p.group === group &&
    (('tenant' in p ? p.tenant : own) ?? null) === tenant;
  return is(spec.appliesTo) || spec.rules.some((r) => [...(r.from ?? []), ...(r.to ?? [])].some(is));
}
