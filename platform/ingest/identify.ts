// Who the ends of a flow are: the VMs a host may speak for, and the far ends by address on a network. A host is
// believed about its own VMs only.
import type { Directory, DirectoryVm } from '../vms/directory.ts';

export interface Identify {
  /** The VM a host names as one of its own; undefined when it is unknown or another host's. */
  own(id: string): DirectoryVm | undefined;
  /** The VM behind an address, on a network this host is part of. */
  far(network: string, ip: string): DirectoryVm | undefined;
  /** Whether the host of this far-end VM sees and reports the same flow. */
  reportedElsewhere(vm: DirectoryVm, network: string): boolean;
  /** VM ids that were refused since the last call. */
  refused(): number;
}

/** Lookups for one host's records, valid for one state of the directory. */
export function identify(directory: Directory, host: string): Identify {
  const networks = directory.networksOf(host);
  let refused = 0;
  return {
    own(id) {
      const vm = directory.vm(id);
      if (vm && vm.host !== host && !directory.justMoved(vm, host)) {
        refused++;
        return undefined;
      }
      return vm;
    },
    far: (network, ip) => (networks.has(network) ? directory.at(network, ip) : undefined),
    reportedElsewhere: (vm, network) =>
      vm.host !== host &&
      directory.isConnected(vm.host) &&
      vm.nics.some((nic) => nic.network === network && nic.protection !== 'unprotected'),
    refused() {
      const count = refused;
      refused = 0;
      return count;
    },
  };
}
