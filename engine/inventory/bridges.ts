// What the host's kernel says of bridges and their ports: masters, VLANs, taps. Read from sysfs and `bridge`.
import { execFile } from 'node:child_process';
import { readFile, readdir, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const CLASS = '/sys/class/net';

export interface Port {
  device: string;
  /** The kernel's number: another one under the same name is another device. */
  index: number;
  /** Lower case; libvirt gives a tap its guest's MAC with a first byte of fe. */
  mac: string;
  /** The Linux bridge it is a port of, null for none. */
  bridge: string | null;
  /** It belongs to Open vSwitch. */
  ovs: boolean;
  /** VLAN of untagged frames where the bridge filters VLANs and it is not the bridge's default. */
  vlan: number | null;
}

export interface Bridges {
  ports: ReadonlyMap<string, Port>;
  /** Linux bridges by name; `vlan`: the host's own, where it is not the bridge's default. */
  bridges: ReadonlyMap<string, { vlanFiltering: boolean; mac: string; vlan: number | null }>;
  /** VLAN devices on top of bridges: the host's way into a VLAN. */
  vlanDevices: readonly { device: string; mac: string; bridge: string; vlan: number }[];
}

export const NO_BRIDGES: Bridges = { ports: new Map(), bridges: new Map(), vlanDevices: [] };

const read = async (path: string): Promise<string> => (await readFile(path, 'utf8').catch(() => '')).trim();

/** Reads all devices anew; a device that goes away meanwhile is left out. */
export async function readBridges(): Promise<Bridges> {
  const names = await readdir(CLASS).catch(() => [] as string[]);
  const bridges = new Map<
    string,
    { vlanFiltering: boolean; defaultVlan: number; mac: string; vlan: number | null }
  >();
  const ports = new Map<string, Port>();
  await Promise.all(
    names.map(async (device) => {
      const dir = `${CLASS}/${device}`;
      const [index, bridgeId, filtering, mac, master] = await Promise.all([
        read(`${dir}/ifindex`),
        read(`${dir}/bridge/bridge_id`),
        read(`${dir}/bridge/vlan_filtering`),
        read(`${dir}/address`),
        readlink(`${dir}/master`).catch(() => ''),
      ]);
      // Gone since the directory was listed, or no device at all (bonding_masters).
      if (index === '') return;
      // Kernels built without VLAN filtering have bridges all the same.
      if (bridgeId !== '') {
        const defaultVlan = Number(await read(`${dir}/bridge/default_pvid`)) || 0;
        bridges.set(device, { vlanFiltering: filtering === '1', defaultVlan, mac, vlan: null });
      }
      const upper = basename(master);
      const ovs = upper === 'ovs-system';
      ports.set(device, {
        device,
        index: Number(index),
        mac,
        bridge: upper === '' || ovs ? null : upper,
        ovs,
        vlan: null,
      });
    }),
  );
  // A master that is no bridge (a bond, a VRF) does not switch frames between VMs.
  for (const port of ports.values())
    if (port.bridge !== null && !bridges.has(port.bridge)) port.bridge = null;
  if ([...bridges.values()].some((b) => b.vlanFiltering)) {
    for (const [device, pvid] of await portVlans()) {
      const port = ports.get(device);
      const own = bridges.get(device);
      if (own?.vlanFiltering === true && pvid !== own.defaultVlan) own.vlan = pvid;
      const bridge = port?.bridge ? bridges.get(port.bridge) : undefined;
      if (port && bridge?.vlanFiltering === true && pvid !== bridge.defaultVlan) port.vlan = pvid;
    }
  }
  return { ports, bridges, vlanDevices: await readVlanDevices(ports, bridges) };
}

/** Lines of /proc/net/vlan/config: `br0.10 | 10 | br0`. */
async function readVlanDevices(
  ports: ReadonlyMap<string, Port>,
  bridges: ReadonlyMap<string, unknown>,
): Promise<Bridges['vlanDevices']> {
  const lines = (await read('/proc/net/vlan/config'))
    .split('\n')
    .map((line) => line.split('|').map((c) => c.trim()));
  return lines.flatMap(([device = '', id = '', bridge = '']) => {
    const vlan = Number(id);
    if (!bridges.has(bridge) || !Number.isInteger(vlan) || vlan < 1) return [];
    return [{ device, mac: ports.get(device)?.mac ?? '', bridge, vlan }];
  });
}

interface VlanRow {
  ifname?: string;
  vlans?: { vlan: number; flags?: string[] }[];
}

async function portVlans(): Promise<Map<string, number>> {
  const { stdout } = await run('bridge', ['-j', 'vlan', 'show'], { timeout: 5_000, maxBuffer: 64 << 20 });
  const result = new Map<string, number>();
  for (const row of JSON.parse(stdout || '[]') as VlanRow[]) {
    const own = row.vlans?.find((v) => v.flags?.includes('PVID'));
    if (row.ifname !== undefined && own) result.set(row.ifname, own.vlan);
  }
  return result;
}
