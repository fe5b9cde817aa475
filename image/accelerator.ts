/**
 * Tells whether KVM really works here, by running a guest of a few instructions on it: on some machines
 * /dev/kvm opens, and a VM still crashes or crawls.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { program, ProgramError } from './program.ts';

/** libvirt's domain types for the two. */
export type Accelerator = 'kvm' | 'qemu';

// mov al,0x10; mov dx,0xf4; out dx,al; hlt: isa-debug-exit ends QEMU with status (0x10 << 1) | 1.
const BOOT_CODE = Buffer.from('b010baf400eef4', 'hex');
const PROVEN = 33;
// Bare metal needs well under a second; nested emulation of KVM that is slower than TCG is of no use.
const DEADLINE_MS = 2_000;

let known: Promise<Accelerator> | undefined;

/** `kvm` when it works well, else `qemu`; $WOCLOUD_ACCEL overrides. Found out once per process. */
export function accelerator(): Promise<Accelerator> {
  const wanted = process.env['WOCLOUD_ACCEL'];
  if (wanted === 'kvm' || wanted === 'qemu') return Promise.resolve(wanted);
  known ??= probe();
  return known;
}

async function probe(): Promise<Accelerator> {
  const dir = await mkdtemp(join(tmpdir(), 'wocloud-kvm-'));
  try {
    const disk = join(dir, 'boot.img');
    const sector = Buffer.alloc(512);
    BOOT_CODE.copy(sector);
    sector.writeUInt16BE(0x55aa, 510);
    await writeFile(disk, sector);
    const machine =
      '-accel kvm -cpu host -m 32 -display none -nodefaults -device isa-debug-exit,iobase=0xf4,iosize=4';
    await program(['qemu-system-x86_64', ...machine.split(' '), '-drive', `file=${disk},format=raw`], {
      timeoutMs: DEADLINE_MS,
    });
    return 'qemu'; // a normal exit: the code never ran
  } catch (error) {
    return error instanceof ProgramError && error.status === PROVEN ? 'kvm' : 'qemu';
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
