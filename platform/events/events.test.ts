// Live events: fast, each caller's own, and a slow reader is told what it missed.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ServerEvent } from '@wocloud/protocol/views.ts';
import type { Call, RawAnswer, Scope } from '../handler.ts';
import { PLATFORM, callOf, ofTenant, startTestFacts, until, type TestFacts } from '../testing/facts.ts';
import { fakeEvent, fakeFlow, fakeVm, type FakeEngine } from '../testing/fake-engine.ts';
import { LIVE_RATE } from '../flows/live.ts';
import { LIVE_EVENTS } from '../inspection/live.ts';
import { EventStream, MAX_QUEUED } from './stream.ts';

let at: TestFacts;
let engine: FakeEngine;
before(async () => {
  at = await startTestFacts();
  engine = await at.engine('kvm1');
});
after(() => at.close());

/** Reads a stream as a client would. */
class Reader {
  readonly events: (ServerEvent & { at: number })[] = [];
  readonly body: RawAnswer['body'];
  constructor(body: RawAnswer['body']) {
    this.body = body;
    let text = '';
    body.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const parts = text.split('\n\n');
      text = parts.pop() ?? '';
      for (const part of parts) {
        const [, topic, data] = /^event: (.+)\ndata: (.+)$/s.exec(part) ?? [];
        if (topic !== undefined)
          this.events.push({ topic, data: JSON.parse(data ?? ''), at: Date.now() } as never);
      }
    });
  }
  of<T extends ServerEvent['topic']>(topic: T) {
    return this.events.filter((e) => e.topic === topic) as (Extract<ServerEvent, { topic: T }> & {
      at: number;
    })[];
  }
}
async function open(
  query: Call<'events.stream'>['query'] = {},
  scope: Scope = PLATFORM,
  parts: Partial<Call<'events.stream'>> = {},
): Promise<Reader> {
  const answer = (await at.facts.handlers['events.stream']?.(
    callOf(scope, { query, ...parts }),
  )) as RawAnswer;
  return new Reader(answer.body);
}

test('a flow reaches a listener within 500 ms of its batch, with names and rule', async () => {
  const vm = fakeVm({ name: 'live', tenant: 'acme' }, '10.5.0.1');
  engine.inventory([vm]);
  await until(() => at.facts.directory.vm(vm.id));
  const reader = await open({ topics: ['flow'], vm: ['live'], verdict: ['!dropped'] });
  const sent = Date.now();
  engine.flows([
    fakeFlow({ srcVm: vm.id, ruleOut: 'acme/p/r', dport: 1 }),
    fakeFlow({ srcVm: vm.id, verdict: 'dropped', dport: 2 }),
    fakeFlow({ dport: 3 }),
  ]);
  const [flow] = await until(() => (reader.of('flow').length ? reader.of('flow') : undefined));
  assert.ok((flow?.at ?? Infinity) - sent < 500, `${(flow?.at ?? 0) - sent} ms`);
  assert.deepEqual([flow?.data.src.name, flow?.data.rule, flow?.data.dst.port], ['live', 'acme/p/r', 1]);
  await engine.settled();
  assert.equal(reader.of('flow').length, 1);
  reader.body.destroy();
});

test('inspection events reach a listener as they come, through the filter of their own fields', async () => {
  const vm = fakeVm({ name: 'seen', tenant: 'acme' }, '10.5.3.1');
  engine.inventory([vm]);
  await until(() => at.facts.directory.vm(vm.id));
  const [alerts, theirs, flows] = [
    await open({ topics: ['inspection'], vm: ['seen'], type: ['alert'], signature: ['!7'], q: 'scan' }),
    await open({ topics: ['inspection'] }, ofTenant('beta')),
    await open({ topics: ['flow'] }),
  ];
  engine.inspection([
    fakeEvent({ srcVm: vm.id, title: 'ET SCAN one', dport: 1 }),
    fakeEvent({ srcVm: vm.id, title: 'ET SCAN two', dport: 2, signature: 7 }),
    fakeEvent({ srcVm: vm.id, type: 'dns', subject: 'scan.example', dport: 3 }),
    fakeEvent({ title: 'ET SCAN of nobody', dport: 4 }),
    fakeEvent({ srcVm: vm.id, title: 'else', subject: 'Scanner', dport: 5 }),
  ]);
  await until(() => alerts.of('inspection').length >= 2);
  await engine.settled();
  assert.deepEqual(
    alerts.of('inspection').map((e) => [e.data.src.name, e.data.dst.port]),
    [
      ['seen', 1],
      ['seen', 5],
    ],
  );
  assert.deepEqual([theirs.events, flows.events], [[], []]);
  for (const reader of [alerts, theirs, flows]) reader.body.destroy();
});

