// The engine on a host with systemd, as an operator installs it, stops it and takes it away.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Machine } from '../nested/host.ts';

const UNIT = 'wocloud-engine';
const FILE = join(import.meta.dirname, '../../engine/systemd', `${UNIT}.service`);
const ENGINE = ['/opt/wocloud/node_modules/.bin/node', '/opt/wocloud/engine/main.ts'];

/** Writes unit, configuration and token, and starts it now and at every boot. */
export async function installEngine(host: Machine, platform: string, token: string): Promise<void> {
  const write = (path: string, mode: string, stdin: string): Promise<string> =>
    host.output(['install', '-D', '-m', mode, '/dev/stdin', path], { stdin });
  await write(`/etc/systemd/system/${UNIT}.service`, '644', await readFile(FILE, 'utf8'));
  await write('/etc/wocloud/join-token', '600', token);
  await write(
    '/etc/wocloud/engine.yaml',
    '644',
    `platform: ${platform}\njoin-token-file: /etc/wocloud/join-token\n`,
  );
  await host.output(['systemctl', 'enable', '--now', UNIT], { timeout: 60_000 });
}

/** The unit's main process; 0 for none. */
export async function pidOf(host: Machine): Promise<number> {
  return Number(await host.output(['systemctl', 'show', '--value', '-p', 'MainPID', UNIT]));
}

/** The tables that enforce, line by line, without counters and what passes by itself; not the one that only counts. */
export async function rulesOf(host: Machine): Promise<string[]> {
  const text = await host.output(
    `nft list tables | grep ' wocloud$' | while read -r _ table; do nft -s list table $table; done`,
  );
  const sets = /^\tset [^\n]+\{\n(?:\t\t[^\n]*\n)*\t\}\n/gm;
  return text
    .replaceAll(sets, (set) => (/^\t\tflags .*timeout/m.test(set) ? '' : set))
    .split('\n')
    .filter(Boolean);
}

/** Watches the tables that enforce; what resolves is every change since, but for marks that pass by themselves. */
export async function watchRules(host: Machine): Promise<() => Promise<string[]>> {
  await host.output(['systemd-run', '--quiet', '--unit=lab-monitor', 'nft', 'monitor']);
  return async () => {
    await host.output(['systemctl', 'stop', 'lab-monitor']);
    const lines = (await host.output(['journalctl', '-o', 'cat', '-u', 'lab-monitor'])).split('\n');
    return lines.filter((line) => line.includes(' wocloud ') && !line.includes(' wocloud settling '));
  };
}

const BRIDGE = '/sys/class/net/br-trunk/bridge';
const SWITCHES = [
  ...['nf_call_iptables', 'nf_call_ip6tables', 'nf_call_arptables'].map((name) => `${BRIDGE}/${name}`),
  ...['call-iptables', 'call-ip6tables', 'call-arptables', 'filter-vlan-tagged'].map(
    (name) => `/proc/sys/net/bridge/bridge-nf-${name}`,
  ),
  ...['acct', 'timestamp'].map((name) => `/proc/sys/net/netfilter/nf_conntrack_${name}`),
];

/** Takes the engine away, and answers what is left of it in the kernel: tables, and switches that are not off. */
export async function removeEngine(host: Machine): Promise<{ tables: string[]; switches: string[] }> {
  await host.output(['systemctl', 'disable', '--now', UNIT], { timeout: 60_000 });
  await host.output([...ENGINE, '--remove'], { timeout: 120_000 });
  const values = (await host.output(['cat', ...SWITCHES])).trim().split('\n');
  const tables = (await host.output(['nft', 'list', 'tables'])).split('\n');
  return {
    tables: tables.filter((table) => table.includes('wocloud')),
    switches: SWITCHES.filter((_, index) => values[index] !== '0'),
  };
}
