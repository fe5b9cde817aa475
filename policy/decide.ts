// The reference semantics: a world, the first packet of a connection → what happens to it, and why. Written to be read,
// from the documents themselves; plan, evaluate and the rendered kernel rules are tested against it.
import type { StagedVerdict } from '@wocloud/protocol/flow.ts';
import type { Action } from '@wocloud/protocol/resources/policy.ts';
import { covers, isGroupAddress, linkLocal, parseAddress, parseCidr } from './cidr.ts';
import { PolicyError } from './errors.ts';
import { essential } from './essential.ts';
import { inspectionOf, type Inspection } from './inspection.ts';
import { nicId, type InventoryNic, type InventoryVm, type World } from './model.ts';
import { matchesServices, type Headers, type Relation } from './packet.ts';
import { ownAddresses } from './resolve.ts';
import { appliesToVm, expandDocuments, tenantDefaults, type Direction, type ExpandedRule } from './rules.ts';
import { inSelection } from './selection.ts';
import { combine, type Judgement, type Match, type Outcome, type Side } from './verdict.ts';

/** A VM's NIC (`<vm uuid>/<mac>`), the KVM host itself, or an address that is no VM's. */
export type End =
  | { nic: string; address?: string }
  | { host: string; address: string }
  | { address: string; routed?: boolean };

export interface Packet {
  source: End;
  destination: End;
  protocol: number;
  sourcePort?: number;
  port?: number;
  icmpType?: number;
}

export interface DecisionStep {
  side: Direction;
  vm: string;
  host: string;
  mode: InventoryVm['mode'];
  /** Policy rules in the order they were asked, the last one being the one that matched. */
  rules: { rule: string; action: Action; staged: boolean; matched: boolean }[];
  note: string;
}

export interface Decision extends Outcome {
  relation: Relation;
  network: string;
  src: string;
  dst: string;
  steps: DecisionStep[];
  /** Whether it goes through a gateway; null when nobody wants that, or it does not pass anyway. */
  inspection: Inspection | null;
}

interface Attached {
  vm: InventoryVm;
  nic: InventoryNic;
}

/** Throws PolicyError `cidr.syntax` for an end that does not exist or has no address of the other's family. */
export function decide(world: World, packet: Packet): Decision {
  const from = attached(world, packet.source);
  const to = attached(world, packet.destination);
  const [src, dst] = addresses(packet, from, to);
  const relation = relationOf(packet, from, to);
  const headers: Headers = {
    protocol: packet.protocol,
    port: packet.port ?? 0,
    icmpType: packet.icmpType ?? 0,
  };
  const steps: DecisionStep[] = [];
  const ask = (end: Attached | null, direction: Direction, peer: string): Side | null => {
    if (!end) return null;
    const { vm } = end;
    const step: DecisionStep = {
      side: direction,
      vm: vm.id,
      host: vm.host,
      mode: vm.mode,
      rules: [],
      note: '',
    };
    steps.push(step);
    const group = isGroupAddress(parseAddress(dst));
    const always = essential(direction, headers, packet.sourcePort ?? 0, group);
    if (always) {
      step.note = `${always} always passes`;
      return { mode: vm.mode, enforced: { rule: '', action: 'allow', log: false }, staged: null };
    }
    if (vm.mode === 'observe') step.note = 'observed: nothing is enforced here';
    if (group && direction === 'in') {
      const action = hearsGroup(world, end, peer) ? 'allow' : 'drop';
      step.note = 'multicast and broadcast stay within the tenant';
      return { mode: vm.mode, enforced: { rule: '', action, log: false }, staged: null };
    }
    return { mode: vm.mode, ...judge(world, end, direction, peer, relation, headers, step) };
  };
  const out = ask(from, 'out', dst);
  const into = ask(to, 'in', src);
  const network = (from ?? to)?.nic.network ?? '';
  const outcome = combine(out, into);
  const inspected = (end: Attached | null, side: Side | null) =>
    end && side && { ...end, rule: side.enforced };
  const inspection =
    outcome.verdict === 'allowed'
      ? inspectionOf(world, {
          relation,
          headers,
          sourcePort: packet.sourcePort ?? 0,
          group: isGroupAddress(parseAddress(dst)),
          from: inspected(from, out),
          to: inspected(to, into),
        })
      : null;
  const decision = { ...outcome, relation, network, src, dst, steps, inspection };
  // No gateway can see it, and uninspected it must not pass.
  return inspection?.obstacle && inspection.mode === 'inline' && inspection.failure === 'closed'
    ? { ...decision, verdict: 'dropped', action: 'drop' }
    : decision;
}

