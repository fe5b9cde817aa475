// Gateways from the desired state to traffic that is sent to them, on real devices: started, given rules, taken out of
// the way when they fail, replaced, adopted, reported.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, before, test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { EMPTY_STATE, type DesiredGateway, type DesiredState } from '@wocloud/protocol/desired.ts';
import { Up } from '@wocloud/protocol/link.ts';
import type { GatewayReport } from '@wocloud/protocol/reports.ts';
import { Value } from 'typebox/value';
import type { NewAlert } from '../alerts/alerts.ts';
import { enterHost, nft, until } from '../flows/testing/namespace.ts';
import { instanceDevices } from '../gateways/runner.ts';
import type { Notice } from '../health/facts.ts';
import { openLog } from '../log.ts';
import { interfaceIndex } from '../netlink/libc.ts';
import { AliveSet } from './alive-set.ts';
import { NO_BUCKETS } from './buckets.ts';
import { Prober } from './prober.ts';
import { RulesStore } from './rules-store.ts';
import { RulesSupply } from './rules-supply.ts';
import { Steering } from './steering.ts';
import { Telling } from './telling.ts';
import { FakeChannel, FakeRunner } from './testing/fakes.ts';

enterHost();

const DRAIN_MS = 1_000;
const log = openLog(process.env['WOCLOUD_TEST_LOG'] ?? 'silent');
const TEXT = JSON.stringify({ rules: 'alert ip any any -> any any (sid:1;)', thresholds: '' });
const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');
const RULES = digestOf(TEXT);
const pack = (text: string): string => zstdCompressSync(Buffer.from(text)).toString('base64');

let alive: AliveSet;

const gateway = (more: Partial<DesiredGateway> = {}): DesiredGateway => ({
  id: 'edge',
  form: 'vm',
  instances: 1,
  vcpus: 1,
  memoryMiB: 768,
  image: null,
  ...more,
});

/** An engine's gateways, less its firewall: what it would have rules for is said to stand. */
class Host {
  readonly channels = new Map<string, FakeChannel>();
  readonly sent: Up[] = [];
  readonly alerts: NewAlert[] = [];
  notices: readonly Notice[] = [];
  images: string[] = ['new', 'old'];
  /** What daemons answer to rules. */
  takes: (digest: string) => string = () => '';
  state: DesiredState;
  readonly runner: FakeRunner;
  readonly dir: string;
  readonly prober: Prober;
  readonly steering: Steering;
  readonly supply: RulesSupply;
  readonly store: RulesStore;
  readonly #telling: Telling;

