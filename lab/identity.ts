/**
 * Names that are the same at every run of a scenario: UUIDs, MAC addresses, bridges and taps. So a host that
 * restarts, or a test that looks twice, finds what it knew.
 */
import { createHash } from 'node:crypto';
import type { Network, Nic, Scenario, Vm } from './scenario.ts';

const digest = (...words: string[]): Buffer => createHash('sha256').update(words.join('\0')).digest();

/** The VM's UUID, in the form of a random (version 4) one. */
export function vmUuid(scenario: Scenario, vm: Vm): string {
  const bytes = digest('vm', scenario.name, vm.name).subarray(0, 16);
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** A MAC address in QEMU's own range. */
export function nicMac(scenario: Scenario, vm: Vm, index: number): string {
  const given = vm.nics[index]?.mac;
  if (given !== undefined) return given;
  const tail = digest('nic', scenario.name, vm.name, String(index)).subarray(0, 3);
  return `52:54:00:${tail.toString('hex').replace(/(..)(?!$)/g, '$1:')}`;
}

/** The bridge interface of a network, at most 15 characters. */
export function bridgeName(network: Network): string {
  if (network.bridge !== undefined) return network.bridge;
  const name = `br-${network.name}`;
  return name.length <= 15 ? name : `br-${digest('bridge', network.name).toString('hex').slice(0, 12)}`;
}

/** The link that macvtap NICs of a network sit on; its peer is a port of the network's bridge. */
export const macvtapParent = (network: Network): string => bridgeName(network).replace(/^br-/, 'mv-');

/** The fixed tap of a NIC, where it has one: by wish, or because its VLAN is set on it. */
export function tapName(vm: Vm, nic: Nic, index: number): string | undefined {
  if (nic.tap !== undefined || nic.vlan === undefined) return nic.tap;
  const name = `tap-${vm.name}.${index}`;
  return name.length <= 15
    ? name
    : `tap-${digest('tap', vm.name, String(index)).toString('hex').slice(0, 11)}`;
}

/** The first address of a prefix, which the host takes: 10.1.0.0/24 → 10.1.0.1; fd00::/64 → fd00::1. */
export function firstAddress(prefix: string): string {
  const base = prefix.split('/')[0] as string;
  return base.includes(':')
    ? `${base.replace(/::$/, '')}::1`
    : base.replace(/\d+$/, (last) => String(Number(last) + 1));
}

export const prefixLength = (prefix: string): number => Number(prefix.split('/')[1]);
