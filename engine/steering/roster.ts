// The gateway instances of this host: found when they were here before, started and ended as told, each with its
// channel. What takes long goes on beside whatever else there is to do.
import { EventEmitter } from 'node:events';
import type { Logger } from 'pino';
import type { EveLines } from '../channels/gateway-channel.ts';
import type { InstanceSpec, Runner, RunningInstance } from '../gateways/runner.ts';
import { Backoff, type Wait } from './backoff.ts';
import type { StopReason } from './instances.ts';
import type { Kept } from './kept.ts';
import { Member, type Channel } from './member.ts';
import type { ProbeState } from './probing.ts';

const LIST_EVERY_MS = 5_000;
const STOP_AGAIN_MS = 5_000;

/** A text of rules under its digest. */
export interface Rules {
  digest: string;
  text: string;
}

export interface RosterOptions {
  kept: Kept;
  runner: Runner;
  /** Versions of the gateway image on this host, newest first. */
  images: () => Promise<readonly string[]>;
  open: (path: string) => Channel;
  /** The largest frames an instance is to take. */
  mtu: () => number;
  eve: (gateway: string, lines: EveLines, clockOffset: number) => void;
  /** What is known of its probes. */
  probes: (number: number) => ProbeState | undefined;
  log: Logger;
}

export type RosterEvents = {
  /** Something of a member, or who is one, has changed. */
  changed: [];
  added: [Member];
  gone: [Member];
  /** Told at once: in a moment it may be taken away, and another started in its place. */
  failed: [Member];
  /** A gateway refused its rules, with Suricata's words. */
  refused: [Member, string];
};

export class Roster extends EventEmitter<RosterEvents> {
  readonly counters = {
    'steering.started': 0,
    'steering.stopped': 0,
    'steering.failed': 0,
    'steering.listFailures': 0,
  };
  readonly #o: RosterOptions;
  readonly #members = new Map<number, Member>();
  readonly #backoff = new Backoff();
  readonly #working = new Set<Promise<void>>();
  /** When an instance was last taken away, by number: an older answer of the runner still knows it. */
  readonly #removedAt = new Map<number, number>();
  #images: readonly string[] = [];
  /** Undefined while it is not known which. */
  #rules: Rules | null | undefined;
  #isKnown = false;
  #isBlind = false;
  #listing: Promise<void> | undefined;
  #listedAt = -Infinity;

  constructor(options: RosterOptions) {
    super();
    this.#o = options;
  }

