// Where things live on a machine (design, contracts): one answer for every program, movable with WOCLOUD_HOME.
import { createHash } from 'node:crypto';
import { join } from 'node:path';

export interface Paths {
  /** Data: databases, keys, spools, lab images. */
  home: string;
  /** Sockets and process ids; empty after a reboot. */
  run: string;
  /** *.yaml that people write. */
  config: string;
  log: string;
  /** The platform's link listener for engines on this machine. */
  linkSocket: string;
}

/** @param env - `WOCLOUD_HOME` moves all of them below one directory, for unprivileged development. */
export function paths(env: Record<string, string | undefined> = process.env): Paths {
  const moved = env['WOCLOUD_HOME'];
  const run = moved ? join(moved, 'run') : '/run/wocloud';
  return {
    home: moved ?? '/var/lib/wocloud',
    run,
    config: moved ? join(moved, 'etc') : '/etc/wocloud',
    log: moved ? join(moved, 'log') : '/var/log/wocloud',
    linkSocket: join(run, 'link.sock'),
  };
}

/**
 * The table of live flows of an engine with this state directory: memory that outlives the engine and not the machine,
 * so always on the tmpfs of /run, whatever WOCLOUD_HOME says.
 */
export function liveFlowsFile(state: string): string {
  const name = createHash('sha256').update(state).digest('hex').slice(0, 8);
  return `/run/wocloud/live-flows-${name}`;
}

/** Where a host keeps its gateway images, a directory per version; `WOCLOUD_GATEWAYS` moves them alone. */
export const gatewayImages = (env: Record<string, string | undefined> = process.env): string =>
  env['WOCLOUD_GATEWAYS'] ?? join(paths(env).home, 'gateways');
