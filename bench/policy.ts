/**
 * One rule added to a policy of 20 rules that applies to 10, 100 and 300 VMs of one host, from the published documents
 * to rules read back from the kernel; beside libvirt's nwfilter and Neutron's iptables driver doing the same change.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyDelta, diffStates } from '@wocloud/policy/delta.ts';
import type { Documents } from '@wocloud/policy/model.ts';
import { Planner } from '@wocloud/policy/plan.ts';
import { assignSlots, ruleIds, type LocalFacts } from '@wocloud/policy/render/local.ts';
import { buildRuleset, deltaScript, fullScript } from '@wocloud/policy/render/script.ts';
import { run as execute } from '@wocloud/policy/testing/kernel.ts';
import { Kernel } from '@wocloud/engine/filter/kernel.ts';
import { Nft } from '@wocloud/engine/filter/nft.ts';
import { disproof } from '@wocloud/engine/filter/proof.ts';
import { NftWatch } from '@wocloud/engine/filter/watch.ts';
import { startPrivateLibvirtd } from '@wocloud/libvirt/testing/libvirtd.ts';
import type { Rule } from '@wocloud/protocol/resources/policy.ts';
import { main, median, quantile, type BenchResult } from './result.ts';

const RULES = 20;
const PORTS = [10, 100, 300];
const ROUNDS = 60;
/** nwfilter runs several programs per port and rule: minutes at 100 ports, so it is measured where it is bearable. */
const NWFILTER_PORTS = [10, 30];
const NWFILTER_ROUNDS = 1;
const NEUTRON_ROUNDS = 10;
const PYTHON = '/usr/bin/python3';
const WORKER = '--inside';

const hex = (n: number) => (n & 255).toString(16).padStart(2, '0');
const macOf = (i: number) => `52:54:00:00:${hex(i >> 8)}:${hex(i)}`;

function documents(rules: number): Documents {
  const list = Array.from({ length: rules }, (_, i): Rule => {
    const peers = [i % 4 < 2 ? { cidr: `10.${i % 250}.0.0/24` } : { selector: 'app=web' }];
    return i % 2
      ? { name: `r${i}`, direction: 'in', action: 'allow', from: peers, services: [`tcp/${1000 + i}`] }
      : { name: `r${i}`, direction: 'out', action: 'allow', to: peers, services: [`tcp/${1000 + i}`] };
  });
  return {
    tenants: [],
    groups: [],
    services: [],
    policies: [
      {
        apiVersion: 'wocloud/v1',
        kind: 'Policy',
        metadata: { name: 'p', tenant: 'acme' },
        spec: { tier: 'tenant', priority: 100, mode: 'enforce', appliesTo: 'all', rules: list },
      },
    ],
  };
}

/** libnftables works on the network namespace of its process, so ours is measured in a child inside one. */
async function oursInside(ports: number, namespace: string): Promise<number[]> {
  const args = ['netns', 'exec', namespace, process.execPath, import.meta.filename, WORKER, String(ports)];
  return JSON.parse(await execute('ip', args)) as number[];
}

async function worker(ports: number): Promise<void> {
  const [nft, watch] = [new Nft(), new NftWatch()];
  const kernel = new Kernel(nft, watch);
  console.log(JSON.stringify(await ours(ports, kernel)));
  kernel.close();
  watch.close();
  await nft.close();
}

