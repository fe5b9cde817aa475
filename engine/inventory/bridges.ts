// What the host's kernel says of bridges and their ports: masters, VLANs, taps. Read from sysfs and `bridge`.
import { execFile } from 'node:child_process';
import { readFile, readdir, readlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const CLASS = '/sys/class/net';

export interface Port {
  device: string;
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
  /** Linux bridges by name. */
  bridges: ReadonlyMap<string, { vlanFiltering: boolean }>;
}

const read = async (path: string): Promise<string> => (await readFile(path, 'utf8').catch(() => '')).trim();

/** Reads all devices anew; a device that goes away meanwhile is left out. */
export async function readBridges(): Promise<Bridges> {
  const names = await readdir(CLASS).catch(() => [] as string[]);
  const bridges = new Map<string, { vlanFiltering: boolean; defaultVlan: number }>();
  const ports = new Map<string, Port>();
  await Promise.all(
    names.map(async (device) => {
      const dir = `${CLASS}/${device}`;
      const [filtering, mac, master] = await Promise.all([
        read(`${dir}/bridge/vlan_filtering`),
        read(`${dir}/address`),
        readlink(`${dir}/master`).catch(() => ''),
      ]);
      if (filtering !== '') {
        const defaultVlan = Number(await read(`${dir}/bridge/default_pvid`)) || 0;
        bridges.set(device, { vlanFiltering: filtering === '1', defaultVlan });
      }
      const upper = basename(master);
      const ovs = upper === 'ovs-system';
      ports.set(device, { device, mac, bridge: upper === '' || ovs ? null : upper, ovs, vlan: null });
    }),
  );
  // A master that is no bridge (a bond, a VRF) does not switch frames between VMs.
  for (const port of ports.values())
    if (port.bridge !== null && !bridges.has(port.bridge)) port.bridge = null;
  if ([...bridges.values()].some((b) => b.vlanFiltering)) {
    for (const [device, pvid] of await portVlans()) {
      const port = ports.get(device);
      const bridge = port?.bridge ? bridges.get(port.bridge) : undefined;
      if (port && bridge?.vlanFiltering === true && pvid !== bridge.defaultVlan) port.vlan = pvid;
    }
  }
  return { ports, bridges };
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