  constructor(before?: Host) {
    this.runner = before?.runner ?? new FakeRunner();
    this.dir = before?.dir ?? mkdtempSync(join(tmpdir(), 'engine-steering-'));
    this.state = before?.state ?? { ...EMPTY_STATE, generation: 1 };
    this.prober = new Prober(log);
    const desired = () => this.state;
    const send = (message: Up) => {
      assert.ok(Value.Check(Up, message), JSON.stringify([...Value.Errors(Up, message)].slice(0, 3)));
      return this.sent.push(message) > 0;
    };
    this.steering = new Steering({
      dir: this.dir,
      desired,
      runner: this.runner,
      images: async () => this.images,
      prober: this.prober,
      open: (path) => {
        const channel = new FakeChannel((digest) => this.takes(digest));
        this.channels.set(path, channel);
        return channel;
      },
      mtu: () => 1_500,
      drainMs: DRAIN_MS,
      eve: () => {},
      log,
    });
    this.steering.on('buckets', () => this.place());
    this.store = new RulesStore(this.dir);
    this.supply = new RulesSupply({
      store: this.store,
      desired,
      ask: (digest) => send({ type: 'rulesWanted', digest }),
      give: (rules) => this.steering.setRules(rules),
      log,
    });
    this.#telling = new Telling({
      steering: this.steering,
      prober: this.prober,
      desired,
      send,
      notices: (notices) => (this.notices = notices),
      alert: (alert) => this.alerts.push(alert),
    });
    this.supply.look();
    this.place();
  }

  /** What a round of the enforcer would say. */
  place(): void {
    const gateways = new Map(
      [...this.runner.running.keys()].map((number) => {
        const { a, b, m } = instanceDevices(number);
        const port = (device: string) => ({ device, index: interfaceIndex(device) });
        return [number, { a: port(a), b: port(b), m: port(m) }];
      }),
    );
    const state = { ...this.state, nics: [{} as never] };
    this.steering.placed({ state, gateways, buckets: this.steering.buckets });
  }

  want(more: Partial<DesiredState>): void {
    this.state = { ...this.state, ...more, generation: this.state.generation + 1 };
    this.supply.look();
    this.steering.signal();
    this.#telling.soon();
  }

  async wantWithRules(...gateways: DesiredGateway[]): Promise<void> {
    await this.store.put(RULES, pack(TEXT), () => {});
    this.want({ gateways, rules: [{ id: 'rules', digest: RULES }] });
  }

  /** Devices of new instances make the enforcer do a round. */
  async serving(...numbers: number[]): Promise<void> {
    await until(`started: ${numbers.join()}`, () => numbers.every((n) => this.runner.running.has(n)));
    this.place();
    const serves = (n: number) => this.steering.buckets.includes(n) && alive.read()?.has(n);
    await until(`serving: ${numbers.join()}`, () => numbers.every(serves));
  }

  report(number: number): GatewayReport | undefined {
    const last = this.sent.findLast((message) => message.type === 'gateways');
    return last?.gateways.find(({ id }) => id.endsWith(`/${number}`));
  }
  reported(number: number, state: GatewayReport['state']): Promise<GatewayReport> {
    return until(`${number} ${state}`, () => {
      const report = this.report(number);
      return report?.state === state && report;
    });
  }
  channel(number: number): FakeChannel {
    const channel = this.channels.get(`/channel/${number}`);
    if (!channel) throw new Error(`no channel of ${number}`);
    return channel;
  }

  async stop(): Promise<void> {
    this.#telling.close();
    this.supply.close();
    await this.steering.stop();
    await this.prober.stop();
  }
}

const hosts: Host[] = [];
const host = (before?: Host): Host => {
  const made = new Host(before);
  hosts.push(made);
  return made;
};

before(() => {
  nft('table netdev wocloud { set alive { type mark; size 64; flags dynamic; }; }');
  alive = new AliveSet();
});
afterEach(async () => {
  for (const one of hosts.splice(0)) {
    await one.stop();
    for (const number of one.runner.running.keys()) await one.runner.stop(number);
    rmSync(one.dir, { recursive: true, force: true });
  }
  for (const number of alive.read() ?? []) alive.delete(number);
});

test('a gateway is started, passes, gets its rules, and only then connections', async () => {
  const one = host();
  const { steering, runner } = one;
  one.takes = () => 'no such keyword';
  await one.wantWithRules(gateway({ instances: 2, vcpus: 2 }));
  await until('started', () => runner.running.size === 2);
  assert.deepEqual(runner.started[0], {
    number: 1,
    gateway: 'edge',
    form: 'vm',
    vcpus: 2,
    memoryMiB: 768,
    image: 'new',
    mtu: 1_500,
  });
  one.place();
  await until('passing', () => [1, 2].every((n) => one.prober.state(n)?.passing));
  assert.deepEqual(steering.buckets, NO_BUCKETS);
  const refused = await one.reported(1, 'failed');
  assert.match(refused.reason, /Suricata refused them/);
  assert.equal(refused.rulesError, 'no such keyword');
  const alert = one.alerts.find(({ key }) => key === 'edge/1');
  assert.equal(alert?.kind, 'gateway.rules');
  assert.equal(alert?.severity, 'medium');
  assert.equal(alert?.evidence['message'], 'no such keyword');
  for (const number of [1, 2])
    one.channel(number).emit('rulesResult', { type: 'rulesResult', digest: RULES, error: '' });
  await one.serving(1, 2);
  assert.equal(steering.buckets.filter((n) => n === 1).length, 8);
  const report = await one.reported(1, 'working');
  assert.equal(report.rules, RULES);
  assert.equal(report.rulesError, '');
});

