// A gateway from the wire to the engine: the real Suricata, the daemon beside it and the engine's end of its channel.
// Whatever of them is killed, cut off or fed nonsense, traffic goes on and the rest finds together again.
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { after, before, test } from 'node:test';
import { gatewayImage } from '@wocloud/gateway/image/build.ts';
import type { FlowRecord } from '@wocloud/protocol/flow.ts';
import type { InspectionEvent } from '@wocloud/protocol/inspection.ts';
import type { NewAlert } from '../alerts/alerts.ts';
import { fixedDirectory, nic } from '../flows/testing/directory.ts';
import { until, type Guest } from '../flows/testing/namespace.ts';
import { Inspector } from '../inspection/inspector.ts';
import { isInside, runInside } from '../testing/namespaces.ts';
import { GatewayChannel, type GatewayHealth, type Hello, type RulesResult } from './gateway-channel.ts';
import { MACS, TestGateway } from './testing/gateway.ts';

const RULES = `
drop http any any -> any any (msg:"evil"; http.uri; content:"evil"; classtype:web-application-attack; metadata:mitre_technique_id T1190, signature_severity Critical; sid:1000001; rev:1;)
alert http any any -> !$HOME_NET any (msg:"nobody is outside"; http.uri; content:"nobody"; sid:1000002;)
alert http any any -> any any (msg:"odd"; http.uri; content:"odd"; sid:1000003;)
`;

/** Both ends of everything, and what the engine's has heard. */
let gateway: TestGateway;
let channel: GatewayChannel;
let inspector: Inspector;
const hellos: Hello[] = [];
const results: RulesResult[] = [];
const rows: InspectionEvent[] = [];
const drops: FlowRecord[] = [];
const alerts: NewAlert[] = [];
let health: GatewayHealth | undefined;
let silences = 0;

const directory = fixedDirectory(
  Object.entries(MACS).map(([name, mac], i) =>
    nic({ vm: `00000000-0000-0000-0000-00000000000${i}`, name, mac, network: 'net-1', zone: 1 }),
  ),
);
const vm = (name: keyof typeof MACS) => directory.byMac(MACS[name])?.vm;

function openChannel(): GatewayChannel {
  const opened = new GatewayChannel(gateway.channel);
  opened.on('hello', (hello) => hellos.push(hello));
  opened.on('health', (told) => (health = told));
  opened.on('rulesResult', (result) => results.push(result));
  opened.on('silent', () => silences++);
  opened.on('eve', (message) => {
    inspector.take('gw/1', message, opened.clockOffset);
    opened.acknowledge(message.sequence);
  });
  opened.start();
  return opened;
}

const pack = (rules: string, thresholds = '') => {
  const text = JSON.stringify({ rules, thresholds });
  return { text, digest: createHash('sha256').update(text).digest('hex') };
};

/** Puts rules on their way and waits for what the gateway says to them. */
async function load(rules: string, thresholds = '', ms = 30_000): Promise<RulesResult> {
  const { digest, text } = pack(rules, thresholds);
  const before = results.length;
  channel.rules(digest, text);
  return await until('an answer', () => results.slice(before).find((r) => r.digest === digest), ms);
}

/** The status of a request, or 'nothing' when there is no answer within a second. */
const get = (from: Guest, url: string) =>
  from.script(
    `const answer = await fetch('${url}', { signal: AbortSignal.timeout(1000) }).catch(() => undefined);
     console.log(answer?.status ?? 'nothing'); process.exit()`,
  );

const SERVE = `import { createServer } from 'node:http';
  createServer((request, response) => response.end('hello')).listen(80, '::', () => console.log('up'));`;

/** A connection on which something is said and answered every 10 ms. */
class Talk {
  readonly #child: ChildProcess;
  #output = '';

