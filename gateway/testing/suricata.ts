// The image's own Suricata for tests: the machine need not have one. It sees the network namespace it is started in, the
// machine's /tmp, and of the rest the image alone.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** @param image folder of a gateway image; `dir` gets a program that is to be run as root. */
export function imageSuricata(image: string, dir: string): string {
  const path = join(dir, 'suricata');
  writeFileSync(
    path,
    `#!/bin/sh
exec unshare --mount --propagation private sh -c '
  root=$1; shift
  mount --rbind /tmp "$root/tmp" && mount --bind /proc "$root/proc" && exec chroot "$root" /usr/bin/suricata "$@"
' sh ${JSON.stringify(join(image, 'root'))} "$@"
`,
    { mode: 0o700 },
  );
  return path;
}
