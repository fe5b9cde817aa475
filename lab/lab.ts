/**
 * A running lab: hosts and VMs of a scenario, real ones. `startLab` boots it (or takes over the same one that
 * already runs), `attachLab` finds it from another process, `stop` leaves nothing of it.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join, resolve } from 'node:path';
import { accelerator, type Accelerator } from '@wocloud/image/accelerator.ts';
import { program } from '@wocloud/image/program.ts';
import { createDomain, defineDomain } from '@wocloud/libvirt/procedures-domain.ts';
import { paths } from '@wocloud/protocol/paths.ts';
import { domainXml, vmPaths } from './domain.ts';
import { GuestExec, type ExecOptions, type ExecResult } from './exec.ts';
import { attachLabHost, hostDir, startLabHost, type LabHost } from './host.ts';
import { nicMac, tapName, vmUuid } from './identity.ts';
import { guestImage, type GuestImage } from './image/build.ts';
import { toolsDisk } from './image/tools.ts';
import { makeNetworks } from './network.ts';
import { loadScenario, type Scenario, type Vm } from './scenario.ts';
import { seedDisk } from './seed.ts';

export interface LabNic {
  readonly mac: string;
  readonly network: string;
  readonly vlan: number | undefined;
  /** Static or reserved addresses, without prefix length. */
  readonly ipv4: string | undefined;
  readonly ipv6: string | undefined;
}

export interface LabVm {
  readonly name: string;
  readonly uuid: string;
  readonly tenant: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly host: LabHost;
  /** Defined but never started. */
  readonly off: boolean;
  readonly nics: readonly LabNic[];
  /** Lab-only: runs a program in the guest, without any network. A string is a line of shell. */
  exec(command: string | readonly string[], options?: ExecOptions): Promise<ExecResult>;
  /** Like exec, but only standard output, and an exit status other than 0 throws. */
  output(command: string | readonly string[], options?: ExecOptions): Promise<string>;
  /** Waits until the guest answers on its exec channel; its boot id. */
  ready(timeoutMs?: number): Promise<string>;
}

export interface Lab {
  readonly dir: string;
  readonly scenario: Scenario;
  readonly hosts: ReadonlyMap<string, LabHost>;
  readonly vms: ReadonlyMap<string, LabVm>;
  readonly accelerator: Accelerator;
  /** A VM by name; throws with the names there are. */
  vm(name: string): LabVm;
  /** The only (or first) host. */
  readonly host: LabHost;
  /** Ends everything and removes the lab's directory. */
  stop(): Promise<void>;
}

export interface LabOptions {
  /** Name of a scenario that comes with the lab, path of a YAML file, or a checked scenario. */
  readonly scenario: string | Scenario;
  /** Defaults to lab/<scenario> under $WOCLOUD_HOME or /var/lib/wocloud. Keep it short. */
  readonly dir?: string;
  /** Outlive this process. Otherwise the lab ends with it, however it ends. */
  readonly detached?: boolean;
  readonly onProgress?: (line: string) => void;
  /** How many VMs boot at a time; default two per core (measured: one per core leaves them idle at times). */
  readonly parallel?: number;
}

interface LabImages {
  readonly guest: GuestImage;
  /** When a VM of the scenario has them. */
  readonly tools?: string;
}

interface LabRecord {
  readonly scenario: Scenario;
  readonly image: string;
  readonly accelerator: Accelerator;
  readonly state: 'starting' | 'up';
}

const BOOT_MS = 120_000;

/** Where a scenario's lab lives unless told otherwise. */
export const defaultLabDir = (scenario: string): string => join(paths().home, 'lab', scenario);

/** Boots a scenario and returns when every guest answers. What a crashed run left in `dir` is ended first. */
export async function startLab(options: LabOptions): Promise<Lab> {
  const progress = options.onProgress ?? (() => {});
  const scenario =
    typeof options.scenario === 'string' ? await loadScenario(options.scenario) : options.scenario;
  const dir = resolve(options.dir ?? defaultLabDir(scenario.name));
  const images: LabImages = {
    guest: await guestImage({ onProgress: progress }),
    ...(scenario.vms.some((vm) => vm.tools) ? { tools: await toolsDisk({ onProgress: progress }) } : {}),
  };

  const running = await attachLab(dir);
  if (running !== undefined) {
    if (JSON.stringify(running.scenario) === JSON.stringify(scenario)) {
      progress(`lab ${scenario.name}: already runs`);
      await Promise.all([...running.vms.values()].filter((vm) => !vm.off).map((vm) => vm.ready(BOOT_MS)));
      return running;
    }
    throw new Error(
      `${dir}: a lab with another scenario runs there (${running.scenario.name}); stop it first`,
    );
  }
  await clean(dir);

  const accel = await accelerator();
  const began = performance.now();
  await mkdir(dir, { recursive: true });
  const record: LabRecord = { scenario, image: images.guest.id, accelerator: accel, state: 'starting' };
  await writeRecord(dir, record);
  const hosts = new Map<string, LabHost>();
  try {
    for (const name of scenario.hosts) {
      progress(`host ${name}: namespaces and libvirtd`);
      hosts.set(
        name,
        await startLabHost({ name, dir: hostDir(dir, name), detached: options.detached === true }),
      );
    }
    await makeNetworks(scenario, hosts);
    for (const file of scenario.rules)
      for (const host of hosts.values()) await host.run(['nft', '-f', '-'], await readFile(file, 'utf8'));
    const lab = handle(dir, record, hosts);
    await boot(lab, images, options.parallel ?? 2 * availableParallelism(), progress);
    await writeRecord(dir, { ...record, state: 'up' });
    progress(
      `lab ${scenario.name}: ${lab.vms.size} VMs (${accel === 'kvm' ? 'KVM' : 'emulated'}) up after ${((performance.now() - began) / 1000).toFixed(1)} s`,
    );
    return lab;
  } catch (error) {
    await clean(dir);
    throw error;
  }
}

