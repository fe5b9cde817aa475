// Reports of VMs in one canonical form, so that "did anything change" is a comparison of texts.
import type { ObservedNic, ObservedVm } from '@wocloud/protocol/reports.ts';

const byText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** One NIC per MAC (the first), addresses sorted and once each. Returns how many NICs were left out. */
export function canonical(vm: ObservedVm): { vm: ObservedVm; dropped: number } {
  const nics = new Map<string, ObservedNic>();
  for (const nic of vm.nics) {
    if (nics.has(nic.mac)) continue;
    const addresses = new Map(nic.addresses.map((a) => [`${a.ip} ${a.source}`, a]));
    nics.set(nic.mac, {
      mac: nic.mac,
      model: nic.model,
      link: nic.link,
      source: nic.source,
      bridge: nic.bridge,
      vlan: nic.vlan,
      tap: nic.tap,
      addresses: [...addresses]
        .sort(([a], [b]) => byText(a, b))
        .map(([, { ip, source }]) => ({ ip, source })),
      protection: nic.protection,
      reason: nic.reason,
    });
  }
  return {
    vm: {
      id: vm.id,
      name: vm.name,
      title: vm.title,
      state: vm.state,
      vcpus: vm.vcpus,
      memoryKiB: vm.memoryKiB,
      tenant: vm.tenant,
      labels: Object.fromEntries(Object.entries(vm.labels).sort(([a], [b]) => byText(a, b))),
      nics: [...nics.values()],
    },
    dropped: vm.nics.length - nics.size,
  };
}

/** Whether two canonical reports say the same. */
export const sameReport = (a: ObservedVm, b: ObservedVm): boolean => JSON.stringify(a) === JSON.stringify(b);
