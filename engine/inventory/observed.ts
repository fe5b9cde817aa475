// What is reported of a VM, put together from its parts. Pure.
import type { ObservedAddress, ObservedNic, ObservedVm } from '@wocloud/protocol/reports.ts';
import type { NicFact } from '../live-directory.ts';
import type { Domain } from './domain-xml.ts';
import type { PlacedNic } from './nics.ts';

export interface KnownVm {
  domain: Domain;
  state: ObservedVm['state'];
  nics: PlacedNic[];
}

/** What the firewall does for a NIC now; asked only for NICs that could be protected. */
export type ProtectionOf = (nic: string) => { protection: ObservedNic['protection']; reason: string };

const RUNNING: ReadonlySet<ObservedVm['state']> = new Set([
  'running',
  'blocked',
  'paused',
  'shutdown',
  'suspended',
  'crashed',
]);

/** libvirt's name of a state → ours. */
export function vmState(name: string): ObservedVm['state'] {
  if (name === 'pmsuspended') return 'suspended';
  return name === 'nostate' || !(RUNNING.has(name as never) || name === 'shutoff')
    ? 'unknown'
    : (name as ObservedVm['state']);
}

/** A VM whose process, and so whose taps, may exist. */
export const hasTaps = (state: ObservedVm['state']): boolean => state !== 'shutoff' && state !== 'unknown';

export const nicId = (vm: string, mac: string): string => `${vm}/${mac}`;

export function observedVm(
  vm: KnownVm,
  addressesOf: (mac: string) => ObservedAddress[],
  protectionOf: ProtectionOf,
): ObservedVm {
  const { domain, state } = vm;
  return {
    id: domain.id,
    name: domain.name,
    title: domain.title,
    state,
    vcpus: domain.vcpus,
    memoryKiB: domain.memoryKiB,
    tenant: domain.metadata.tenant,
    labels: domain.metadata.labels,
    nics: vm.nics.map((nic) => ({
      mac: nic.mac,
      model: nic.model,
      link: nic.link,
      source: nic.source,
      bridge: nic.bridge,
      vlan: nic.vlan,
      tap: hasTaps(state) ? nic.tap : null,
      addresses: addressesOf(nic.mac).slice(0, 256),
      ...protection(vm, nic, protectionOf),
    })),
  };
}

function protection(
  vm: KnownVm,
  nic: PlacedNic,
  of: ProtectionOf,
): Pick<ObservedNic, 'protection' | 'reason'> {
  if (nic.unprotectable !== '') return { protection: 'unprotected', reason: nic.unprotectable };
  if (!hasTaps(vm.state)) return { protection: 'inactive', reason: '' };
  return of(nicId(vm.domain.id, nic.mac));
}

/** NICs of VMs, as the directory wants them. */
export function nicFacts(vms: Iterable<KnownVm>, addressesOf: (mac: string) => ObservedAddress[]): NicFact[] {
  return [...vms].flatMap(({ domain, state, nics }) =>
    nics.map((nic) => ({
      id: nicId(domain.id, nic.mac),
      vm: domain.id,
      name: domain.name,
      mac: nic.mac,
      tap: hasTaps(state) ? nic.tap : null,
      bridge: nic.bridge,
      vlan: nic.vlan,
      addresses: addressesOf(nic.mac).map(({ ip }) => ip),
    })),
  );
}
