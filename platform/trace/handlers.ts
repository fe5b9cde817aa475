// What would happen to a packet, and why: the reference semantics asked about what is in force now.
import type { Static } from 'typebox';
import type { Trace, TraceStep } from '@wocloud/protocol/views.ts';
import { decide, type Decision, type Packet } from '@wocloud/policy/decide.ts';
import { PolicyError } from '@wocloud/policy/errors.ts';
import type { Inspection } from '@wocloud/policy/inspection.ts';
import type { World } from '@wocloud/policy/model.ts';
import { ServiceIndex } from '@wocloud/policy/rules.ts';
import { PlatformError } from '../errors.ts';
import { ruleIsVisible } from '../flows/visible.ts';
import type { Handlers, Scope } from '../handler.ts';
import type { Plans } from '../plan/plans.ts';
import { visible, type Directory } from '../vms/directory.ts';
import { choosePair, endsNamed, type Attachment, type Sight } from './ends.ts';

type Step = Static<typeof TraceStep>;
type Answer = Static<typeof Trace>;

export function traceHandlers(
  plans: Pick<Plans, 'world' | 'settled'>,
  directory: () => Pick<Directory, 'vm' | 'hosts' | 'hostName'>,
): Pick<Handlers, 'trace.create'> {
  return {
    async 'trace.create'({ body, caller: { scope }, audit }) {
      audit.object = `trace/${body.src}/${body.dst}/${body.service}`;
      await plans.settled();
      const world = plans.world();
      const known = directory();
      const sight: Sight = {
        mine: (vm) => visible(scope, vm),
        host: (name) =>
          scope.all ? [...known.hosts()].find((h) => h.id === name || h.name === name)?.id : undefined,
      };
      const [src, dst] = choosePair(
        endsNamed(world, sight, body.src, body.network),
        endsNamed(world, sight, body.dst, body.network),
      );
      if (!src.vm && !dst.vm)
        throw new PlatformError(
          'bad-request',
          'Neither end is a VM of yours: name at least one by name, id or address.',
        );
      const unguarded = [src, dst].find((end) => end.vm && !end.nic);
      if (unguarded?.vm) return unprotected(unguarded.vm.name);
      const tenant = src.vm?.tenant ?? dst.vm?.tenant ?? undefined;
      let decision: Decision;
      try {
        decision = decide(world, packetOf(world, src, dst, body.service, tenant));
      } catch (error) {
        if (!(error instanceof PolicyError)) throw error;
        throw new PlatformError('bad-request', `${error.message}${error.hint ? `; ${error.hint}` : ''}.`, {
          cause: error,
        });
      }
      return answerOf(world, decision, scope, known);
    },
  };
}

const unprotected = (name: string): Answer => ({
  verdict: 'unprotected',
  rule: '',
  policy: null,
  why: `${name} has no NIC that can be guarded: what it sends and receives passes unseen.`,
  steps: [],
  staged: null,
});

/** Ephemeral port: what a client's first packet comes from. */
const SOURCE_PORT = 40_000;

function packetOf(
  world: World,
  src: Attachment,
  dst: Attachment,
  service: string,
  tenant: string | undefined,
): Packet {
  const [first] = new ServiceIndex(world.documents.services).resolve(service, tenant);
  const protocol = first?.protocol;
  if (first === undefined || protocol === null || protocol === undefined)
    throw new PlatformError(
      'bad-request',
      `"${service}" is no single kind of packet; name one, such as tcp/443 or icmp/8.`,
    );
  const onHostOf = ({ end }: Attachment, other: Attachment) =>
    'host' in end && end.host === '' ? { ...end, host: other.vm?.host ?? '' } : end;
  return {
    source: onHostOf(src, dst),
    destination: onHostOf(dst, src),
    protocol,
    sourcePort: SOURCE_PORT,
    port: first.ports?.[0]?.[0] ?? 0,
    icmpType: first.icmpTypes?.[0] ?? (protocol === 1 ? 8 : protocol === 58 ? 128 : 0),
  };
}