test('one that hangs gives its connections to the others within half a second, and has them back', async () => {
  const one = host();
  await one.wantWithRules(gateway({ instances: 2 }));
  one.want({
    insertions: [{ id: 'acme/all', order: 0, nics: ['n'], mode: 'inline', failure: 'closed', services: [] }],
  });
  await one.serving(1, 2);
  const cut = performance.now();
  one.runner.wires.get(1)?.cut();
  await until('moved', () => !one.steering.buckets.includes(1) && !alive.read()?.has(1));
  const took = performance.now() - cut;
  process.stderr.write(`moved ${took.toFixed(0)} ms after the cut\n`);
  assert.ok(took < 500, `${took} ms`);
  const failed = await one.reported(1, 'failed');
  assert.match(failed.reason, /probes do not come out of it.*others? .*taken over/);
  one.runner.wires.get(2)?.cut();
  const last = await one.reported(2, 'failed');
  assert.match(last.reason, /nothing is inspected now: what is to fail closed is dropped/);
  for (const wire of one.runner.wires.values()) wire.join();
  await one.serving(1, 2);
  assert.deepEqual(one.runner.stopped, []);
});

test('one that ends by itself is taken away and started anew; one that cannot be started is said', async () => {
  const one = host();
  await one.wantWithRules(gateway());
  await one.serving(1);
  one.runner.refuses = 'no memory';
  one.runner.kill(1);
  await until('taken away', () => one.runner.stopped.length === 1);
  const told = one.sent.flatMap((message) => (message.type === 'gateways' ? message.gateways : []));
  assert.ok(
    told.some(({ state, reason }) => state === 'failed' && reason.startsWith('it has ended by itself')),
    'it is told as failed before it is gone',
  );
  assert.equal(alive.read()?.has(1), false);
  await until('said', () => one.notices.find(({ message }) => message.includes('no memory')));
  one.runner.refuses = '';
  await one.serving(1);
  await until('no longer said', () => one.notices.length === 0);
  assert.ok((one.steering.counters['steering.failed'] ?? 0) >= 2);
});

test('one that failed and cannot be ended is told as it is again, once it passes', async () => {
  const one = host();
  await one.wantWithRules(gateway());
  await one.serving(1);
  one.runner.keeps = true;
  const before = one.sent.length;
  one.steering.roster.stop(1, 'failed');
  const states = () =>
    one.sent
      .slice(before)
      .flatMap((m) => (m.type === 'gateways' ? m.gateways.map(({ state }) => state) : []));
  await until('told as failed, then as working', () => /^failed(,failed)*,working/.test(states().join()));
  one.runner.keeps = false;
  assert.deepEqual(one.runner.stopped, []);
});

test('an upgrade starts the new one beside the old, and ends the old one once it has nothing to do', async () => {
  const one = host();
  one.images = ['old'];
  await one.wantWithRules(gateway());
  await one.serving(1);
  const first = one.channel(1);
  one.images = ['new', 'old'];
  one.steering.signal();
  await one.serving(2);
  assert.equal(one.runner.started.at(-1)?.image, 'new');
  assert.equal(new Set(one.steering.buckets).size, 1);
  const draining = await one.reported(1, 'draining');
  assert.equal(draining.image, 'old');
  await until('told', () => first.isDraining);
  const told = performance.now();
  await until('ended', () => one.runner.stopped.includes(1));
  assert.ok(performance.now() - told > DRAIN_MS / 2);
  assert.deepEqual([...one.runner.running.keys()], [2]);
  assert.ok(first.isStopped);
  await until('gone', () => one.report(1) === undefined);
});

test('a restarted engine adopts what runs, and moves nothing', async () => {
  const first = host();
  await first.wantWithRules(gateway({ instances: 2, vcpus: 2 }));
  await first.serving(1, 2);
  const buckets = first.steering.buckets;
  await first.stop();
  assert.deepEqual(alive.read(), new Set([1, 2]));
  const second = host(first);
  const changes: string[] = [];
  second.steering.on('buckets', () => changes.push(second.steering.buckets.join()));
  await second.reported(1, 'working');
  await second.reported(2, 'working');
  await until('probed anew', () => (second.prober.status(2)?.sent ?? 0) > 6);
  assert.deepEqual(second.steering.buckets, buckets);
  assert.deepEqual(changes, []);
  assert.deepEqual([second.runner.started.length, second.runner.stopped.length], [2, 0]);
  assert.deepEqual(alive.read(), new Set([1, 2]));
  // It knows how large they were asked to be: a change is one.
  second.want({ gateways: [gateway({ instances: 2, vcpus: 1 })] });
  await until('an upgrade', () => second.runner.started.at(-1)?.number === 3);
});

