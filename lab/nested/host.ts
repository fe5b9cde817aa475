/**
 * A KVM host that is a machine of its own: a stock Debian with its kernel, systemd and AppArmor, in a VM, with the
 * scenario's VMs in it. For what namespaces on this machine's kernel cannot show. It ends with this process.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { accelerator, type Accelerator } from '@wocloud/image/accelerator.ts';
import { program } from '@wocloud/image/program.ts';
import { domainXml, vmPaths } from '../domain.ts';
import { GuestExec, LAB_PORT, type ExecOptions, type ExecResult } from '../exec.ts';
import { bridgeName, tapName, vmUuid } from '../identity.ts';
import { guestImage, type GuestImage } from '../image/build.ts';
import type { Scenario, Vm } from '../scenario.ts';
import { seedDisk } from '../seed.ts';
import { nestedImage, type NestedImage } from './build.ts';
import { installEngine } from './bundle.ts';
import { openSwitchboard, type Switchboard } from './switchboard.ts';

export interface Machine {
  readonly name: string;
  exec(command: string | readonly string[], options?: ExecOptions): Promise<ExecResult>;
  output(command: string | readonly string[], options?: ExecOptions): Promise<string>;
}

export interface NestedVm extends Machine {
  readonly uuid: string;
}

export interface NestedHost extends Machine {
  /** Domain type of its VMs. */
  readonly accelerator: Accelerator;
  vm(name: string): NestedVm;
  stop(): Promise<void>;
}

export interface NestedHostOptions {
  readonly name: string;
  readonly scenario: Scenario;
  /** Everything of the host is below, and goes with it; keep it short, socket paths end at 107 bytes. */
  readonly dir: string;
  readonly onProgress?: (line: string) => void;
}

const MEMORY_MIB = 3072;
// One processor: with two, while VMs run in it, QEMU 7.2's emulation of SVM breaks the host's own programs (6 of 24
// starts of Node died; with one, none did) and at times its kernel.
const CPUS = 1;
// An old AMD with SVM: what QEMU emulates since longest.
const EMULATED_CPU = 'Opteron_G3,+svm,+npt';
const BOOT_MS = 240_000;
const GUEST_BOOT_MS = 240_000;
/** As the host sees it: the lab's disk, with the engine, the guests' image and their seeds. */
const LAB = '/opt/lab';

