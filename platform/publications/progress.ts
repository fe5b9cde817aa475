// How far a publication is: per host from its receipts, and the one word for all of them. Pure.
import type { HostProgress, Publication } from '@wocloud/protocol/views.ts';
import type { Static } from 'typebox';

export type Progress = Static<typeof HostProgress>;

export interface HostFact {
  host: string;
  name: string;
  /** The first generation that holds the publication. */
  generation: number;
  /** What the host has proven. */
  applied: number;
  live: boolean;
  /** Its newest receipt for that generation or a later one. */
  receipt: { result: 'applied' | 'failed'; took: number; error: string; at: number } | null;
}

export function progressOf(fact: HostFact): Progress {
  const { host, name, generation, receipt } = fact;
  const applied = fact.applied >= generation;
  const state = applied
    ? 'applied'
    : receipt?.result === 'failed'
      ? 'failed'
      : fact.live
        ? 'pending'
        : 'offline';
  return {
    host,
    name,
    generation,
    state,
    took: applied && receipt?.result === 'applied' ? receipt.took : null,
    error: state === 'failed' ? (receipt?.error ?? '') : '',
    at:
      receipt && (state === 'applied' || state === 'failed')
        ? new Date(receipt.at / 1000).toISOString()
        : null,
  };
}

/** `planned`: it is known which generations to wait for. */
export function stateOf(planned: boolean, hosts: readonly Pick<Progress, 'state'>[]): Publication['state'] {
  const some = (state: Progress['state']) => hosts.some((h) => h.state === state);
  if (!planned || some('pending')) return 'publishing';
  if (!some('failed') && !some('offline')) return 'published';
  return some('failed') && !some('applied') && !some('offline') ? 'failed' : 'partial';
}