  get members(): readonly Member[] {
    return [...this.#members.values()];
  }
  get(number: number): Member | undefined {
    return this.#members.get(number);
  }
  /** It is known what runs on this host. */
  get isKnown(): boolean {
    return this.#isKnown;
  }
  get images(): readonly string[] {
    return this.#images;
  }
  /** By gateway: not before then is one more to be started. */
  get waits(): ReadonlyMap<string, Wait> {
    return this.#backoff.waits();
  }

  /** The rules all gateways are to have; null for none. */
  setRules(rules: Rules | null): void {
    this.#rules = rules;
    for (const { channel } of this.#members.values()) if (channel) this.#tellRules(channel);
  }

  /** Asks the runner what is here, when it was not asked lately; `anew`: in any case. */
  look(anew = false): void {
    if (anew) this.#listedAt = -Infinity;
    if (this.#listing || performance.now() - this.#listedAt < LIST_EVERY_MS) return;
    this.#listing = this.#look().finally(() => (this.#listing = undefined));
  }

  start(spec: InstanceSpec): void {
    const { gateway, number, form, image, vcpus, memoryMiB } = spec;
    this.#o.kept.setSize(number, { gateway, image, vcpus, memoryMiB });
    const identity = { number, gateway, form, image, vcpus, memoryMiB };
    const member = new Member(identity, 'starting', performance.now(), false);
    this.#add(member, undefined);
    this.#work(this.#start(member, spec));
  }

  stop(number: number, why: StopReason): void {
    const member = this.#members.get(number);
    if (!member || performance.now() < member.stopAgainAt) return;
    if (why === 'failed' && member.state !== 'ended') this.#fail(member, 'it did not pass its probes');
    this.#work(this.#stop(member, why));
    this.emit('changed');
  }

  /** Resolves when nothing is under way. Instances go on; their channels are let go. */
  async close(): Promise<void> {
    await this.#listing;
    await Promise.all(this.#working);
    for (const { channel } of this.#members.values()) channel?.stop();
  }

  /** While the runner cannot say what is there (libvirt is away), what was known goes on being so. */
  async #look(): Promise<void> {
    const asked = performance.now();
    this.#listedAt = asked;
    try {
      const [running, images] = await Promise.all([this.#o.runner.list(), this.#o.images()]);
      this.#take(running, asked);
      const isNews = !this.#isKnown || images.join() !== this.#images.join();
      this.#images = images;
      this.#isKnown = true;
      this.#isBlind = false;
      if (isNews) this.emit('changed');
    } catch (error) {
      this.counters['steering.listFailures']++;
      if (!this.#isBlind) this.#o.log.warn({ err: error }, 'it is not known which gateways run');
      this.#isBlind = true;
    }
  }

  #take(running: readonly RunningInstance[], asked: number): void {
    for (const instance of running) {
      const member = this.#members.get(instance.number);
      if (!member) {
        if ((this.#removedAt.get(instance.number) ?? -Infinity) < asked) this.#adopt(instance);
      } else if (member.state === 'up' && member.upSince < asked && !instance.alive) {
        member.state = 'ended';
        this.#fail(member, 'it has ended by itself');
        this.emit('changed');
      }
    }
    const numbers = new Set(running.map(({ number }) => number));
    for (const member of this.members) {
      const { identity, upSince, state } = member;
      // The runner is at it, or it came up after the question was asked.
      if (numbers.has(identity.number) || upSince >= asked || (state !== 'up' && state !== 'ended')) continue;
      this.#fail(member, 'it is not there any more');
      this.#remove(member);
    }
  }

  #adopt({ number, gateway, form, image, channel, alive }: RunningInstance): void {
    const { vcpus = null, memoryMiB = null } = this.#o.kept.size({ number, gateway, image }) ?? {};
    const identity = { number, gateway, form, image, vcpus, memoryMiB };
    const member = new Member(identity, alive ? 'up' : 'ended', performance.now(), true);
    const probes = this.#o.probes(number);
    if (probes) member.probed(probes, performance.now());
    this.#o.log.info({ gateway: member.id, alive }, 'a gateway was here before');
    this.#add(member, alive ? channel : undefined);
  }

  #add(member: Member, path: string | undefined): void {
    this.#members.set(member.identity.number, member);
    if (path !== undefined) this.#connect(member, path);
    this.emit('added', member);
    this.emit('changed');
  }

  #connect(member: Member, path: string): void {
    const channel = this.#o.open(path);
    member.listen(
      channel,
      () => this.emit('changed'),
      (error) => this.emit('refused', member, error),
    );
    channel.on('eve', (lines) => {
      this.#o.eve(member.id, lines, channel.clockOffset);
      channel.acknowledge(lines.sequence);
    });
    this.#tellRules(channel);
    channel.start();
  }

  #tellRules(channel: Channel): void {
    if (this.#rules) channel.rules(this.#rules.digest, this.#rules.text);
    else if (this.#rules === null) channel.noRules();
  }

  async #start(member: Member, spec: InstanceSpec): Promise<void> {
    const { runner, mtu, log } = this.#o;
    try {
      const { channel } = await runner.start({ ...spec, mtu: mtu() });
      this.counters['steering.started']++;
      log.info({ gateway: member.id, form: spec.form, image: spec.image }, 'a gateway was started');
      member.state = 'up';
      member.upSince = performance.now();
      this.#connect(member, channel);
    } catch (error) {
      log.error({ err: error, gateway: member.id }, 'a gateway could not be started');
      this.#fail(member, error instanceof Error ? error.message : String(error));
      this.#remove(member);
    }
  }

  async #stop(member: Member, why: StopReason): Promise<void> {
    const { runner, log } = this.#o;
    const before = member.state;
    member.state = 'stopping';
    try {
      await runner.stop(member.identity.number);
      this.counters['steering.stopped']++;
      log.info({ gateway: member.id, why }, 'a gateway was ended');
      this.#remove(member);
    } catch (error) {
      log.error({ err: error, gateway: member.id }, 'a gateway could not be ended; once more in a moment');
      member.state = before;
      // What its probes say counts again.
      if (before === 'up') member.failure = '';
      member.stopAgainAt = performance.now() + STOP_AGAIN_MS;
    }
  }

  #fail(member: Member, reason: string): void {
    this.counters['steering.failed']++;
    this.#o.log.warn({ gateway: member.id, reason }, 'a gateway has failed');
    this.#backoff.fail(member.identity.gateway, reason, performance.now());
    member.failure = reason;
    this.emit('failed', member);
  }

  #remove(member: Member): void {
    const { number } = member.identity;
    member.channel?.stop();
    this.#members.delete(number);
    this.#removedAt.set(number, performance.now());
    this.emit('gone', member);
    this.emit('changed');
  }

  #work(work: Promise<void>): void {
    const done = work.finally(() => {
      this.#working.delete(done);
      this.emit('changed');
    });
    this.#working.add(done);
  }
}
