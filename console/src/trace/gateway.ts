// The step of a trace that is a gateway: how traffic is sent there, what becomes of it while none works, and why none
// may see it. The platform says the latter in its English sentence alone.
import type { ResponseOf } from '@wocloud/protocol/api.ts';
import type { FailureMode, InsertionMode } from '@wocloud/protocol/resources/insertion.ts';

export type Step = ResponseOf<'trace.create'>['steps'][number];

export const isGateway = (step: Step) => step.where === 'gateway';

const OBSTACLES = [
  ['host', /the host itself is an end/],
  ['routed', /routed beyond the host/],
  ['mac', /same MAC address/],
] as const;

export interface GatewayStep {
  mode: InsertionMode;
  /** Null for a copy, which fails nobody, and where it is not said. */
  failure: FailureMode | null;
  obstacle: (typeof OBSTACLES)[number][0] | null;
}

export function readGateway({ action, why }: Pick<Step, 'action' | 'why'>): GatewayStep {
  const mode = action === 'mirror' ? 'mirror' : 'inline';
  const failure = /it is dropped/.test(why) ? 'closed' : /passes uninspected/.test(why) ? 'open' : null;
  return {
    mode,
    failure: mode === 'mirror' ? null : failure,
    obstacle: OBSTACLES.find(([, said]) => said.test(why))?.[0] ?? null,
  };
}

/** An insertion's id taken apart: `tenant/name`, `-/name`; null for a rule's. */
export function readInsertion(id: string): { tenant: string | null; name: string } | null {
  const [tenant, name, ...rest] = id.split('/');
  if (!tenant || !name || rest.length > 0) return null;
  return { tenant: tenant === '-' ? null : tenant, name };
}
