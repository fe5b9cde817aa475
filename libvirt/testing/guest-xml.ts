/**
 * Domains for tests: small, without an operating system (the firmware runs, and prints to the serial console), so
 * that they start in a fraction of a second even without hardware virtualization.
 */
export interface GuestOptions {
  readonly name: string;
  readonly uuid?: string;
  /** XML of further devices. */
  readonly devices?: string;
  /** A USB controller; none unless asked for. */
  readonly usb?: boolean;
  /** XML beside `<devices>`, e.g. `<metadata>`. */
  readonly extra?: string;
}

export function guestXml({ name, uuid, devices = '', usb = false, extra = '' }: GuestOptions): string {
  return `<domain type='qemu'>
  <name>${name}</name>
  ${uuid === undefined ? '' : `<uuid>${uuid}</uuid>`}
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type><bios useserial='yes'/></os>
  <features><acpi/></features>
  ${extra}
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='pci' model='pcie-root'/>
    <controller type='pci' model='pcie-root-port'/><controller type='pci' model='pcie-root-port'/>
    <controller type='pci' model='pcie-root-port'/><controller type='pci' model='pcie-root-port'/>
    <controller type='usb' model='${usb ? 'qemu-xhci' : 'none'}'/>
    <memballoon model='none'/>
    <serial type='pty'/>
    ${devices}
  </devices>
</domain>`;
}

/** A virtio disk on a qcow2 file. */
export const diskXml = (file: string, target = 'vda'): string =>
  `<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='${file}'/><target dev='${target}' bus='virtio'/></disk>`;
