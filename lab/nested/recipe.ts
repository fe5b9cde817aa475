/**
 * What the nested host is made of: a stock Debian with systemd, AppArmor, libvirt and the distribution's full
 * kernel. Anything that changes here changes the image's content hash, and so builds a new one.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VLAN_HOOK } from '../host.ts';
import { recipeHash } from '../image/recipe.ts';

export const HOST_FILES = join(import.meta.dirname, 'host');

/** The cloud kernel has no KVM for AMD, which is what QEMU emulates. */
export const KERNEL_PACKAGE = 'linux-image-amd64';

/** Installed and configured, as on a customer's machine. */
export const PACKAGES = [
  'systemd-sysv',
  'udev',
  'dbus',
  'kmod',
  'iproute2',
  'procps',
  'apparmor',
  'libvirt-daemon-system',
  'libvirt-clients',
  'qemu-system-x86',
  'qemu-utils',
  // The engine's own.
  'nftables',
  'libnftables1',
  'conntrack',
  'libatomic1',
  'libstdc++6',
  // The lab's: the exec channel, its way on to the guests, the initramfs.
  'python3-minimal',
  'socat',
  'busybox-static',
];

/** Loaded before the disk is mounted; ext4 asks for its checksum by another name. */
export const DRIVERS = ['virtio_pci', 'virtio_blk', 'crc32c_generic', 'ext4'];

/** Of the kernel's drivers, those that a virtual machine with VMs can use (kvm_amd needs one of crypto's). */
export const KEPT_DRIVERS = ['acpi', 'block', 'char', 'crypto', 'net', 'vhost', 'virt', 'virtio'];
export const PRUNED_MODULES = [
  'sound',
  'drivers/net/ethernet',
  'drivers/net/wireless',
  'drivers/net/usb',
  'net/wireless',
  'net/mac80211',
];

/** Units that only cost an emulated machine time. */
export const MASKED = [
  'getty@tty1.service',
  'serial-getty@ttyS0.service',
  'systemd-udev-settle.service',
  'systemd-binfmt.service',
  'systemd-pstore.service',
  'systemd-random-seed.service',
  'systemd-update-utmp.service',
  'libvirt-guests.service',
  'logrotate.timer',
  'fstrim.timer',
  'dpkg-db-backup.timer',
  'e2scrub_reap.service',
];

/** Identity of the image: everything that goes into it but the versions of the packages. */
export async function nestedRecipeHash(): Promise<string> {
  // The initramfs and the exec channel are the guest image's.
  const hash = createHash('sha256')
    .update(await recipeHash())
    .update(VLAN_HOOK);
  for (const path of [join(import.meta.dirname, 'recipe.ts'), join(import.meta.dirname, 'build.ts')])
    hash.update(await readFile(path));
  for (const name of (await readdir(HOST_FILES)).sort())
    hash.update(`${name}\0`).update(await readFile(join(HOST_FILES, name)));
  return hash.digest('hex').slice(0, 16);
}