/** The lab that runs in `dir`, started by whatever process; undefined when none does, or not completely. */
export async function attachLab(dir: string): Promise<Lab | undefined> {
  const full = resolve(dir);
  const record = await readRecord(full);
  if (record === undefined || record.state !== 'up') return undefined;
  const hosts = new Map<string, LabHost>();
  for (const name of record.scenario.hosts) {
    const host = await attachLabHost(hostDir(full, name));
    if (host === undefined) return undefined;
    hosts.set(name, host);
  }
  return handle(full, record, hosts);
}

/**
 * Ends whatever is left of a lab in `dir`, complete or not, and removes it; nothing to do is fine. A directory
 * with something else in it is refused.
 */
export async function clean(dir: string): Promise<void> {
  const full = resolve(dir);
  if (!existsSync(full)) return;
  const record = await readRecord(full);
  if (record === undefined && (await readdir(full)).length > 0)
    throw new Error(`${full}: not empty, and not a lab's directory`);
  const hosts = record?.scenario.hosts ?? [];
  for (const name of hosts) await (await attachLabHost(hostDir(full, name)))?.stop();
  for (const name of hosts) await rm(hostDir(full, name), { recursive: true, force: true });
  // The record last, so that a second try still knows what was here.
  await rm(join(full, 'lab.json'), { force: true });
  await rmdir(full);
}

function handle(dir: string, record: LabRecord, hosts: ReadonlyMap<string, LabHost>): Lab {
  const { scenario } = record;
  const vms = new Map<string, LabVm>();
  for (const vm of scenario.vms) {
    const host = hosts.get(vm.host ?? (scenario.hosts[0] as string)) as LabHost;
    const channel = new GuestExec(vm.name, host.outside(vmPaths(vm).labSocket));
    vms.set(vm.name, {
      name: vm.name,
      uuid: vmUuid(scenario, vm),
      tenant: vm.tenant,
      labels: vm.labels ?? {},
      host,
      off: vm.off === true,
      nics: vm.nics.map((nic, index) => ({
        mac: nicMac(scenario, vm, index),
        network: nic.network,
        vlan: nic.vlan,
        ipv4: nic.ipv4 === 'dhcp' ? undefined : nic.ipv4,
        ipv6: nic.ipv6 === 'slaac' ? undefined : nic.ipv6,
      })),
      exec: (command, options) => channel.exec(command, options),
      output: (command, options) => channel.output(command, options),
      ready: (timeoutMs) => channel.ready(timeoutMs),
    });
  }
  return {
    dir,
    scenario,
    hosts,
    vms,
    accelerator: record.accelerator,
    host: hosts.get(scenario.hosts[0] as string) as LabHost,
    vm(name) {
      const vm = vms.get(name);
      if (vm === undefined)
        throw new Error(`no VM ${name} in this lab; there are ${[...vms.keys()].join(', ')}`);
      return vm;
    },
    stop: () => clean(dir),
  };
}

/** Defines and starts the VMs, so many at a time, each until its guest answers. */
async function boot(
  lab: Lab,
  images: LabImages,
  parallel: number,
  progress: (line: string) => void,
): Promise<void> {
  const { scenario } = lab;
  for (const host of lab.hosts.values()) {
    const lines = scenario.vms.flatMap((vm) =>
      vm.nics.flatMap((nic, index) =>
        nic.vlan === undefined ? [] : [`${vm.name} ${tapName(vm, nic, index)} ${nic.vlan}\n`],
      ),
    );
    await writeFile(host.outside('/etc/libvirt/hooks/lab-vlans'), lines.join(''));
  }
  const waiting = [...scenario.vms];
  const worker = async (): Promise<void> => {
    for (let vm = waiting.shift(); vm !== undefined; vm = waiting.shift()) {
      const began = performance.now();
      await startVm(lab, vm, images);
      if (vm.off) continue;
      await lab.vm(vm.name).ready(BOOT_MS);
      progress(`vm ${vm.name}: up after ${((performance.now() - began) / 1000).toFixed(1)} s`);
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
}

async function startVm(lab: Lab, vm: Vm, { guest, tools }: LabImages): Promise<void> {
  const { host } = lab.vm(vm.name);
  const paths = vmPaths(vm);
  await program([
    'qemu-img',
    'create',
    '-q',
    '-f',
    'qcow2',
    '-F',
    'raw',
    '-b',
    guest.disk,
    host.outside(paths.disk),
  ]);
  await writeFile(host.outside(paths.seed), seedDisk(lab.scenario, vm));
  await host.withLibvirt(async (libvirt) => {
    const domain = await defineDomain(
      libvirt,
      domainXml(lab.scenario, vm, guest, lab.accelerator, vm.tools ? tools : undefined),
    );
    if (!vm.off) await createDomain(libvirt, domain);
  });
}

async function writeRecord(dir: string, record: LabRecord): Promise<void> {
  const path = join(dir, 'lab.json');
  await writeFile(`${path}.new`, `${JSON.stringify(record, null, 1)}\n`);
  await rename(`${path}.new`, path);
}

async function readRecord(dir: string): Promise<LabRecord | undefined> {
  const path = join(dir, 'lab.json');
  if (!existsSync(path)) return undefined;
  return JSON.parse(await readFile(path, 'utf8')) as LabRecord;
}