/** One end's rules, first match first. */
function judge(
  world: World,
  { vm, nic }: Attached,
  direction: Direction,
  peer: string,
  relation: Relation,
  headers: Headers,
  step: DecisionStep,
): Judgement {
  const owners = relation === 'network' ? ownersOf(world, nic.network, peer) : [];
  let staged: Match | null = null;
  const note = (rule: string, action: Action, isStaged: boolean, matched: boolean) => {
    step.rules.push({ rule, action, staged: isStaged, matched });
    return matched;
  };
  for (const policy of expandDocuments(world.documents).policies) {
    if (!appliesToVm(policy, vm)) continue;
    for (const rule of policy[direction]) {
      const matched =
        matchesServices(rule.services, headers) && matchesPeers(rule.peers, peer, owners, relation);
      if (!note(rule.id, rule.action, rule.staged, matched)) continue;
      const match: Match = {
        rule: rule.id,
        action: rule.action,
        log: rule.log,
        ...(rule.failure && { failure: rule.failure }),
      };
      if (!rule.staged) return { enforced: match, staged };
      staged ??= match;
    }
  }
  const [name, action] = fallback(world, vm, direction, owners);
  note(`default/${name}`, action, false, true);
  return { enforced: { rule: `default/${name}`, action, log: false }, staged };
}

/**
 * Whether a NIC gets a frame sent to many: from its own tenant, when that is allowed by default and none of its
 * rules refuses anyone anything but TCP. One frame goes to many NICs, so rules are not asked for each.
 */
function hearsGroup(world: World, { vm, nic }: Attached, source: string): boolean {
  const closed = expandDocuments(world.documents).policies.some(
    (policy) =>
      appliesToVm(policy, vm) &&
      policy.in.some(
        ({ staged, action, services, peers }) =>
          !staged &&
          (action === 'drop' || action === 'reject') &&
          (peers.any || peers.host || peers.selections.length > 0 || peers.cidrs.length > 0) &&
          !(services.length > 0 && services.every((service) => service.protocol === 6)),
      ),
  );
  if (closed || tenantDefaults(world.documents.tenants, vm.tenant).within === 'drop') return false;
  return ownersOf(world, nic.network, source).some((owner) => owner.tenant === vm.tenant);
}

function fallback(
  world: World,
  vm: InventoryVm,
  direction: Direction,
  owners: readonly InventoryVm[],
): ['within' | 'between' | 'ingress' | 'egress', 'allow' | 'drop'] {
  const defaults = tenantDefaults(world.documents.tenants, vm.tenant);
  if (owners.some((owner) => owner.tenant === vm.tenant)) return ['within', defaults.within];
  if (owners.length > 0) return ['between', 'drop'];
  return direction === 'in' ? ['ingress', defaults.ingress] : ['egress', defaults.egress];
}

function matchesPeers(
  peers: ExpandedRule['peers'],
  peer: string,
  owners: readonly InventoryVm[],
  relation: Relation,
): boolean {
  if (peers.any || (peers.host && relation === 'host')) return true;
  const address = parseAddress(peer);
  if (peers.cidrs.some((cidr) => covers(parseCidr(cidr), address))) return true;
  return peers.selections.some((selection) => owners.some((owner) => inSelection(selection, owner)));
}

/** VMs that may use an address on a network: normally one, none for an outsider. */
function ownersOf(world: World, network: string, text: string): InventoryVm[] {
  const address = parseAddress(text);
  const owns = (nic: InventoryNic) =>
    nic.network === network &&
    ownAddresses([...nic.addresses, linkLocal(nic.mac)]).some((own) => covers(own, address));
  return world.vms.filter((vm) => vm.nics.some(owns));
}

function attached(world: World, end: End): Attached | null {
  if (!('nic' in end)) return null;
  for (const vm of world.vms)
    for (const nic of vm.nics) if (nicId(vm.id, nic.mac) === end.nic) return { vm, nic };
  throw new PolicyError('cidr.syntax', `no NIC ${end.nic}`);
}

function relationOf(packet: Packet, from: Attached | null, to: Attached | null): Relation {
  if ('host' in packet.source || 'host' in packet.destination) return 'host';
  if (from && to) return from.nic.network === to.nic.network ? 'network' : 'routed';
  const outside = from ? packet.destination : packet.source;
  return 'routed' in outside && outside.routed ? 'routed' : 'network';
}

/** The packet's two addresses; a NIC without a given one uses its first of the family the other end speaks. */
function addresses(packet: Packet, from: Attached | null, to: Attached | null): [string, string] {
  const given = (end: End) => (end.address === undefined ? null : parseAddress(end.address));
  const [a, b] = [given(packet.source), given(packet.destination)];
  const own = (end: Attached | null) =>
    end
      ? ownAddresses([...end.nic.addresses, linkLocal(end.nic.mac)]).filter((p) => !p.text.includes('/'))
      : [];
  const sources = a ? [a] : own(from);
  const targets = b ? [b] : own(to);
  for (const source of sources) {
    const target = targets.find((t) => t.family === source.family);
    if (target) return [source.text, target.text];
  }
  throw new PolicyError('cidr.syntax', 'the two ends have no addresses of one family', {
    hint: 'give the addresses',
  });
}

export type { Outcome, StagedVerdict };