/** Boots the host and then its VMs. Where it fails, nothing is left but `dir`. */
export async function startNestedHost(options: NestedHostOptions): Promise<NestedHost> {
  const { name, scenario, dir } = options;
  const progress = options.onProgress ?? (() => {});
  const began = performance.now();
  const told = (what: string): void =>
    progress(`${what} after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  const image = await nestedImage({ onProgress: progress });
  const guest = await guestImage({ onProgress: progress });
  await mkdir(dir, { recursive: true });
  await makeLabDisk(dir, scenario, guest);
  const overlay = join(dir, 'root.qcow2');
  await program(['qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', image.disk, overlay]);

  const boards: Switchboard[] = [];
  for (const vm of scenario.vms)
    boards.push(await openSwitchboard(join(dir, `${vm.name}.qemu`), join(dir, `${vm.name}.sock`)));
  const qemu = spawn('setpriv', ['--pdeathsig', 'KILL', ...(await commandLine(options, image))], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let complaint = '';
  qemu.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text));
  const stop = async (): Promise<void> => {
    await end(qemu);
    for (const board of boards) await board.close();
    await rm(dir, { recursive: true, force: true });
  };
  const channel = new GuestExec(name, join(dir, 'host.sock'));
  try {
    const ended = once(qemu, 'exit').then(() => {
      throw new Error(`the nested host ended: ${complaint}`);
    });
    ended.catch(() => {});
    await Promise.race([channel.ready(BOOT_MS), ended]);
    told(`nested host ${name}: up`);
    const type = (await channel.exec(HAS_KVM)).code === 0 ? 'kvm' : 'qemu';
    await makeBridges(channel, scenario);
    const started = await Promise.all(
      scenario.vms.map(async (vm): Promise<NestedVm> => {
        const inside = new GuestExec(vm.name, join(dir, `${vm.name}.sock`));
        await startVm(channel, scenario, vm, guest, type);
        await inside.ready(GUEST_BOOT_MS);
        told(`vm ${vm.name} (${type} in ${name}): up`);
        return {
          name: vm.name,
          uuid: vmUuid(scenario, vm),
          exec: (command, how) => inside.exec(command, how),
          output: (command, how) => inside.output(command, how),
        };
      }),
    );
    const vms = new Map(started.map((vm) => [vm.name, vm]));
    return {
      name,
      accelerator: type,
      exec: (command, how) => channel.exec(command, how),
      output: (command, how) => channel.output(command, how),
      vm(wanted) {
        const vm = vms.get(wanted);
        if (vm === undefined) throw new Error(`no VM ${wanted}; there are ${[...vms.keys()].join(', ')}`);
        return vm;
      },
      stop,
    };
  } catch (error) {
    const screen = (await readFile(join(dir, 'console.log'), 'utf8').catch(() => '')).slice(-3000);
    await stop();
    throw new Error(`nested host ${name} did not start; its console ends:\n${screen}`, { cause: error });
  }
}

// udev loads the module when it comes to it; here it must be there.
const HAS_KVM = 'modprobe -qa kvm_amd kvm_intel; udevadm settle; test -c /dev/kvm';

async function startVm(
  host: GuestExec,
  scenario: Scenario,
  vm: Vm,
  guest: GuestImage,
  type: Accelerator,
): Promise<void> {
  const image = { ...guest, kernel: `${LAB}/vmlinuz`, initrd: `${LAB}/initrd` };
  await host.output(['sh', '-euc', START_VM, vm.name, vmPaths(vm).disk, vmPaths(vm).seed], {
    stdin: domainXml(scenario, vm, image, type),
    timeout: 120_000,
  });
}

// $0 name, $1 disk, $2 seed; the domain on standard input.
const START_VM = `
qemu-img create -q -f qcow2 -F raw -b ${LAB}/root.img "$1"
cp "${LAB}/$0.seed" "$2"
mkdir -p /run/libvirt/lab && chown libvirt-qemu /run/libvirt/lab
virsh -q define /dev/stdin
virsh -q start "$0"
systemctl start "lab-guest@$0"
`;

function tapOf(vm: Vm): string {
  const [nic] = vm.nics;
  const tap = nic && tapName(vm, nic, 0);
  if (tap === undefined) throw new Error(`${vm.name}: a VM of a nested host has a NIC in a VLAN`);
  return tap;
}

/** Plain Linux bridges that filter VLANs, and the VLANs of the taps that will come. */
async function makeBridges(channel: GuestExec, scenario: Scenario): Promise<void> {
  const bridges = scenario.networks.map((network) => {
    if (network.kind !== 'vlan') throw new Error(`${network.name}: a nested host has networks of kind vlan`);
    const bridge = bridgeName(network);
    return `ip link add ${bridge} type bridge vlan_filtering 1 vlan_default_pvid 0 && ip link set ${bridge} up`;
  });
  await channel.output(bridges.join(' && '));
  const lines = scenario.vms.map((vm) => `${vm.name} ${tapOf(vm)} ${vm.nics[0]?.vlan}\n`);
  await channel.output('cat >/etc/libvirt/hooks/lab-vlans', { stdin: lines.join('') });
}

/** A read-only disk with what belongs to this checkout and this scenario. */
async function makeLabDisk(dir: string, scenario: Scenario, guest: GuestImage): Promise<void> {
  const files = join(dir, 'lab');
  await mkdir(files);
  await installEngine(join(files, 'wocloud'));
  await copyFile(guest.kernel, join(files, 'vmlinuz'));
  await copyFile(guest.initrd, join(files, 'initrd'));
  await program(['cp', '--sparse=always', guest.disk, join(files, 'root.img')]);
  for (const vm of scenario.vms) await writeFile(join(files, `${vm.name}.seed`), seedDisk(scenario, vm));
  const kib = Number((await program(['du', '-sk', files])).split('\t')[0]);
  await program(
    ['mke2fs', '-q', '-t', 'ext4', '-O', '^has_journal', '-m', '0', '-L', 'lab', '-d', files].concat(
      join(dir, 'lab.img'),
      `${Math.ceil(kib * 1.15) + 16_384}k`,
    ),
  );
  await rm(files, { recursive: true });
}

async function commandLine(
  { name, scenario, dir }: NestedHostOptions,
  image: NestedImage,
): Promise<string[]> {
  const accel = await accelerator();
  const kernel = [
    'console=ttyS0 quiet panic=-1 net.ifnames=0 mitigations=off cryptomgr.notests nokaslr audit=0 no_timer_check',
    'labinit=/sbin/init systemd.show_status=0 systemd.journald.forward_to_console=0',
    `systemd.hostname=${name} systemd.machine_id=${randomUUID().replaceAll('-', '')}`,
  ];
  const disk = (file: string, format: string, options: string, serial: string): string[] => [
    '-drive',
    `if=none,id=${serial},file=${file},format=${format},${options}`,
    '-device',
    `virtio-blk-pci,drive=${serial},serial=${serial}`,
  ];
  const port = (id: string, socket: string, portName: string): string[] => [
    '-chardev',
    `socket,id=${id},path=${socket}`,
    '-device',
    `virtserialport,chardev=${id},name=${portName}`,
  ];
  return [
    'qemu-system-x86_64',
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-name', name],
    ...[
      '-accel',
      accel === 'kvm' ? 'kvm' : 'tcg,thread=multi',
      '-cpu',
      accel === 'kvm' ? 'host' : EMULATED_CPU,
    ],
    ...['-smp', String(CPUS), '-m', String(MEMORY_MIB), '-uuid', randomUUID()],
    ...['-kernel', image.kernel, '-initrd', image.initrd, '-append', kernel.join(' ')],
    ...['-serial', `file:${join(dir, 'console.log')}`],
    ...disk(join(dir, 'root.qcow2'), 'qcow2', 'cache=unsafe', 'root'),
    ...disk(join(dir, 'lab.img'), 'raw', 'readonly=on', 'lab'),
    ...['-netdev', 'user,id=uplink,ipv6=off', '-device', 'virtio-net-pci,netdev=uplink,romfile='],
    ...['-object', 'rng-random,id=rng,filename=/dev/urandom', '-device', 'virtio-rng-pci,rng=rng'],
    ...['-device', 'virtio-serial-pci,max_ports=31'],
    ...port('lab', `${join(dir, 'host.sock')},server=on,wait=off`, LAB_PORT),
    ...scenario.vms.flatMap((vm, index) =>
      port(`guest${index}`, join(dir, `${vm.name}.qemu`), `org.wocloud.lab.guest.${vm.name}`),
    ),
  ];
}

async function end(qemu: ChildProcess): Promise<void> {
  if (qemu.exitCode !== null || qemu.signalCode !== null) return;
  const gone = once(qemu, 'exit');
  qemu.kill('SIGKILL');
  await gone;
}