test('while it is not known what runs, nothing is started, ended or moved; a failure is seen all the same', async () => {
  const first = host();
  await first.wantWithRules(gateway({ instances: 2 }));
  await first.serving(1, 2);
  await first.stop();
  const second = new Host(first);
  hosts.push(second);
  second.runner.isBlind = true;
  second.runner.wires.get(2)?.cut();
  await until('lifted', () => !alive.read()?.has(2));
  assert.ok(alive.read()?.has(1));
  assert.deepEqual(second.steering.buckets, first.steering.buckets);
  assert.equal(second.sent.filter(({ type }) => type === 'gateways').length, 0);
  second.runner.isBlind = false;
  second.steering.signal();
  await second.reported(1, 'working');
  await until('moved', () => !second.steering.buckets.includes(2));
  assert.deepEqual([second.runner.started.length, second.runner.stopped.length], [2, 0]);
});

test('rules come from the platform once, are verified, kept privately, and given to every gateway', async () => {
  const one = host();
  one.want({ gateways: [gateway()], rules: [{ id: 'rules', digest: RULES }] });
  const asked = () => one.sent.filter((message) => message.type === 'rulesWanted');
  await until('asked', () => asked().length === 1);
  await one.supply.take(RULES, pack(`${TEXT} `));
  await one.supply.take(RULES, 'nonsense');
  await one.supply.take('../../etc/passwd', pack(TEXT));
  assert.equal(one.store.counters['steering.rulesRefused'], 2);
  await one.reported(1, 'starting');
  assert.equal(one.channel(1).wanted, '');
  await one.supply.take(RULES, pack(TEXT));
  await one.serving(1);
  assert.equal(one.channel(1).wanted, RULES);
  const [file = '', ...others] = readdirSync(join(one.dir, 'inspection'));
  assert.deepEqual([file, others], [`${RULES}.json`, []]);
  assert.equal(statSync(join(one.dir, 'inspection', file)).mode & 0o777, 0o600);
  assert.equal(new RulesStore(one.dir).get(RULES), TEXT);
  one.supply.look(true);
  assert.equal(asked().length, 1);
});

test('a daemon that falls silent makes its gateway degraded, and traffic still passes', async () => {
  const one = host();
  await one.wantWithRules(gateway());
  await one.serving(1);
  await one.reported(1, 'working');
  one.channel(1).emit('silent');
  const degraded = await one.reported(1, 'degraded');
  assert.match(degraded.reason, /daemon does not speak/);
  assert.ok(alive.read()?.has(1));
  one.channel(1).health({ loaded: 7, packets: 12 });
  const working = await one.reported(1, 'working');
  assert.equal(working.loaded, 7);
  assert.equal(working.counters['packets'], 12);
});

test('what is to be inspected where no gateway is wanted, and a gateway without an image, are said', async () => {
  const one = host();
  one.images = [];
  const insertions: DesiredState['insertions'] = [
    { id: 'acme/all', order: 0, nics: ['n'], mode: 'inline', failure: 'open', services: [] },
  ];
  one.want({ insertions });
  await until('missing', () => one.notices.find(({ code }) => code === 'gateway.missing'));
  one.want({ gateways: [gateway()] });
  const notice = await until('no image', () => one.notices.find(({ code }) => code === 'gateway.instances'));
  assert.match(notice.message, /no gateway image is on it/);
  assert.equal(one.notices.length, 1);
  one.images = ['new'];
  one.steering.signal();
  await one.serving(1);
  await until('nothing to say', () => one.notices.length === 0);
  assert.deepEqual(one.sent.findLast((message) => message.type === 'gateways')?.images, ['new']);
});
