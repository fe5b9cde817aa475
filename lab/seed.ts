/** A guest's seed disk: its host name, the names it knows, its network, its services and its own traffic. */
import { cpio } from '@wocloud/image/cpio.ts';
import { firstAddress, nicMac, prefixLength } from './identity.ts';
import type { Network, Nic, Scenario, Vm } from './scenario.ts';

/** The disk's bytes, a whole number of sectors. */
export function seedDisk(scenario: Scenario, vm: Vm): Buffer {
  const archive = cpio([
    { path: 'hostname', mode: 0o644, content: `${vm.name}\n` },
    { path: 'hosts', mode: 0o644, content: hostsFile(scenario, vm) },
    { path: 'network.sh', mode: 0o644, content: networkScript(scenario, vm) },
    {
      path: 'services.json',
      mode: 0o644,
      content: JSON.stringify({
        services: vm.services ?? [],
        upstream: vm.upstream ?? {},
        traffic: vm.traffic ?? [],
      }),
    },
  ]);
  return Buffer.concat([archive, Buffer.alloc(4096 - (archive.length % 4096))]);
}

const networkOf = (scenario: Scenario, nic: Nic): Network =>
  scenario.networks.find((network) => network.name === nic.network) as Network;

const sameSegment = (a: Nic, b: Nic): boolean => a.network === b.network && a.vlan === b.vlan;

/** Every VM that shares a segment, by name, and by name and family; itself too. */
function hostsFile(scenario: Scenario, vm: Vm): string {
  const lines = ['127.0.0.1 localhost', '::1 localhost'];
  for (const other of scenario.vms) {
    const shared = other.nics.filter((theirs) => vm.nics.some((ours) => sameSegment(ours, theirs)));
    const v4 = shared.map((nic) => nic.ipv4).find((address) => address !== undefined && address !== 'dhcp');
    const v6 = shared.map((nic) => nic.ipv6).find((address) => address !== undefined && address !== 'slaac');
    if (v4 !== undefined) lines.push(`${v4} ${other.name} ${other.name}.v4`);
    if (v6 !== undefined) lines.push(`${v6} ${other.name} ${other.name}.v6`);
  }
  return `${lines.join('\n')}\n`;
}

/** Shell for the guest's rc: one line per NIC; the first network with a gateway gives the default route. */
function networkScript(scenario: Scenario, vm: Vm): string {
  const lines = ['. /lab/network.sh'];
  let routed4 = false;
  let routed6 = false;
  vm.nics.forEach((nic, index) => {
    const network = networkOf(scenario, nic);
    const byDhcp = nic.ipv4 === 'dhcp' || nic.lease === true;
    const hasGateway = network.kind === 'nat' || network.gateway === true;
    const v4 =
      nic.ipv4 === undefined ? '-' : byDhcp ? 'dhcp' : `${nic.ipv4}/${prefixLength(network.ipv4 as string)}`;
    const v6 =
      nic.ipv6 === undefined
        ? '-'
        : nic.ipv6 === 'slaac'
          ? 'slaac'
          : `${nic.ipv6}/${prefixLength(network.ipv6 as string)}`;
    const gateway4 =
      hasGateway && !routed4 && v4 !== '-' && !byDhcp ? firstAddress(network.ipv4 as string) : '-';
    const gateway6 =
      hasGateway && !routed6 && v6 !== '-' && v6 !== 'slaac' ? firstAddress(network.ipv6 as string) : '-';
    routed4 ||= hasGateway && v4 !== '-';
    routed6 ||= gateway6 !== '-';
    lines.push(`nic ${nicMac(scenario, vm, index)} ${v4} ${v6} ${gateway4} ${gateway6}`);
  });
  return `${lines.join('\n')}\n`;
}
