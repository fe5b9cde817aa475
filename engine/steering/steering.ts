// Gateways as they are wanted → instances on this host, and traffic to those that work: one loop that takes no input,
// signalled by every change and periodic. What it decides is in instances.ts; here it is carried out.
import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import type { DesiredState } from '@wocloud/protocol/desired.ts';
import type { Placement } from '../filter/placement.ts';
import type { Notice } from '../health/facts.ts';
import { decide, type Decision, type Problem } from './instances.ts';
import { Kept } from './kept.ts';
import type { Member } from './member.ts';
import type { Prober } from './prober.ts';
import { Roster, type RosterOptions, type Rules } from './roster.ts';

/** Between rounds without a signal: what is due by time alone, and what ended without anyone saying so. */
const LOOK_MS = 1_000;

export interface SteeringOptions extends Omit<RosterOptions, 'kept' | 'probes' | 'mtu'> {
  /** The state directory. */
  dir: string;
  desired: () => DesiredState;
  prober: Prober;
  /** Largest frames of the networks on these bridges. */
  mtu: (bridges: readonly string[]) => number;
  drainMs: number;
}

export type SteeringEvents = {
  /** Connections are shared out anew: rules have to follow. */
  buckets: [];
  /** Something a person would want to know has changed. */
  changed: [];
};

export class Steering extends EventEmitter<SteeringEvents> {
  readonly roster: Roster;
  readonly #o: SteeringOptions;
  readonly #kept: Kept;
  readonly #timer: NodeJS.Timeout;
  readonly #counters = { 'steering.rounds': 0, 'steering.bucketsMoved': 0 };
  /** What the enforcer has in the kernel; undefined before its first round. */
  #stands: { buckets: readonly number[]; leadsTo: (number: number) => boolean } | undefined;
  #retiring: ReadonlySet<number> = new Set();
  #problems: ReadonlyMap<string, Problem> = new Map();
  #soon: NodeJS.Immediate | undefined;
  #isReady = false;
  #stopped = false;