test('more events than anybody reads are not shown, and counted', async () => {
  const reader = await open({ topics: ['inspection'] });
  const rows = LIVE_EVENTS * 3;
  engine.inspection(Array.from({ length: rows }, () => fakeEvent()));
  await engine.settled();
  const told = () =>
    reader.of('inspection').length + reader.of('lost').reduce((sum, e) => sum + e.data.count, 0);
  await until(() => told() === rows);
  assert.ok(reader.of('inspection').length <= LIVE_EVENTS * 1.5);
  assert.deepEqual([...new Set(reader.of('lost').map((e) => e.data.topic))], ['inspection']);
  reader.body.destroy();
});

test('VMs, hosts and alerts are told as they change; what is another tenant’s never is', async () => {
  const mine = fakeVm({ name: 'ev-mine', tenant: 'acme' }, '10.5.1.1');
  const theirs = fakeVm({ name: 'ev-theirs', tenant: 'beta' }, '10.5.1.2');
  const [all, acme, member] = [
    await open(),
    await open({}, ofTenant('acme')),
    await open({}, ofTenant('acme', [])),
  ];
  engine.inventory([mine, theirs]);
  await until(() => all.of('vm').some((e) => e.data.name === 'ev-theirs') && acme.of('vm').length > 0);
  engine.alert({
    kind: 'spoof.mac',
    key: 'k',
    severity: 'high',
    title: 'forged MAC',
    vm: theirs.id,
    time: Date.now() * 1000,
    count: 1,
    evidence: {},
  });
  engine.flows([fakeFlow({ srcVm: mine.id, dstVm: theirs.id }), fakeFlow({ srcVm: theirs.id })]);
  engine.inventory([]);
  await until(
    () =>
      all.of('vmGone').some((e) => e.data.id === theirs.id) &&
      acme.of('vmGone').some((e) => e.data.id === mine.id),
  );
  await until(() => all.of('alert').length === 1 && all.of('flow').length === 2);
  assert.deepEqual([...new Set(acme.of('vm').map((e) => e.data.name))], ['ev-mine']);
  const gone = acme.of('vmGone').map((e) => e.data.id);
  assert.ok(gone.includes(mine.id) && !gone.includes(theirs.id));
  assert.equal(acme.of('flow').length, 1);
  assert.equal(acme.of('flow')[0]?.data.dst.name, null);
  assert.equal(acme.of('alert').length + acme.of('host').length, 0);
  assert.ok(!JSON.stringify(acme.events).includes(theirs.id));
  assert.deepEqual(member.events, []);
  for (const reader of [all, acme, member]) reader.body.destroy();
});

test('more flows than anybody reads are not shown, and counted', async () => {
  const reader = await open({ topics: ['flow'] });
  const rows = LIVE_RATE * 3;
  engine.flows(Array.from({ length: rows }, () => fakeFlow()));
  await engine.settled();
  await until(() => reader.of('lost').length);
  const told = () => reader.of('flow').length + reader.of('lost').reduce((sum, e) => sum + e.data.count, 0);
  await until(() => told() === rows);
  assert.ok(reader.of('flow').length <= LIVE_RATE * 1.5);
  reader.body.destroy();
});

test('a reader that does not read loses events beyond a bound, and hears how many first thing', async () => {
  let counted = 0;
  const stream = new EventStream((_topic, count) => (counted += count));
  const total = MAX_QUEUED * 2;
  const event = { topic: 'vmGone' as const, data: { id: 'x'.repeat(100) } };
  for (let i = 0; i < total; i++) stream.send(event);
  assert.ok(counted > 0 && counted < total);
  const reader = new Reader(stream.body);
  await until(() => reader.of('lost').length === 1);
  assert.equal(reader.of('lost')[0]?.data.count, counted);
  assert.equal(reader.of('vmGone').length + counted, total);
  stream.end();
});

test('a stream ends when its reader may not read any more', async () => {
  const { db } = at.context;
  const user = await db.one<{ id: string }>(
    `INSERT INTO users (name, password, tenant, tenant_role) VALUES ('reader', '-', 'acme', 'owner') RETURNING id`,
  );
  const call = callOf<'events.stream'>(ofTenant('acme'));
  const caller = { ...call.caller, user: { ...call.caller.user, id: user?.id ?? '' } };
  const reader = await open({}, ofTenant('acme'), { caller });
  let ended = false;
  reader.body.on('end', () => (ended = true));
  await at.facts.checkReaders();
  assert.equal(ended, false, 'the user is as before');
  await db.query('UPDATE users SET disabled = true WHERE id = $1', [user?.id]);
  await at.facts.checkReaders();
  await until(() => ended);
});
