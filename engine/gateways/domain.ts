// A gateway as a libvirt domain: its XML, and how such a domain is known again. Pure.
import type { Accelerator } from '@wocloud/image/accelerator.ts';
import { GATEWAY_PORT } from '@wocloud/protocol/gateway.ts';
import { WOCLOUD_NAMESPACE } from '../inventory/metadata.ts';
import { all, at, attribute, type Element } from '../inventory/xml.ts';
import { instanceDevices, instanceName, type InstanceSpec } from './runner.ts';

export interface DomainFiles {
  readonly kernel: string;
  readonly initrd: string;
  readonly disk: string;
  readonly channel: string;
}

/** What a domain says of the gateway that it is. */
export interface GatewayDomain {
  readonly number: number;
  readonly gateway: string;
  readonly image: string;
}

const DEFAULT_MTU = 1500;
// The image's init tells its devices by the last byte.
const PARTS = { a: '0a', b: '0b', m: '0c' } as const;
const CONSOLE = 'console=ttyS0 quiet panic=-1 net.ifnames=0 ipv6.disable=1';
// Each spares an emulated machine a noticeable part of its boot; a real one keeps its defences.
const EMULATED = 'mitigations=off cryptomgr.notests nokaslr audit=0 no_timer_check';

// QEMU would keep up to 1 GiB of translated code beside the gateway's own memory.
const TRANSLATED = "<tcg><tb-cache unit='MiB'>128</tb-cache></tcg>";

const escape = (text: string): string => text.replace(/[<>&"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** A transient domain: no disk of its own, no address, no device of the host but its three taps. */
export function gatewayXml(spec: InstanceSpec, files: DomainFiles, type: Accelerator): string {
  const { number, gateway, image, memoryMiB, vcpus } = spec;
  const devices = instanceDevices(number);
  return `<domain type='${type}'>
  <name>${instanceName(number)}</name>
  <title>Wocloud security gateway ${escape(gateway)}</title>
  <metadata>
    <wocloud:gateway xmlns:wocloud="${WOCLOUD_NAMESPACE}" name="${escape(gateway)}" number="${number}" image="${escape(image)}"/>
  </metadata>
  <memory unit='MiB'>${memoryMiB}</memory>
  <vcpu>${vcpus}</vcpu>
  <os>
    <type arch='x86_64' machine='pc'>hvm</type>
    <kernel>${escape(files.kernel)}</kernel>
    <initrd>${escape(files.initrd)}</initrd>
    <cmdline>${CONSOLE}${type === 'kvm' ? '' : ` ${EMULATED}`}</cmdline>
  </os>
  <features><acpi/>${type === 'kvm' ? '' : TRANSLATED}</features>
  <cpu mode='${type === 'kvm' ? 'host-passthrough' : 'maximum'}'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>restart</on_crash>
  <devices>
    <controller type='usb' model='none'/>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='${escape(files.disk)}'><seclabel model='dac' relabel='no'/></source>
      <target dev='vda' bus='virtio'/>
      <readonly/>
      <shareable/>
    </disk>
${(['a', 'b', 'm'] as const).map((part) => interfaceXml(spec, part, devices[part])).join('\n')}
    <serial type='pty'/>
    <channel type='unix'>
      <source mode='bind' path='${escape(files.channel)}'/><target type='virtio' name='${GATEWAY_PORT}'/>
    </channel>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='none'/>
  </devices>
</domain>`;
}

/** A NIC whose frames are what is on the wire: nothing is left for a device to check or to split. */
function interfaceXml({ number, vcpus, mtu }: InstanceSpec, part: keyof typeof PARTS, tap: string): string {
  const mac = `0e:77:6f:00:${number.toString(16).padStart(2, '0')}:${PARTS[part]}`;
  const queues = vcpus > 1 ? ` queues='${Math.min(vcpus, 8)}'` : '';
  const off = "csum='off' tso4='off' tso6='off' ecn='off' ufo='off'";
  return `    <interface type='ethernet'>
      <mac address='${mac}'/><target dev='${tap}'/><model type='virtio'/><mtu size='${mtu ?? DEFAULT_MTU}'/>
      <driver${queues}><host gso='off' ${off}/><guest ${off}/></driver><rom enabled='no'/>
    </interface>`;
}

/**
 * The gateway that a domain is, by our mark and by its shape: without its three taps and with no other way out it cannot
 * be one. So nobody hides a VM by giving it the mark.
 */
export function readGateway(domain: Element): GatewayDomain | null {
  const mark = at(domain, 'metadata')?.children.find(
    ({ name, space }) => name === 'gateway' && space === WOCLOUD_NAMESPACE,
  );
  if (mark === undefined) return null;
  const number = Number(attribute(mark, 'number'));
  if (!Number.isInteger(number) || number < 1 || number > 15) return null;
  const devices = at(domain, 'devices');
  const nics = all(devices, 'interface');
  const taps = nics.map((nic) => attribute(at(nic, 'target'), 'dev'));
  const isWhole =
    at(domain, 'name')?.text === instanceName(number) &&
    nics.every((nic) => attribute(nic, 'type') === 'ethernet') &&
    taps.join() === Object.values(instanceDevices(number)).join() &&
    all(devices, 'hostdev').length === 0 &&
    all(devices, 'filesystem').length === 0;
  if (!isWhole) return null;
  return {
    number,
    gateway: attribute(mark, 'name').slice(0, 63),
    image: attribute(mark, 'image').slice(0, 64),
  };
}