  constructor(options: SteeringOptions) {
    super();
    const { dir, desired, prober, mtu, log } = options;
    this.#o = options;
    this.#kept = new Kept(join(dir, 'steering.json'));
    this.roster = new Roster({
      ...options,
      kept: this.#kept,
      probes: (number) => prober.state(number),
      mtu: () => mtu(desired().networks.map(({ bridge }) => bridge)),
    });
    this.roster.on('added', (member) => this.#place(member));
    this.roster.on('changed', () => {
      this.#again();
      this.emit('changed');
    });
    prober.on('state', (state) => {
      const member = this.roster.get(state.number);
      if (!member) return;
      member.probed(state, performance.now());
      if (state.lifted !== null)
        log.warn(
          { gateway: member.id, after: Math.round(state.lifted), why: state.lapse },
          'a gateway does not pass its probes: nothing is sent to it any more',
        );
      this.signal();
      this.emit('changed');
    });
    // What was alive before us is known by then.
    void prober.ready.then(() => {
      this.#isReady = true;
      return this.#again();
    });
    this.#timer = setInterval(() => this.#again(), LOOK_MS);
  }

  get counters(): Readonly<Record<string, number>> {
    return { ...this.#counters, ...this.roster.counters };
  }
  isRetiring(member: Member): boolean {
    return this.#retiring.has(member.identity.number);
  }
  /** Instance number by sixteenth of the connections; the same array as long as nothing moves. */
  get buckets(): readonly number[] {
    return this.#kept.buckets;
  }
  /** Shares that go to no gateway that takes them, by the rules that stand. */
  get uncovered(): number {
    const buckets = this.#stands?.buckets ?? this.buckets;
    return buckets.filter((number) => this.roster.get(number)?.alive !== true).length;
  }

  /** The enforcer has done a round: this stands in the kernel. */
  placed({ state, gateways, buckets }: Pick<Placement, 'state' | 'gateways' | 'buckets'>): void {
    // Without an enforced NIC nothing of ours is there, and nothing has to lead anywhere.
    const isSteering = state.nics.length > 0;
    this.#stands = isSteering
      ? { buckets, leadsTo: (number) => gateways.has(number) }
      : { buckets: [], leadsTo: () => true };
    for (const member of this.roster.members) this.#place(member);
    const ports = isSteering ? [...gateways] : [];
    this.#o.prober.placed(ports.map(([number, { a, b }]) => ({ number, a: a.index, b: b.index })));
    this.#again();
  }

  /** The rules all gateways are to have; null for none. */
  setRules(rules: Rules | null): void {
    this.roster.setRules(rules);
  }

  /** Something may have changed; what runs on the host, too. */
  signal(): void {
    if (this.#stopped) return;
    this.roster.look(true);
    this.#again();
  }

  /** What stands in the way of gateways that are wanted. */
  notices(): Notice[] {
    const { gateways, insertions, chains } = this.#o.desired();
    const list: Notice[] = [...this.#problems].map(([gateway, { message, action }]) => ({
      code: 'gateway.instances',
      message: `Gateway ${gateway} has fewer instances on this host than it should: ${message}`,
      action,
    }));
    const inspects = chains.some(({ rules }) => rules.some((r) => r.action === 'inspect' && !r.staged));
    if (gateways.length === 0 && (insertions.length > 0 || inspects))
      list.push({
        code: 'gateway.missing',
        message:
          'Traffic of VMs on this host is to be inspected, but no Gateway is wanted here: what fails open passes uninspected, what fails closed is dropped',
        action: 'Publish a Gateway document whose host is this one.',
      });
    return list;
  }

  /** Ends the loop. Instances go on, and so does what the kernel sends them. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    clearImmediate(this.#soon);
    await this.roster.close();
  }

  #again(): void {
    if (this.#stopped || !this.#isReady) return;
    this.#soon ??= setImmediate(() => {
      this.#soon = undefined;
      this.roster.look();
      this.#round();
    });
  }

  /** Waits for nothing: that shares move away from what failed must not depend on how quick libvirt is. */
  #round(): void {
    const { roster } = this;
    // Before it is known what runs, nothing may be concluded from its absence.
    if (!roster.isKnown) return;
    this.#counters['steering.rounds']++;
    const { desired, prober, drainMs } = this.#o;
    const { generation, gateways, rules } = desired();
    prober.watch(roster.members.map(({ identity }) => identity.number));
    // Nothing has been asked for yet: that is not to say that nothing is wanted.
    if (generation === 0) return;
    const decision = decide({
      desired: gateways,
      images: roster.images,
      rules: rules[0]?.digest ?? '',
      instances: roster.members.map((member) => member.asInstance()),
      buckets: this.buckets,
      waits: roster.waits,
      drainMs,
      now: performance.now(),
    });
    this.#take(decision);
    // Shares move before anything ends.
    this.#move(decision.buckets);
    for (const { number, why } of decision.stop) roster.stop(number, why);
    for (const spec of decision.start) roster.start(spec);
  }

  #take({ retiring, problems }: Decision): void {
    const before = JSON.stringify([[...this.#retiring], [...this.#problems]]);
    this.#retiring = retiring;
    this.#problems = problems;
    for (const member of this.roster.members)
      if (this.isRetiring(member) && member.idleSince !== null) member.drain();
    if (before !== JSON.stringify([[...retiring], [...problems]])) this.emit('changed');
  }

  #move(buckets: readonly number[]): void {
    const old = this.buckets;
    if (buckets === old) return;
    this.#counters['steering.bucketsMoved'] += buckets.filter((number, i) => number !== old[i]).length;
    this.#kept.setBuckets(buckets);
    this.#o.log.info({ buckets: buckets.join(' ') }, 'shares of the connections have moved');
    this.emit('buckets');
  }

  /** Notes what the rules that stand mean for it. */
  #place(member: Member): void {
    if (!this.#stands) return;
    const { number } = member.identity;
    member.placed = this.#stands.leadsTo(number);
    member.idleSince = this.#stands.buckets.includes(number) ? null : (member.idleSince ?? performance.now());
  }
}