function answerOf(
  world: World,
  decision: Decision,
  scope: Scope,
  known: Pick<Directory, 'vm' | 'hostName'>,
): Answer {
  const tiers = new Map(
    world.documents.policies.map((p) => [`${p.metadata.tenant ?? '-'}/${p.metadata.name}`, p.spec.tier]),
  );
  const hidden = (rule: string) => (ruleIsVisible(scope, rule) ? rule : '');
  const policyOf = (rule: string): string | null =>
    rule === '' || rule.startsWith('default/') ? null : rule.split('/').slice(0, 2).join('/');
  const steps: Step[] = [];
  for (const side of decision.steps) {
    const vm = known.vm(side.vm);
    if (!vm || !visible(scope, vm)) continue;
    const base = {
      where: scope.all ? (known.hostName(side.host) ?? side.host) : vm.name,
      direction: side.side,
      vm: vm.name,
    };
    const matched = side.rules.filter((r) => r.matched);
    for (const { rule, action, staged } of matched) {
      const policy = policyOf(hidden(rule));
      const earlier = side.rules.findIndex((r) => r.rule === rule && r.matched);
      steps.push({
        ...base,
        rule: hidden(rule),
        policy,
        tier: (policy && tiers.get(policy)) ?? null,
        action,
        staged,
        why: [
          rule.startsWith('default/')
            ? `no rule matched, so the default "${rule.slice(8)}" holds`
            : `first to match of ${earlier + 1} asked`,
          ...(staged ? ['staged: decides nothing'] : []),
          ...(side.note ? [side.note] : []),
        ].join('; '),
      });
    }
    if (matched.length === 0)
      steps.push({
        ...base,
        rule: '',
        policy: null,
        tier: null,
        action: 'allow',
        staged: false,
        why: side.note,
      });
  }
  if (decision.inspection) steps.push(inspectionStep(decision.inspection, hidden, policyOf, tiers));
  const decider = decision.ruleIn || decision.ruleOut;
  const rule = hidden(decider);
  const policy = policyOf(rule);
  return {
    verdict: decision.verdict,
    rule,
    policy,
    why: reason(decision, decider, rule, hidden),
    steps,
    staged:
      decision.stagedVerdict === 'none'
        ? null
        : { verdict: decision.stagedVerdict, rule: hidden(decision.stagedRule) },
  };
}

const OBSTACLES: Record<NonNullable<Inspection['obstacle']>, string> = {
  host: 'the host itself is an end',
  routed: 'it is routed beyond the host',
  mac: 'two NICs of the host have the same MAC address',
};
/** Nothing sees it, and unseen it must not pass. */
const isRefused = ({ mode, failure, obstacle }: Inspection): boolean =>
  obstacle !== null && mode === 'inline' && failure === 'closed';

/** The way through (or past) the gateway, after both ends have let it pass. */
function inspectionStep(
  inspection: Inspection,
  hidden: (rule: string) => string,
  policyOf: (rule: string) => string | null,
  tiers: ReadonlyMap<string, string>,
): Step {
  const { mode, failure, by, obstacle } = inspection;
  const rule = hidden(by);
  // An insertion is named by its tenant and name, a rule by that of its policy as well.
  const policy = rule.split('/').length > 2 ? policyOf(rule) : null;
  const without = failure === 'closed' ? 'it is dropped' : 'it passes uninspected';
  const why = obstacle
    ? `no gateway can see it, because ${OBSTACLES[obstacle]}; ${mode === 'mirror' ? 'it passes' : without}`
    : mode === 'mirror'
      ? 'the gateway gets a copy'
      : `it passes through the gateway; while none works, ${without}`;
  return {
    where: 'gateway',
    direction: 'in',
    vm: null,
    rule,
    policy,
    tier: (policy && tiers.get(policy)) ?? null,
    action: isRefused(inspection) ? 'drop' : mode === 'mirror' ? 'mirror' : 'inspect',
    staged: false,
    why: rule === '' ? `${why}; as the other end wants it` : why,
  };
}

function reason(
  { verdict, src, dst, steps, inspection }: Decision,
  decider: string,
  rule: string,
  hidden: (rule: string) => string,
): string {
  const between = `${src} to ${dst}`;
  if (inspection?.obstacle && isRefused(inspection)) {
    const whose = hidden(inspection.by) || 'the other end';
    return `${between}: dropped, because ${whose} wants it inspected or not at all, and no gateway can see it: ${OBSTACLES[inspection.obstacle]}.`;
  }
  if (verdict === 'observed') return `${between}: neither end is enforced; it passes and is seen.`;
  if (decider === '') return `${between}: ${steps.find((s) => s.note)?.note ?? 'nothing refuses it'}.`;
  if (rule === '') return `${between}: ${verdict} at the other end, by a rule that is not yours.`;
  return rule.startsWith('default/')
    ? `${between}: ${verdict}, because no rule matches and the default "${rule.slice(8)}" says so.`
    : `${between}: ${verdict} by ${rule}, the first rule that matches.`;
}
