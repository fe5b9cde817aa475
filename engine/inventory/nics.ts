// A NIC of a domain, placed on this host: its bridge and VLAN, and whether and why not we can protect it. Pure.
import type { Bridges } from './bridges.ts';
import type { DomainNic } from './domain-xml.ts';

export interface PlacedNic extends DomainNic {
  /** '' when rules can be put on its tap; else why not, in words for an operator. */
  unprotectable: string;
}

/** Joins what libvirt says with what the kernel says; the kernel wins where both do. */
export function placeNic(
  nic: DomainNic,
  running: boolean,
  bridges: Bridges,
  bridgeOfNetwork: (name: string) => string | null,
): PlacedNic {
  const port = running && nic.tap !== null ? bridges.ports.get(nic.tap) : undefined;
  const link = port?.ovs === true ? 'ovs' : nic.link;
  const said = nic.bridge ?? (link === 'network' ? bridgeOfNetwork(nic.source) : null);
  const bridge = port ? port.bridge : said;
  // A running NIC's tap is asked; one at rest has only the XML's word, which Linux bridges do not use.
  const vlan = port ? port.vlan : link === 'ovs' || link === 'hostdev' ? nic.vlan : null;
  const placed = { ...nic, link, bridge, vlan };
  return { ...placed, unprotectable: reason(placed, running, port !== undefined) };
}

function reason(nic: DomainNic, running: boolean, present: boolean): string {
  switch (nic.link) {
    case 'direct':
      return `macvtap on ${nic.source}: its frames pass no bridge of this host. Attach the NIC to a bridge or a libvirt network.`;
    case 'hostdev':
      return `PCI device ${nic.source} given to the VM (SR-IOV): the host does not see its frames. Attach the NIC to a bridge.`;
    case 'ovs':
      return "port of Open vSwitch, which switches past this host's bridge filter. Attach the NIC to a Linux bridge.";
    case 'user':
      return 'user-mode network inside QEMU: there is no tap on the host. Attach the NIC to a bridge or a libvirt network.';
    case 'vhostuser':
      return `vhost-user socket ${nic.source}: frames go to another process, past the kernel. Attach the NIC to a bridge.`;
    case 'other':
      return 'this kind of interface has no tap on a Linux bridge. Attach the NIC to a bridge or a libvirt network.';
    case 'network':
    case 'bridge':
    case 'ethernet':
      if (!running) return '';
      if (nic.tap === null || !present) return 'its tap is not on this host (another network namespace?)';
      return nic.bridge === null
        ? `its tap ${nic.tap} is not a port of a Linux bridge. Attach it to one.`
        : '';
  }
}
