// The kinds people declare, each with its schema, its plural in paths, and whether a tenant owns it.
import type { Static } from 'typebox';
import { Gateway } from './gateway.ts';
import { Group } from './group.ts';
import { Insertion } from './insertion.ts';
import { Limit } from './limit.ts';
import { Network } from './network.ts';
import { Policy } from './policy.ts';
import { RuleSet } from './rule-set.ts';
import { Service } from './service.ts';
import { Tenant } from './tenant.ts';
import { Vm } from './vm.ts';

/**
 * `scope`: `platform` kinds have no tenant; `tenant` kinds must name one; `either` may (without: everyone's).
 * `published`: takes effect only by a publication; the others take effect at once.
 */
export const KINDS = {
  Tenant: { schema: Tenant, plural: 'tenants', scope: 'platform', published: false },
  Group: { schema: Group, plural: 'groups', scope: 'either', published: true },
  Service: { schema: Service, plural: 'services', scope: 'either', published: true },
  Policy: { schema: Policy, plural: 'policies', scope: 'either', published: true },
  Insertion: { schema: Insertion, plural: 'insertions', scope: 'either', published: true },
  Limit: { schema: Limit, plural: 'limits', scope: 'either', published: true },
  RuleSet: { schema: RuleSet, plural: 'rule-sets', scope: 'platform', published: true },
  Gateway: { schema: Gateway, plural: 'gateways', scope: 'platform', published: false },
  Network: { schema: Network, plural: 'networks', scope: 'platform', published: false },
  VM: { schema: Vm, plural: 'vm-settings', scope: 'either', published: false },
} as const;

export type Kind = keyof typeof KINDS;
export type Document = { [K in Kind]: Static<(typeof KINDS)[K]['schema']> }[Kind];
export type DocumentOf<K extends Kind> = Static<(typeof KINDS)[K]['schema']>;
