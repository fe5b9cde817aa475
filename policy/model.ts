// What policy decides upon: the published documents, and the VMs and networks the hosts report.
import type { DesiredNetwork } from '@wocloud/protocol/desired.ts';
import type { Group } from '@wocloud/protocol/resources/group.ts';
import type { Insertion } from '@wocloud/protocol/resources/insertion.ts';
import type { Limit } from '@wocloud/protocol/resources/limit.ts';
import type { Policy } from '@wocloud/protocol/resources/policy.ts';
import type { Service } from '@wocloud/protocol/resources/service.ts';
import type { Tenant } from '@wocloud/protocol/resources/tenant.ts';
import type { Labels } from '@wocloud/protocol/schema.ts';

/** What is published. Replace an array's element to change a document: documents are never changed in place. */
export interface Documents {
  tenants: readonly Tenant[];
  groups: readonly Group[];
  services: readonly Service[];
  policies: readonly Policy[];
  insertions?: readonly Insertion[];
  limits?: readonly Limit[];
}

export const NO_DOCUMENTS: Documents = { tenants: [], groups: [], services: [], policies: [] };

export interface InventoryNic {
  mac: string;
  /** Network id: an L2 segment, the same id on every host it spans. */
  network: string;
  /** IPs and prefixes it may use. The link-local address of its MAC is implied. */
  addresses: readonly string[];
}

export interface InventoryVm {
  id: string;
  name: string;
  host: string;
  tenant: string | null;
  labels: Readonly<Labels>;
  mode: 'observe' | 'enforce';
  nics: readonly InventoryNic[];
}

export interface World {
  documents: Documents;
  vms: readonly InventoryVm[];
  /** Per host, the networks whose taps can be guarded there. */
  hosts: ReadonlyMap<string, readonly DesiredNetwork[]>;
}

/** `acme/web`, or `-/web` for the platform's own. */
export const qualified = (tenant: string | null | undefined, name: string): string =>
  `${tenant ?? '-'}/${name}`;

/** Id of a rule in chains, records and logs. */
export const ruleId = (policy: Policy, rule: string): string =>
  `${qualified(policy.metadata.tenant, policy.metadata.name)}/${rule}`;

export const nicId = (vm: string, mac: string): string => `${vm}/${mac}`;
