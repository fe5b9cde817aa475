// What the platform is told of an instance, in words a person understands. Pure.
import type { GatewayReport } from '@wocloud/protocol/reports.ts';
import { isServing } from './instances.ts';
import type { Member } from './member.ts';
import type { ProbeStatus } from './probing.ts';

export interface Surroundings {
  /** Digest of the rules all should have. */
  rules: string;
  isRetiring: boolean;
  /** Shares of sixteen that no gateway takes now, by the rules that stand. */
  uncovered: number;
  /** Some of the traffic must not pass uninspected. */
  hasClosed: boolean;
}

type State = Pick<GatewayReport, 'state' | 'reason'>;

export function stateOf(member: Member, surroundings: Surroundings): State {
  const { rules, isRetiring } = surroundings;
  if (member.failure !== '') return { state: 'failed', reason: `${member.failure}${cost(surroundings)}` };
  if (member.state === 'starting') return { state: 'starting', reason: 'it is being started' };
  if (member.state === 'ended')
    return { state: 'failed', reason: `it has ended by itself${cost(surroundings)}` };
  if (member.state === 'stopping') return { state: 'draining', reason: 'it is being stopped' };
  if (isRetiring) return { state: 'draining', reason: 'its connections have been moved; it will be stopped' };
  if (!member.passing) return notPassing(member, surroundings);
  if (!isServing(member.asInstance(), rules)) return withoutRules(member, surroundings);
  if (member.silent)
    return { state: 'degraded', reason: 'traffic passes through it, but its daemon does not speak' };
  if (member.isRenewed)
    return {
      state: 'degraded',
      reason: 'its daemon ended and was started anew; traffic passed meanwhile, records of it may be missing',
    };
  return { state: 'working', reason: '' };
}

function notPassing(member: Member, surroundings: Surroundings): State {
  if (!member.hasPassed) return { state: 'starting', reason: 'no probe has come through yet' };
  const why =
    member.lapse === 'device'
      ? 'its network devices are gone or down'
      : 'probes do not come out of it: it hangs, or is overloaded';
  return { state: 'failed', reason: `${why}${cost(surroundings)}` };
}

function withoutRules(member: Member, surroundings: Surroundings): State {
  if (member.refused !== '')
    return {
      state: 'failed',
      reason: `it has no rules, because Suricata refused them${cost(surroundings)}`,
    };
  const reason = member.silent
    ? 'its daemon does not speak, so it cannot get its rules'
    : 'it has no rules yet';
  return member.silent
    ? { state: 'failed', reason: reason + cost(surroundings) }
    : { state: 'starting', reason };
}

function cost({ uncovered, hasClosed }: Surroundings): string {
  if (uncovered === 0) return '; the other gateways have taken over';
  const share =
    uncovered === 16 ? 'nothing is inspected now' : `${uncovered} of 16 shares are not inspected now`;
  return `; ${share}: ${hasClosed ? 'what is to fail closed is dropped, the rest passes' : 'all passes'}`;
}

export function reportOf(
  member: Member,
  { state, reason }: State,
  since: number,
  probes: ProbeStatus | undefined,
): GatewayReport {
  const { identity, health, hello } = member;
  return {
    id: member.id,
    gateway: identity.gateway,
    form: identity.form,
    state,
    reason: reason.slice(0, 500),
    since,
    image: identity.image,
    suricata: hello?.suricata ?? '',
    rules: member.rules ?? '',
    loaded: health?.loaded ?? 0,
    refused: health?.refused ?? 0,
    rulesError: member.rulesError.slice(0, 8_000),
    latencyMicros: probes?.latency ?? null,
    residentKiB: health?.residentKiB ?? 0,
    counters: {
      probes: probes?.sent ?? 0,
      probesLost: probes?.lost ?? 0,
      ...(health && {
        packets: health.packets,
        dropped: health.dropped,
        restarts: health.restarts,
        lost: health.lost,
        cut: health.cut,
        freeKiB: health.freeKiB,
      }),
    },
  };
}

/** What a person would call a change: not the counters, which always do. */
export const signature = ({
  id,
  state,
  reason,
  image,
  suricata,
  rules,
  loaded,
  refused,
  rulesError,
}: GatewayReport): string =>
  JSON.stringify([id, state, reason, image, suricata, rules, loaded, refused, rulesError]);