  static async start(from: Guest): Promise<Talk> {
    const child = await gateway.serve(
      from,
      `import { connect } from 'node:net';
      const socket = connect(7, '10.0.0.2');
      let answers = 0, at = performance.now(), longest = 0;
      socket.on('data', () => {
        longest = Math.max(longest, performance.now() - at);
        at = performance.now();
        console.log(JSON.stringify({ answers: ++answers, longest }));
        setTimeout(() => socket.write('x'), 10);
      });
      socket.on('close', () => console.log(JSON.stringify({ answers: -1, longest: -1 })));
      socket.on('error', () => {});
      socket.write('x');`,
    );
    return new Talk(child);
  }

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.on('data', (part: Buffer) => (this.#output = (this.#output + part.toString()).slice(-500)));
  }

  /** How many answers there were, and the longest time between two in ms. Throws when the connection is over. */
  get now(): { answers: number; longest: number } {
    const last = this.#output.split('\n').findLast((line) => line.endsWith('}') && line.startsWith('{'));
    const now = JSON.parse(last ?? '{"answers":0,"longest":0}') as { answers: number; longest: number };
    if (now.answers < 0) throw new Error('the connection is over');
    return now;
  }

  /** Resolves after so many more answers. */
  async more(count: number): Promise<void> {
    const from = this.now.answers;
    await until(`${count} more answers`, () => this.now.answers >= from + count, 20_000);
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

const IMAGE = 'WOCLOUD_TEST_IMAGE';

if (isInside()) parts();
else
  // The image first: what fetches packages needs the machine's own network.
  test('a gateway, in namespaces of its own', async () => {
    process.env[IMAGE] = (await gatewayImage()).dir;
    await runInside(import.meta.filename);
  });

function parts(): void {
  before(async () => {
    gateway = new TestGateway(process.env[IMAGE] as string);
    inspector = new Inspector({
      directory,
      records: (more) => rows.push(...more),
      drops: (more) => drops.push(...more),
      alert: (alert) => alerts.push(alert),
    });
    await gateway.serve(gateway.right, SERVE);
    await gateway.serve(
      gateway.right,
      `import { createServer } from 'node:net';
    createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(7, () => console.log('up'));`,
    );
    await gateway.serve(gateway.other, SERVE);
    gateway.start();
    channel = openChannel();
  });
  after(async () => {
    channel.stop();
    inspector.close();
    await gateway.stop();
  });

  test('without rules the wire passes at once, and the engine hears how it is', async () => {
    await until('health', () => health?.suricata === 'running', 30_000);
    assert.equal(await get(gateway.left, 'http://10.0.0.2/evil'), '200');
    assert.equal(await get(gateway.left, 'http://[fd00::2]/evil'), '200');
    assert.deepEqual(
      { ...hellos[0], boot: '', suricata: '' },
      { type: 'hello', version: 1, image: '0123456789abcdef', suricata: '', rules: '', boot: '' },
    );
    await until('packets', () => (health?.packets ?? 0) > 10 && health);
    assert.ok((health?.residentKiB ?? 0) > 10_000 && (health?.freeKiB ?? 0) > 10_000);
    assert.deepEqual([health?.dropped, health?.restarts, health?.lost, health?.cut], [0, 0, 0, 0]);
  });

  test('rules are in force once the gateway says so; what they drop is gone, alerted and recorded', async () => {
    assert.deepEqual(await load(RULES), { type: 'rulesResult', digest: pack(RULES).digest, error: '' });
    await until('health', () => health?.loaded === 3 && health.rules === pack(RULES).digest);
    assert.equal(await get(gateway.left, 'http://10.0.0.2/fine'), '200');
    assert.equal(await get(gateway.left, 'http://10.0.0.2/evil?x=1'), 'nothing');
    const alert = await until('the alert', () => alerts.find((a) => a.title === 'evil'));
    assert.deepEqual(
      [alert.kind, alert.severity, alert.vm, alert.key],
      ['inspection.alert', 'critical', vm('left'), `1000001 ${vm('left')} ${vm('right')}`],
    );
    const { evidence } = alert;
    assert.deepEqual(
      [
        evidence['action'],
        evidence['technique'],
        evidence['subject'],
        evidence['application'],
        evidence['mirrored'],
      ],
      ['blocked', 'T1190', '10.0.0.2/evil?x=1', 'http', false],
    );
    assert.match(String(evidence['packet']), /^52540000000b52540000000a0800/);
    const drop = await until('the drop', () => drops[0]);
    assert.deepEqual(
      [drop.kind, drop.verdict, drop.ruleIn, drop.srcVm, drop.dstVm, drop.src, drop.dport, drop.point],
      ['drop', 'dropped', 'suricata/1000001', vm('left'), vm('right'), '10.0.0.1', 80, 'both'],
    );
    const event = rows.find((r) => r.type === 'alert');
    assert.deepEqual(
      [event?.signature, event?.action, event?.network, event?.gateway, event?.category, event?.priority],
      [1_000_001, 'blocked', 'net-1', 'gw/1', 'Web Application Attack', 1],
    );
    assert.ok(Math.abs((event?.time ?? 0) - Date.now() * 1_000) < 60_000_000);
  });

  test('of a copy nothing is dropped and nothing says so', async () => {
    assert.equal(await get(gateway.seen, 'http://10.0.0.4/evil'), '200');
    const found = await until('the alert of the copy', () =>
      rows.find((r) => r.type === 'alert' && r.srcVm === vm('seen')),
    );
    assert.deepEqual([found.action, found.dstVm, found.title], ['allowed', vm('other'), 'evil']);
    assert.doesNotMatch(found.detail, /blocked|"drop"/);
    await until('the alert', () =>
      alerts.find((a) => a.vm === vm('seen') && a.evidence['mirrored'] === true),
    );
    assert.deepEqual(
      drops.filter((d) => d.srcVm === vm('seen')),
      [],
    );
  });

  test('rules that Suricata refuses are not loaded: the answer says which and why, and the old ones stay', async () => {
    const bad = `${RULES}alert tcp any any -> any any (msg:"bad"; contnt:"x"; sid:77;)\nalert tcp any any -> any any (msg:"again"; content:"x"; sid:1000003;)\n`;
    const { error } = await load(bad);
    assert.match(error, /^line 5 \(sid 77\): unknown rule keyword 'contnt'\.$/m);
    assert.match(error, /^line 6 \(sid 1000003\): its sid is taken$/m);
    const { error: thresholds } = await load(RULES, 'threshold gen_id 1, sig_id 1, type limt\n');
    assert.match(thresholds, /threshold|pcre/);
    assert.equal(health?.rules, pack(RULES).digest);
    assert.equal(await get(gateway.left, 'http://10.0.0.2/evil'), 'nothing');
    // Refused once is refused: they are not tried again and again.
    assert.equal(results.filter((r) => r.digest === pack(bad).digest).length, 1);
  });

  test('two megabytes of rules arrive and are loaded', { timeout: 120_000 }, async () => {
    const many = Array.from(
      { length: 10_000 },
      (_, i) =>
        `alert tcp any any -> any any (msg:"rule ${i} ${'of many '.repeat(15)}"; content:"${i}x"; sid:${2_000_000 + i};)\n`,
    ).join('');
    assert.ok(many.length > 1_900_000);
    assert.equal((await load(RULES + many, '', 100_000)).error, '');
    await until('health', () => health?.loaded === 10_003);
    assert.equal((await load(RULES)).error, '');
  });

  test('rules are changed under connections that go on', async () => {
    const talk = await Talk.start(gateway.left);
    await talk.more(10);
    const next = RULES.replaceAll('evil', 'worse');
    assert.equal((await load(next)).error, '');
    await talk.more(10);
    assert.ok(talk.now.longest < 500, `${talk.now.longest} ms between two answers`);
    talk.end();
    assert.equal(await get(gateway.left, 'http://10.0.0.2/evil'), '200');
    assert.equal(await get(gateway.left, 'http://10.0.0.2/worse'), 'nothing');
    assert.equal((await load(RULES)).error, '');
  });

  test('a Suricata that is killed comes back with its rules; connections live on', async () => {
    const talk = await Talk.start(gateway.left);
    await talk.more(5);
    const [pid = 0] = gateway.suricatas;
    process.kill(pid, 'SIGKILL');
    await until('another Suricata', () => health?.suricata === 'running' && health.restarts === 1, 30_000);
    await talk.more(5);
    talk.end();
    assert.equal(await get(gateway.left, 'http://10.0.0.2/evil'), 'nothing');
    await until('health', () => health?.loaded === 3);
    assert.notDeepEqual(gateway.suricatas, [pid]);
  });

  test('the daemon is killed: the wire does not notice, and the next daemon takes Suricata over', async () => {
    const talk = await Talk.start(gateway.left);
    await talk.more(5);
    const pids = gateway.suricatas;
    const seen = hellos.length;
    await gateway.kill();
    await talk.more(20);
    assert.equal(await get(gateway.left, 'http://10.0.0.2/evil'), 'nothing');
    gateway.start();
    await until('a hello', () => hellos.length > seen && channel.isOpen);
    await until(
      'health',
      () => health?.suricata === 'running' && health.restarts === 0 && health.loaded === 3,
    );
    assert.ok(talk.now.longest < 500, `${talk.now.longest} ms between two answers`);
    talk.end();
    assert.deepEqual(gateway.suricatas, pids);
    assert.equal(hellos.at(-1)?.rules, pack(RULES).digest);
    assert.notEqual(hellos.at(-1)?.boot, hellos[0]?.boot);
    const before = rows.length;
    await get(gateway.left, 'http://10.0.0.2/odd');
    await until('an event by the new daemon', () => rows.slice(before).some((r) => r.title === 'odd'));
  });

  test('an engine that was away hears what happened meanwhile', async () => {
    channel.stop();
    const before = rows.length;
    assert.equal(await get(gateway.left, 'http://10.0.0.2/odd-while-away'), '200');
    channel = openChannel();
    const found = await until('the event', () =>
      rows.slice(before).find((r) => r.subject.endsWith('odd-while-away')),
    );
    assert.equal(found.srcVm, vm('left'));
    channel.rules(pack(RULES).digest, pack(RULES).text);
  });

  test('a daemon that hangs is silence, said once; then it is heard again', async () => {
    const before = silences;
    const seen = hellos.length;
    gateway.signal('SIGSTOP');
    await until('silence', () => silences > before, 12_000);
    assert.equal(channel.isOpen, false);
    gateway.signal('SIGCONT');
    await until('a hello', () => hellos.length > seen && channel.isOpen);
    assert.equal(silences, before + 1);
  });

  test('a Suricata that hangs is ended and started again', { timeout: 60_000 }, async () => {
    const [pid = 0] = gateway.suricatas;
    const { restarts } = await until('health', () => health);
    process.kill(pid, 'SIGSTOP');
    await until(
      'a restart',
      () => (health?.restarts ?? 0) > restarts && health?.suricata === 'running',
      40_000,
    );
    assert.equal(await get(gateway.left, 'http://10.0.0.2/fine'), '200');
  });

  test('the gateway is told to look for nothing', async () => {
    channel.noRules();
    await until('no rules', () => health?.loaded === 0 && health.rules !== pack(RULES).digest, 30_000);
    assert.equal(await get(gateway.left, 'http://10.0.0.2/evil'), '200');
  });
}
