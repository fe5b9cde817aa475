// Gateway instances as a host reports them: listed, told live, noted in the audit log, alerted while they are in
// trouble, and bounded whatever the host says.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { GatewayReport } from '@wocloud/protocol/reports.ts';
import type { AuditEntry } from '@wocloud/protocol/views.ts';
import { until } from '../testing/facts.ts';
import { fakeInstance, type FakeEngine } from '../testing/fake-engine.ts';
import { codeOf, startTestPlatform, type TestPlatform, type TestUser } from '../testing/platform.ts';
import { NOTES_A_MINUTE, changesBetween } from './store.ts';

let p: TestPlatform;
let system: TestUser;
let auditor: TestUser;
let engine: FakeEngine;
before(async () => {
  p = await startTestPlatform();
  system = await p.user('sys', { roles: ['system-admin'] });
  auditor = await p.user('audrey', { roles: ['auditor'] });
  engine = await p.engine('kvm1');
});
after(() => p.close());

const instances = async () => (await auditor.call('instances.list')).items;
/** Reports, and waits until it is what is listed. */
const report = async (...gateways: GatewayReport[]) => {
  engine.gateways(gateways, ['0123456789abcdef']);
  await until(async () => {
    const listed = await instances();
    const said = (list: GatewayReport[]) => list.map((g) => `${g.id} ${g.state} ${g.latencyMicros}`).join();
    return said(listed) === said(gateways);
  });
};
const notes = async (): Promise<AuditEntry[]> =>
  (await auditor.call('audit.list', { query: { operation: 'gateway.state', limit: 1000 } })).items;
const openAlerts = async () =>
  (await auditor.call('alerts.list', { query: { state: 'open', kind: 'gateway.*' } })).items;

test('changes are between states, not between numbers', () => {
  const map = (...reports: GatewayReport[]) => new Map(reports.map((r) => [r.id, r]));
  const [a, b] = [fakeInstance({ id: 'e/1' }), fakeInstance({ id: 'e/2' })];
  const said = (before: GatewayReport[], now: GatewayReport[]) =>
    changesBetween(map(...before), map(...now)).map(({ id, from, to }) => [id, from, to]);
  assert.deepEqual(said([], []), []);
  assert.deepEqual(said([a], [{ ...a, latencyMicros: 1, reason: 'x' }]), []);
  assert.deepEqual(said([a], [{ ...a, state: 'failed' }, b]), [
    ['e/1', 'working', 'failed'],
    ['e/2', null, 'working'],
  ]);
  assert.deepEqual(said([a, b], [b]), [['e/1', 'working', null]]);
});

test('instances are listed by host, gateway and number, and images are known of the host', async () => {
  await report(
    fakeInstance({ id: 'edge/2' }),
    fakeInstance({ id: 'edge/10' }),
    fakeInstance({ id: 'other/1' }),
  );
  const listed = await instances();
  assert.deepEqual(
    listed.map((g) => [g.hostName, g.id, g.stale]),
    [
      ['kvm1', 'edge/2', false],
      ['kvm1', 'edge/10', false],
      ['kvm1', 'other/1', false],
    ],
  );
  const of = async (query: { host?: string; gateway?: string }) =>
    (await auditor.call('instances.list', { query })).items.map((g) => g.id);
  assert.deepEqual(await of({ gateway: 'other' }), ['other/1']);
  assert.deepEqual(await of({ host: 'kvm1', gateway: 'edge' }), ['edge/2', 'edge/10']);
  assert.equal(await codeOf(of({ host: 'kvm9' })), 'not-found');
  assert.deepEqual((await auditor.call('hosts.get', { params: { id: 'kvm1' } })).images, [
    '0123456789abcdef',
  ]);
  await report();
});

test('each change of state is an entry of the host in the audit log; trouble is an alert as long as it lasts', async () => {
  const before = (await notes()).length;
  const one = fakeInstance({ id: 'audited/1', state: 'starting' });
  await report(one);
  await report({ ...one, state: 'working' });
  await report({ ...one, state: 'working', latencyMicros: 90 });
  assert.deepEqual((await auditor.call('status.get')).gateways, { total: 1, failed: 0 });
  await report({ ...one, state: 'failed', reason: 'probes do not come back' });
  const [alert, ...more] = await openAlerts();
  assert.equal(more.length, 0);
  assert.deepEqual(
    [alert?.kind, alert?.severity, alert?.title],
    ['gateway.failed', 'high', 'Gateway audited/1 on kvm1 has failed: probes do not come back'],
  );
  const status = await auditor.call('status.get');
  assert.deepEqual([status.healthy, status.gateways], [false, { total: 1, failed: 1 }]);
  assert.match(status.sentence.en, /1 gateway failed/);
  await report({ ...one, state: 'degraded', reason: 'the daemon is silent' });
  assert.deepEqual(
    (await openAlerts()).map((a) => a.kind),
    ['gateway.degraded'],
  );
  await report({ ...one, state: 'working' });
  assert.deepEqual(await openAlerts(), []);
  await report();
  const made = (await notes()).slice(0, -before || undefined).toReversed();
  assert.deepEqual(
    made.map((e) => [e.who, e.via, e.object, e.outcome, e.detail['from'], e.detail['to']]),
    [
      ['absent', 'starting', 'allowed'],
      ['starting', 'working', 'allowed'],
      ['working', 'failed', 'failed'],
      ['failed', 'degraded', 'failed'],
      ['degraded', 'working', 'allowed'],
      ['working', 'absent', 'allowed'],
    ].map(([from, to, outcome]) => ['kvm1', 'link', 'gateway/kvm1/audited/1', outcome, from, to]),
  );
  assert.equal(made[2]?.detail['reason'], 'probes do not come back');
  assert.equal((await auditor.call('audit.verify')).intact, true);
});

