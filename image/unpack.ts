/** Debian packages unpacked into a folder, not configured: no maintainer script runs, no mount is needed. */
import { aptSources, SUITE } from './debian.ts';
import { downloadKernel } from './initramfs.ts';
import { program } from './program.ts';

export interface UnpackOptions {
  readonly root: string;
  /** With what they depend on; `name/suite` for one of another suite. */
  readonly packages: readonly string[];
  /** Also fetches the kernel that this metapackage names, to `kernel.deb` in `work`. */
  readonly kernel?: { readonly metapackage: string; readonly work: string };
  readonly backports?: boolean;
  /** What apt complains of. */
  readonly progress: (line: string) => void;
}

/** Throws ProgramError when a package cannot be had. */
export async function unpackPackages(options: UnpackOptions): Promise<void> {
  const { root, packages, kernel, backports = false, progress } = options;
  await program(
    [
      'mmdebstrap',
      '--mode=root',
      '--variant=extract',
      '--skip=chroot/mount',
      `--include=${packages.join(',')}`,
      ...(kernel ? [`--extract-hook=${downloadKernel(kernel.metapackage)}`] : []),
      SUITE,
      root,
      '-',
    ],
    {
      input: await aptSources({ backports }),
      ...(kernel ? { env: { WOCLOUD_WORK: kernel.work } } : {}),
      onLine: (line) => line.startsWith('E:') && progress(line),
    },
  );
}