/** Milliseconds per change: plan, delta, render, one nft transaction, and the proof from what is read back. */
async function ours(ports: number, kernel: Kernel): Promise<number[]> {
  const planner = new Planner();
  planner.setHostNetworks('h', [{ id: 'n', name: 'n', bridge: 'br0', vlan: null, zone: 1 }]);
  for (let i = 0; i < ports; i++)
    planner.upsertVm({
      id: `00000000-0000-4000-8000-${String(i).padStart(12, '0')}`,
      name: `vm${i}`,
      host: 'h',
      tenant: 'acme',
      labels: { app: i % 2 ? 'web' : 'db' },
      mode: 'enforce',
      nics: [
        {
          mac: macOf(i),
          network: 'n',
          addresses: [`10.0.${i >> 8}.${i & 255}`, `fd00::${(i + 1).toString(16)}`],
        },
      ],
    });
  planner.setDocuments(documents(RULES));
  let planned = planner.desired('h', 1);
  let slots = assignSlots(new Map(), ruleIds(planned), 0);
  const taps = new Map(planned.nics.map((nic, i) => [nic.id, `tap${i}`]));
  const networks: LocalFacts['networks'] = new Map([
    ['n', { interfaces: [{ name: 'br0', mac: '02:00:00:00:00:01' }], otherPorts: [] }],
  ]);
  let state = planned;
  let ruleset = buildRuleset(state, { taps, networks, slots: slots.slots });
  await kernel.apply(fullScript(ruleset));
  await kernel.read();
  const times: number[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const changed = documents(RULES + round);
    const start = performance.now();
    planner.setDocuments(changed);
    const next = planner.desired('h', round + 1);
    // As it travels: the delta as JSON, applied to what the host has.
    state = applyDelta(state, JSON.parse(JSON.stringify(diffStates(planned, next))));
    planned = next;
    slots = assignSlots(slots.slots, ruleIds(state), slots.last);
    const rendered = buildRuleset(state, { taps, networks, slots: slots.slots });
    const script = deltaScript(ruleset, rendered);
    ruleset = rendered;
    const keys = await kernel.apply(script);
    const wrong = disproof(ruleset, kernel.blocks, keys);
    times.push(performance.now() - start);
    if (wrong.length > 0 || !script.includes(`acme/p/r${RULES + round - 1}`))
      throw new Error(`the new rule is not in the kernel: ${wrong.join(', ')}`);
  }
  return times;
}

async function inNamespace<T>(body: (namespace: string) => Promise<T>, ports: number): Promise<T> {
  const namespace = `wbench${process.pid}`;
  await execute('ip', ['netns', 'add', namespace]);
  try {
    await execute('ip', ['-n', namespace, '-batch', '-'], links(ports));
    return await body(namespace);
  } finally {
    await execute('ip', ['netns', 'delete', namespace]);
  }
}

const links = (ports: number): string =>
  [
    'link add br0 type bridge',
    ...Array.from({ length: ports }, (_, i) => [
      `link add tap${i} type veth peer name peer${i}`,
      `link set tap${i} master br0 up`,
    ]).flat(),
  ].join('\n');

/** The same 20 rules as one nwfilter that every port refers to; the change is `virsh nwfilter-define`. */
async function nwfilter(ports: number): Promise<number[]> {
  const dir = await mkdtemp(join(tmpdir(), 'wb-'));
  const host = await startPrivateLibvirtd({ dir });
  try {
    const virsh = (...args: string[]) => execute('virsh', ['-c', host.uri, ...args]);
    await host.run(['ip', '-batch', '-'], links(ports));
    const file = join(dir, 'document.xml');
    const define = async (rules: number) => {
      const lines = Array.from({ length: rules }, (_, i) => {
        const end = i % 2 ? 'src' : 'dst';
        return `<rule action='accept' direction='${i % 2 ? 'in' : 'out'}'><tcp ${end}ipaddr='10.${i % 250}.0.0' ${end}ipmask='24' dstportstart='${1000 + i}'/></rule>`;
      });
      await writeFile(
        file,
        `<filter name='bench'><uuid>11111111-2222-4333-8444-555555555555</uuid>${lines.join('')}<rule action='drop' direction='inout'><all/></rule></filter>`,
      );
      const start = performance.now();
      await virsh('nwfilter-define', file);
      return performance.now() - start;
    };
    await define(RULES);
    for (let i = 0; i < ports; i++) {
      const owner = `<owner><name>vm${i}</name><uuid>00000000-0000-4000-8000-${String(i).padStart(12, '0')}</uuid></owner>`;
      await writeFile(
        file,
        `<filterbinding>${owner}<portdev name='tap${i}'/><mac address='${macOf(i)}'/><filterref filter='bench'/></filterbinding>`,
      );
      await virsh('nwfilter-binding-create', file);
    }
    const times: number[] = [];
    for (let round = 1; round <= NWFILTER_ROUNDS; round++) times.push(await define(RULES + round));
    return times;
  } finally {
    await host.stop({ purge: true });
    await rm(dir, { recursive: true, force: true });
  }
}

