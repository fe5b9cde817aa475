/** A scenario's networks on a lab host: libvirt networks, plain bridges, and bridges with VLAN filtering. */
import { program } from '@wocloud/image/program.ts';
import { createNetwork, defineNetwork } from '@wocloud/libvirt/procedures-network.ts';
import { networkXml } from './domain.ts';
import { joinBridges, type LabHost } from './host.ts';
import { bridgeName, firstAddress, macvtapParent, prefixLength } from './identity.ts';
import type { Network, Scenario } from './scenario.ts';

/** The hosts a network spans; the first one has its address and its dnsmasq. */
export const networkHosts = (scenario: Scenario, network: Network): string[] =>
  network.hosts ?? [scenario.hosts[0] as string];

/** Makes every network of the scenario on the hosts it spans, and joins them. */
export async function makeNetworks(scenario: Scenario, hosts: ReadonlyMap<string, LabHost>): Promise<void> {
  for (const network of scenario.networks) {
    if (network.kind === 'ovs') continue; // nothing here makes one; its VMs stay off
    const bridge = bridgeName(network);
    const members = networkHosts(scenario, network).map((name) => hosts.get(name) as LabHost);
    const [first, ...others] = members as [LabHost, ...LabHost[]];
    const managed = network.kind === 'nat' || network.kind === 'isolated';
    if (managed) {
      await first.withLibvirt(async (libvirt) => {
        await createNetwork(libvirt, await defineNetwork(libvirt, networkXml(scenario, network)));
      });
    } else await makeBridge(first, network, true);
    for (const [index, other] of others.entries()) {
      await makeBridge(other, network, false);
      // The same libvirt network must exist there for domains that name it.
      if (managed)
        await other.withLibvirt(async (libvirt) => {
          const xml = `<network><name>${network.name}</name><forward mode='bridge'/><bridge name='${bridge}'/></network>`;
          await createNetwork(libvirt, await defineNetwork(libvirt, xml));
        });
      await joinBridges(first, other, { a: bridge, b: bridge, name: `${network.name}${index}` });
      if (network.kind === 'vlan') await trunk(scenario, network, first, other, index);
    }
  }
}

/** Whether this kernel can tell VLANs apart on a bridge; without it no network of kind vlan can be made. */
export async function hasVlanFiltering(): Promise<boolean> {
  const trial = 'ip link add trial type bridge vlan_filtering 1';
  return program(['unshare', '--net', 'sh', '-c', trial]).then(
    () => true,
    () => false,
  );
}

async function makeBridge(host: LabHost, network: Network, withAddress: boolean): Promise<void> {
  const bridge = bridgeName(network);
  if (network.kind === 'vlan' && !(await hasVlanFiltering()))
    throw new Error(`network ${network.name}: this kernel has no VLAN filtering of bridges`);
  const filtering = network.kind === 'vlan' ? 'vlan_filtering 1 vlan_default_pvid 0' : '';
  const commands = [`ip link add ${bridge} type bridge ${filtering}`, `ip link set ${bridge} up`];
  if (withAddress && network.gateway) {
    for (const prefix of [network.ipv4, network.ipv6])
      if (prefix !== undefined)
        commands.push(`ip addr add ${firstAddress(prefix)}/${prefixLength(prefix)} dev ${bridge}`);
  }
  if (network.kind === 'macvtap') {
    const parent = macvtapParent(network);
    const peer = parent.replace(/^mv-/, 'mp-');
    commands.push(
      `ip link add ${parent} up type veth peer name ${peer}`,
      `ip link set ${peer} master ${bridge} up`,
    );
  }
  await host.run(commands.join(' && '));
}

/** Lets the veth between two hosts carry all VLANs that the scenario uses on this network. */
async function trunk(
  scenario: Scenario,
  network: Network,
  a: LabHost,
  b: LabHost,
  index: number,
): Promise<void> {
  const vlans = new Set(
    scenario.vms.flatMap((vm) =>
      vm.nics.flatMap((nic) => (nic.network === network.name && nic.vlan ? [nic.vlan] : [])),
    ),
  );
  const name = `lk${network.name}${index}`.slice(0, 14);
  for (const vlan of vlans) {
    await a.run(['bridge', 'vlan', 'add', 'dev', `${name}a`, 'vid', String(vlan)]);
    await b.run(['bridge', 'vlan', 'add', 'dev', `${name}b`, 'vid', String(vlan)]);
  }
}
