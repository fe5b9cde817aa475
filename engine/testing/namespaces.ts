// Runs a test file as a process that lies in network and mount namespaces from its first instruction: all its threads,
// those of libnftables among them, see only the test's own host. The machine's own firewall is out of reach.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';

const INSIDE = 'WOCLOUD_TEST_NAMESPACES';
const SETUP = `mount --make-rprivate / && mount -t sysfs sysfs /sys && mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns &&
  ip link set lo up && exec "$0" "$@"`;

/** True in the process that runInside has started. Throws when it is not where it should be. */
export function isInside(): boolean {
  const outside = process.env[INSIDE];
  if (outside === undefined) return false;
  if (readlinkSync('/proc/self/ns/net') === outside)
    throw new Error('this is the network namespace of the machine itself');
  return true;
}

/** Runs the file inside and passes on what it prints; throws when a test of it fails. Needs root. */
export async function runInside(file: string): Promise<void> {
  const env: NodeJS.ProcessEnv = { ...process.env, [INSIDE]: readlinkSync('/proc/self/ns/net') };
  // The inner run is one of its own, not part of the outer one's protocol.
  delete env['NODE_TEST_CONTEXT'];
  const child = spawn(
    'unshare',
    [
      '--mount',
      '--net',
      '--kill-child',
      '--fork',
      'sh',
      '-c',
      SETUP,
      process.execPath,
      '--test-reporter=spec',
      file,
    ],
    { env, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let output = '';
  child.stdout.on('data', (part: Buffer) => (output += part.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  process.stderr.write(output);
  if (code !== 0) throw new Error(`${file}: failed inside (${code})\n${output}`);
}
