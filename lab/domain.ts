/** libvirt's XML for a scenario's VMs and networks, recognisable as the lab's by name, UUID and metadata. */
import type { Accelerator } from '@wocloud/image/accelerator.ts';
import { LAB_PORT } from './exec.ts';
import {
  bridgeName,
  firstAddress,
  macvtapParent,
  nicMac,
  prefixLength,
  tapName,
  vmUuid,
} from './identity.ts';
import type { GuestImage } from './image/build.ts';
import type { Network, Scenario, Vm } from './scenario.ts';

export const METADATA_NAMESPACE = 'https://wocloud.org/xmlns/domain/1';
const DEFAULT_MEMORY = 112;
// Each spares an emulated guest a noticeable part of its boot.
const BOOT_FAST = 'mitigations=off cryptomgr.notests nokaslr audit=0 no_timer_check';

const escape = (text: string): string =>
  text.replace(/[<>&"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** Paths inside the host of what a VM is made of. */
export const vmPaths = (vm: Vm) => ({
  disk: `/var/lib/libvirt/images/${vm.name}.qcow2`,
  seed: `/var/lib/libvirt/images/${vm.name}.seed`,
  labSocket: `/run/libvirt/lab/${vm.name}.sock`,
});

/** The domain of a VM: kernel from outside, an overlay and a seed as disks, a port per channel. */
export function domainXml(
  scenario: Scenario,
  vm: Vm,
  image: GuestImage,
  accel: Accelerator,
  tools?: string,
): string {
  const paths = vmPaths(vm);
  const labels = Object.entries(vm.labels ?? {})
    .map(([key, value]) => `<wocloud:label key="${escape(key)}" value="${escape(value)}"/>`)
    .join('');
  const addresses = vm.nics
    .flatMap((nic, index) => [nic.ipv4, nic.ipv6].map((ip) => ({ ip, mac: nicMac(scenario, vm, index) })))
    .map(({ ip, mac }) => (ip === undefined ? '' : `<wocloud:address mac="${mac}" ip="${escape(ip)}"/>`))
    .join('');
  const tenant = vm.tenant === undefined ? '' : ` tenant="${escape(vm.tenant)}"`;
  return `<domain type='${accel}'>
  <name>${vm.name}</name>
  <uuid>${vmUuid(scenario, vm)}</uuid>
  <metadata>
    <wocloud:vm xmlns:wocloud="${METADATA_NAMESPACE}"${tenant}>${labels}${addresses}</wocloud:vm>
  </metadata>
  <memory unit='MiB'>${vm.memory ?? DEFAULT_MEMORY}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${image.kernel}</kernel>
    <initrd>${image.initrd}</initrd>
    <cmdline>console=ttyS0 quiet panic=-1 net.ifnames=0 ${BOOT_FAST}</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='${accel === 'kvm' ? 'host-passthrough' : 'maximum'}'/>
  <on_reboot>restart</on_reboot>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='${paths.disk}'/><target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/><source file='${paths.seed}'/><target dev='vdb' bus='virtio'/><readonly/>
    </disk>${tools === undefined ? '' : `\n    ${toolsXml(tools)}`}
${vm.nics.map((_, index) => `    ${interfaceXml(scenario, vm, index)}`).join('\n')}
    <serial type='pty'/>
    <channel type='unix'>
      <source mode='bind' path='${paths.labSocket}'/><target type='virtio' name='${LAB_PORT}'/>
    </channel>
    <channel type='unix'><target type='virtio' name='org.qemu.guest_agent.0'/></channel>
    <channel type='unix'><target type='virtio' name='org.wocloud.agent.0'/></channel>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='virtio'/>
  </devices>
</domain>`;
}

/** Shared by all who have it, and written by none. */
const toolsXml = (file: string): string =>
  `<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='${file}'/>` +
  `<target dev='vdc' bus='virtio'/><readonly/><shareable/></disk>`;

/** One NIC, also for attach-interface. */
export function interfaceXml(scenario: Scenario, vm: Vm, index: number): string {
  const nic = vm.nics[index] as Vm['nics'][number];
  const network = scenario.networks.find(({ name }) => name === nic.network) as Network;
  const tap = tapName(vm, nic, index);
  const [type, source] = attachment(network);
  return (
    `<interface type='${type}'>${source}<mac address='${nicMac(scenario, vm, index)}'/>` +
    (tap === undefined ? '' : `<target dev='${tap}'/>`) +
    `<model type='virtio'/><rom enabled='no'/></interface>`
  );
}

/** The type of a NIC on this network, and the XML of what it is attached to. */
function attachment(network: Network): readonly [type: string, source: string] {
  switch (network.kind) {
    case 'nat':
    case 'isolated':
      return ['network', `<source network='${network.name}'/>`];
    case 'macvtap':
      return ['direct', `<source dev='${macvtapParent(network)}' mode='bridge'/>`];
    case 'ovs':
      return ['bridge', `<source bridge='${bridgeName(network)}'/><virtualport type='openvswitch'/>`];
    default:
      return ['bridge', `<source bridge='${bridgeName(network)}'/>`];
  }
}

/** A libvirt network: nat, or isolated with or without an address of the host. */
export function networkXml(scenario: Scenario, network: Network): string {
  const hasAddress = network.kind === 'nat' || network.gateway === true || network.dhcp === true;
  const addresses: string[] = [];
  if (hasAddress && network.ipv4 !== undefined) {
    const base = network.ipv4.split('/')[0] as string;
    const at = (last: number): string => base.replace(/\d+$/, String(last));
    const reserved = scenario.vms.flatMap((vm) =>
      vm.nics.flatMap((nic, index) =>
        nic.network === network.name && nic.ipv4 !== undefined && nic.ipv4 !== 'dhcp'
          ? [`<host mac='${nicMac(scenario, vm, index)}' name='${vm.name}' ip='${nic.ipv4}'/>`]
          : [],
      ),
    );
    const dhcp = network.dhcp
      ? `<dhcp><range start='${at(200)}' end='${at(250)}'/>${reserved.join('')}</dhcp>`
      : '';
    addresses.push(
      `<ip address='${firstAddress(network.ipv4)}' prefix='${prefixLength(network.ipv4)}'>${dhcp}</ip>`,
    );
  }
  if (hasAddress && network.ipv6 !== undefined)
    addresses.push(
      `<ip family='ipv6' address='${firstAddress(network.ipv6)}' prefix='${prefixLength(network.ipv6)}'/>`,
    );
  return `<network>
  <name>${network.name}</name>
  <bridge name='${bridgeName(network)}' stp='off' delay='0'/>
  ${network.kind === 'nat' ? `<forward mode='nat'/>` : ''}
  ${addresses.join('\n  ')}
</network>`;
}
