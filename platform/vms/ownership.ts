// Which host a VM is on when two say they have it. A host speaks for what it runs and for nothing else: it takes
// a VM over only from a host that has let go of it.
import type { ObservedVm } from '@wocloud/protocol/reports.ts';

/** How long after a VM stopped on one host its start on another is a move (a migration) and not a claim. */
export const MOVE_SECONDS = 60;

export interface Owner {
  host: string;
  /** The host's link is up. */
  live: boolean;
  state: ObservedVm['state'];
  gone: boolean;
  /** Seconds since its state last changed. */
  age: number;
}

/** A vCPU runs or could at once: the VM is really there. */
export const isActive = (state: ObservedVm['state']): boolean =>
  state === 'running' || state === 'blocked' || state === 'paused';

/**
 * `keep`: the reporting host owns it. `take`: it becomes the owner. `seize`: it becomes the owner, from a host that
 * has gone silent, which is worth an alert. `wait`: the report is kept as a claim until the owner lets go.
 */
export function ownership(
  owner: Owner | undefined,
  claim: { host: string; state: ObservedVm['state'] },
): 'keep' | 'take' | 'seize' | 'wait' {
  if (owner?.host === claim.host) return 'keep';
  if (!owner || owner.gone) return 'take';
  // Incoming migrations are paused until the very end: only a running guest has moved.
  const runs = claim.state === 'running' || claim.state === 'blocked';
  if (!runs) return 'wait';
  if (!owner.live) return 'seize';
  if (!isActive(owner.state) && owner.age <= MOVE_SECONDS) return 'take';
  return 'wait';
}