test('the alert of rules that were refused goes when the gateway has taken others', async () => {
  const one = fakeInstance({ id: 'refusing/1' });
  await report({ ...one, rulesError: 'line 3: unknown keyword' });
  engine.alert({
    kind: 'gateway.rules',
    key: 'refusing/1',
    severity: 'medium',
    title: 'Gateway refusing/1 refused its rules',
    vm: null,
    time: Date.now() * 1000,
    count: 1,
    evidence: {},
  });
  await until(async () => (await openAlerts()).length === 1);
  await report({ ...one, latencyMicros: 1 });
  assert.deepEqual(await openAlerts(), []);
  await report();
});

test('a host cannot fill the audit log by its gateways; what is left out is counted', async () => {
  const other = await p.engine('flapping');
  const states = ['working', 'failed'] as const;
  const rounds = NOTES_A_MINUTE * 2;
  for (let i = 0; i < rounds; i++)
    other.gateways([fakeInstance({ id: 'flap/1', state: states[i % 2] ?? 'working', latencyMicros: i })]);
  await until(async () =>
    (await instances()).some((g) => g.id === 'flap/1' && g.latencyMicros === rounds - 1),
  );
  const written = (await notes()).filter((e) => e.who === 'flapping').length;
  // The minute may have ended in between.
  assert.ok(written >= NOTES_A_MINUTE && written < rounds, String(written));
  const skipped = (await p.facts.metrics.gatewayNotesSkipped.get()).values[0]?.value ?? 0;
  assert.equal(written + skipped, rounds);
  other.gateways([]);
  await until(async () => !(await instances()).some((g) => g.id === 'flap/1'));
});

test('what a host makes up is bounded: the same id twice, NUL, thousands of counters', async () => {
  const counters = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`c${i}`, i]));
  const odd = fakeInstance({ id: 'odd/1', reason: 'a\u0000b', counters });
  engine.gateways([fakeInstance({ id: 'odd/1', state: 'failed' }), odd]);
  const [listed] = await until(async () => {
    const found = (await instances()).filter((g) => g.id === 'odd/1');
    return found.length > 0 ? found : undefined;
  });
  assert.deepEqual([listed?.state, listed?.reason], ['working', 'a\ufffdb']);
  assert.equal(Object.keys(listed?.counters ?? {}).length, 64);
  engine.gateways([]);
  await until(async () => (await instances()).length === 0);
});

test('watchers hear of every report, and of what is gone; a tenant hears and sees nothing', async () => {
  const owner = await p.user('alice', { tenant: 'acme', tenantRole: 'owner' });
  assert.equal(await codeOf(owner.call('instances.list')), 'forbidden');
  const abort = new AbortController();
  const watch = async (user: TestUser) => {
    const response = await fetch(`${p.url}/v1/events?topics=gateway`, {
      headers: { authorization: `Bearer ${user.token}` },
      signal: abort.signal,
    });
    const heard = { text: '' };
    const reading = (async () => {
      for await (const chunk of response.body ?? []) heard.text += Buffer.from(chunk).toString();
    })().catch(() => undefined);
    return { heard, reading };
  };
  const [theirs, ours] = [await watch(owner), await watch(system)];
  await report(fakeInstance({ id: 'live/1' }));
  await until(() => /event: gateway\ndata: .*"id":"live\/1".*"stale":false/.test(ours.heard.text));
  await report();
  await until(() => /event: gatewayGone\ndata: .*"id":"live\/1"/.test(ours.heard.text));
  abort.abort();
  await Promise.all([theirs.reading, ours.reading]);
  assert.ok(!theirs.heard.text.includes('event:'), theirs.heard.text);
});

test('of a silent host nothing is known: its instances are stale, and not counted', async () => {
  const away = await p.engine('away');
  away.gateways([fakeInstance({ id: 'away/1', state: 'failed' })]);
  const found = () => instances().then((all) => all.find((g) => g.id === 'away/1'));
  await until(async () => (await found())?.stale === false);
  away.cut();
  await until(async () => (await found())?.stale === true);
  assert.deepEqual((await auditor.call('status.get')).gateways, { total: 0, failed: 0 });
  await system.call('hosts.delete', { params: { id: away.host } });
  assert.equal(await found(), undefined);
});
