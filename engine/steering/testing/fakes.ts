// Stand-ins for what steering works with: a runner whose gateways are wires of the kernel, and channels whose daemons
// do what a test says.
import { EventEmitter } from 'node:events';
import type { GatewayChannelEvents, GatewayHealth } from '../../channels/gateway-channel.ts';
import {
  GatewayError,
  instanceDevices,
  type InstanceSpec,
  type Runner,
  type RunningInstance,
} from '../../gateways/runner.ts';
import type { Channel } from '../member.ts';
import { Wire } from './wire.ts';

export class FakeRunner implements Runner {
  readonly started: InstanceSpec[] = [];
  readonly stopped: number[] = [];
  readonly wires = new Map<number, Wire>();
  readonly running = new Map<number, RunningInstance>();
  /** Reason for which starting fails from now on. */
  refuses = '';
  /** It cannot end any. */
  keeps = false;
  /** It cannot say what runs. */
  isBlind = false;
  /** Whether what is started from now on lets anything through. */
  joins = true;

  async start(spec: InstanceSpec): Promise<RunningInstance> {
    this.started.push(spec);
    if (this.refuses !== '') throw new GatewayError('failed', this.refuses);
    const { number, gateway, form, image } = spec;
    if (this.running.has(number)) throw new GatewayError('in-use', `${number}`);
    this.wires.set(number, new Wire(number, { joined: this.joins }));
    const channel = `/channel/${number}`;
    const instance = { number, gateway, form, image, ...instanceDevices(number), channel, alive: true };
    this.running.set(number, instance);
    return instance;
  }

  async stop(number: number): Promise<void> {
    if (this.keeps) throw new GatewayError('failed', 'it does not end');
    this.stopped.push(number);
    this.running.delete(number);
    this.wires.get(number)?.remove();
    this.wires.delete(number);
  }

  async list(): Promise<RunningInstance[]> {
    if (this.isBlind) throw new Error('libvirt is away');
    return [...this.running.values()];
  }

  /** It ends by itself, and its devices with it. */
  kill(number: number): void {
    const instance = this.running.get(number);
    if (!instance) throw new Error(`${number} does not run`);
    this.running.set(number, { ...instance, alive: false });
    this.wires.get(number)?.remove();
    this.wires.delete(number);
  }
}

const HEALTH: Omit<GatewayHealth, 'rules'> = {
  type: 'health',
  time: 0,
  suricata: 'running',
  loaded: 0,
  refused: 0,
  residentKiB: 0,
  freeKiB: 0,
  packets: 0,
  dropped: 0,
  restarts: 0,
  lost: 0,
  cut: 0,
};

export class FakeChannel extends EventEmitter<GatewayChannelEvents> implements Channel {
  readonly clockOffset = 0;
  readonly counters = { 'channel.messages': 0 };
  readonly acknowledged: number[] = [];
  isStopped = false;
  isDraining = false;
  /** Digest of what it should have. */
  wanted = '';
  #has = '';
  readonly #takes: (digest: string) => string;

  /** @param takes what its daemon answers to rules; '' takes them */
  constructor(takes: (digest: string) => string) {
    super();
    this.#takes = takes;
  }

  start(): void {
    queueMicrotask(() => {
      this.hello();
      this.#deliver();
    });
  }
  stop(): void {
    this.isStopped = true;
  }
  rules(digest: string): void {
    this.wanted = digest;
    this.#deliver();
  }
  noRules(): void {
    this.wanted = '';
  }
  acknowledge(sequence: number): void {
    this.acknowledged.push(sequence);
  }
  drain(): void {
    this.isDraining = true;
  }
  hello(): void {
    this.emit('hello', {
      type: 'hello',
      version: 1,
      image: 'x',
      suricata: '7.0.10',
      rules: this.#has,
      boot: 'b',
    });
  }
  health(more: Partial<GatewayHealth> = {}): void {
    this.emit('health', { ...HEALTH, rules: this.#has, ...more });
  }

  #deliver(): void {
    if (this.wanted === '' || this.wanted === this.#has) return;
    const digest = this.wanted;
    const error = this.#takes(digest);
    if (error === '') this.#has = digest;
    this.emit('rulesResult', { type: 'rulesResult', digest, error });
  }
}