// What Neutron's L2 agent does when a security group's rules change. Prints milliseconds per change.
const NEUTRON = `
import sys, tempfile, time
sys.argv[0] = 'neutron' # its chains are named by the program
from oslo_concurrency import lockutils
from oslo_config import cfg
from neutron.conf.agent import common, securitygroups_rpc
lockutils.set_defaults(tempfile.mkdtemp())
common.register_root_helper(cfg.CONF)
securitygroups_rpc.register_securitygroups_opts()
cfg.CONF([], project='neutron')
cfg.CONF.set_override('enable_ipset', False, group='SECURITYGROUP')
from neutron import privileged
for name in ('default', 'conntrack_cmd'):
    if hasattr(privileged, name):
        getattr(privileged, name).set_client_mode(False)
from neutron.agent.linux import iptables_firewall
ports, rules, rounds = map(int, sys.argv[1:])
driver = iptables_firewall.IptablesFirewallDriver()
def group(n):
    return [{'direction': 'ingress' if i % 2 else 'egress', 'ethertype': 'IPv4', 'protocol': 'tcp', 'security_group_id': 'sg',
             'port_range_min': 1000 + i, 'port_range_max': 1000 + i,
             'source_ip_prefix' if i % 2 else 'dest_ip_prefix': '10.%d.0.0/24' % (i % 250)} for i in range(n)]
every = [{'device': 'tap%08x-%02x' % (i, i & 255), 'mac_address': '52:54:00:00:%02x:%02x' % (i >> 8, i & 255),
          'fixed_ips': ['10.0.%d.%d' % (i >> 8, i & 255)], 'network_id': 'n', 'security_groups': ['sg'],
          'security_group_source_groups': [], 'security_group_rules': [], 'allowed_address_pairs': [],
          'port_security_enabled': True, 'device_owner': 'compute:x', 'id': 'port%d' % i} for i in range(ports)]
driver.update_security_group_rules('sg', group(rules))
with driver.defer_apply():
    for port in every:
        driver.prepare_port_filter(port)
for n in range(1, rounds + 1):
    start = time.perf_counter()
    driver.update_security_group_rules('sg', group(rules + n))
    with driver.defer_apply():
        for port in every:
            driver.update_port_filter(port)
    print((time.perf_counter() - start) * 1000, flush=True)
`;

/** Null when python3-neutron is not installed. */
async function neutron(ports: number, namespace: string): Promise<number[] | null> {
  const there = await new Promise<boolean>((resolve) => {
    const child = spawn(PYTHON, ['-c', 'import neutron'], { stdio: 'ignore' });
    child.once('error', () => resolve(false));
    child.once('exit', (code) => resolve(code === 0));
  });
  if (!there) return null;
  const args = ['netns', 'exec', namespace, PYTHON, '-c', NEUTRON, ports, RULES, NEUTRON_ROUNDS].map(String);
  return (await execute('ip', args)).trim().split('\n').map(Number);
}

async function bench(): Promise<BenchResult> {
  const rows: BenchResult['rows'][number][] = [];
  const ratios: BenchResult['ratios'][number][] = [];
  const mean = new Map<number, number>();
  let withNeutron = true;
  for (const ports of PORTS) {
    const times = await inNamespace((namespace) => oursInside(ports, namespace), ports);
    mean.set(ports, median(times));
    rows.push({ label: `wocloud, ${ports} VMs, p50`, value: median(times), unit: 'ms' });
    rows.push({ label: `wocloud, ${ports} VMs, p99`, value: quantile(times, 0.99), unit: 'ms' });
    if (ports === PORTS.at(-1)) {
      const [p50, p99] = [median(times), quantile(times, 0.99)];
      ratios.push({
        label: `publish to read back, ${ports} VMs, p50 (ms)`,
        value: p50,
        target: 'under 50',
        met: p50 < 50,
      });
      ratios.push({
        label: `publish to read back, ${ports} VMs, p99 (ms)`,
        value: p99,
        target: 'under 150',
        met: p99 < 150,
      });
    }
  }
  for (const ports of PORTS) {
    const times = await inNamespace((namespace) => neutron(ports, namespace), ports);
    if (!times) {
      withNeutron = false;
      continue;
    }
    rows.push({ label: `Neutron's iptables driver, ${ports} ports, p50`, value: median(times), unit: 'ms' });
    ratios.push({
      label: `Neutron / wocloud, ${ports} ports`,
      value: median(times) / (mean.get(ports) ?? Number.NaN),
    });
  }
  for (const ports of NWFILTER_PORTS) {
    const times = await nwfilter(ports);
    rows.push({ label: `libvirt nwfilter, ${ports} ports, p50`, value: median(times), unit: 'ms' });
    const own = mean.get(ports);
    if (own !== undefined)
      ratios.push({ label: `nwfilter / wocloud, ${ports} ports`, value: median(times) / own });
  }
  return {
    name: 'One rule added to a policy',
    params: { rules: RULES, rounds: ROUNDS, neutron: withNeutron ? 'python3-neutron' : 'not installed' },
    rows,
    ratios,
  };
}

export { bench as run };
if (process.argv[2] === WORKER) await worker(Number(process.argv[3]));
else await main(import.meta.url, bench);
