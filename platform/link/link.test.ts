// An engine joins, links, reports and sends records: end to end over real mutual TLS, PostgreSQL and the telemetry store.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { EMPTY_STATE, type DesiredState } from '@wocloud/protocol/desired.ts';
import { encodeBatch } from '@wocloud/protocol/columns.ts';
import { applyDelta } from '@wocloud/policy/delta.ts';
import { parseUp } from './control.ts';
import type { Plans } from './intent.ts';
import { PLATFORM, callOf, startTestFacts, until, type TestFacts } from '../testing/facts.ts';
import { FakeEngine, fakeFlow, fakeVm, joinPlatform, keyAndRequest } from '../testing/fake-engine.ts';

const states = new Map<string, DesiredState>();
const planned = new Set<(host: string, state: DesiredState) => void>();
const plans: Plans = {
  current: (host) => states.get(host),
  onChange: (listener) => {
    planned.add(listener);
    return () => planned.delete(listener);
  },
};
const plan = (host: string, state: DesiredState) => {
  states.set(host, state);
  for (const listener of planned) listener(host, state);
};

let at: TestFacts;
before(async () => (at = await startTestFacts({ plans })));
after(() => at.close());

const count = async (where = '1') =>
  Number(
    (await at.facts.telemetry.rows<{ n: number }>(`SELECT count() AS n FROM flows WHERE ${where}`))[0]?.n,
  );
const metric = async (name: string, labels: Record<string, string> = {}) => {
  const found = (await at.facts.metrics.registry.getMetricsAsJSON()).find(
    (m) => m.name === `wocloud_${name}`,
  );
  return (found?.values ?? [])
    .filter((v) => Object.entries(labels).every(([k, l]) => (v.labels as Record<string, unknown>)[k] === l))
    .reduce((sum, v) => sum + v.value, 0);
};

test('a host joins with a token once, links, reports, and its flows are listed with VM names', async () => {
  const token = await at.token();
  const engine = await FakeEngine.start(at.port, token, 'kvm1');
  await assert.rejects(joinPlatform(at.port, token, 'kvm9'), /401.*token/);

  const [web, db] = [fakeVm({ name: 'web' }, '10.0.0.1'), fakeVm({ name: 'db' }, '10.0.0.2')];
  engine.inventory([web, db]);
  engine.flows([
    fakeFlow({ srcVm: web.id, dstVm: '', dport: 5432, ruleOut: 'acme/web/to-db' }),
    fakeFlow({ kind: 'drop', src: '192.0.2.7', dstVm: db.id, verdict: 'dropped', ruleIn: 'default/ingress' }),
  ]);
  await engine.settled();
  const listed = await at.facts.handlers['flows.list']?.(callOf(PLATFORM));
  assert.equal(listed?.items.length, 2);
  const [dropped, allowed] = listed?.items ?? [];
  assert.deepEqual(
    [allowed?.src.name, allowed?.dst.name, allowed?.verdict, allowed?.rule],
    ['web', 'db', 'allowed', 'acme/web/to-db'],
  );
  assert.deepEqual(
    [dropped?.src.name, dropped?.src.ip, dropped?.dst.name, dropped?.rule],
    [null, '192.0.2.7', 'db', 'default/ingress'],
  );
  await engine.close();
  const host = await until(() =>
    at.context.db.one<{ name: string }>('SELECT name FROM hosts WHERE id = $1 AND NOT connected', [
      engine.host,
    ]),
  );
  assert.equal(host.name, 'kvm1');
});

test('a batch sent again is acknowledged and not stored twice, also after the platform restarted', async () => {
  const engine = await at.engine('again');
  const frame = encodeBatch('flows', [fakeFlow(), fakeFlow()] as never[], { sequence: 1, lost: 0 });
  engine.batch(1, frame);
  await engine.settled(1);
  engine.cut();
  await at.restart();
  const back = new FakeEngine(at.port, engine.identity);
  Object.assign(back, { boot: engine.boot });
  await back.connect();
  await back.hello();
  back.batch(1, frame);
  back.flows([fakeFlow()]);
  await back.settled(2);
  assert.equal(await count(`host = '${engine.host}'`), 3);
  back.cut();
});

test('what is stored without anyone having heard of it is not stored again', async () => {
  const engine = await at.engine('unheard');
  const frame = encodeBatch('flows', [fakeFlow()] as never[], { sequence: 1, lost: 0 });
  engine.batch(1, frame);
  await engine.settled(1);
  engine.cut();
  await at.restart();
  // As after a crash between the insert and the note of it.
  await at.context.db.query('UPDATE streams SET sequence = 0 WHERE host = $1', [engine.host]);
  const back = new FakeEngine(at.port, engine.identity);
  Object.assign(back, { boot: engine.boot });
  await back.connect();
  await back.hello();
  back.batch(1, frame);
  await back.settled(1);
  assert.equal(await count(`host = '${engine.host}'`), 1);
  back.cut();
});

test('malformed frames are counted and dropped, and the link is closed when it repeats', async () => {
  const engine = await at.engine('malformed');
  const before = await metric('frames_malformed_total');
  engine.sendRaw('{"type":"vm","vm":{"id":"x"}}');
  engine.sendRaw(randomBytes(64));
  engine.flows([fakeFlow()]);
  await engine.settled();
  assert.equal(await metric('frames_malformed_total'), before + 2);
  const closed = once(engine, 'close');
  for (let i = 0; i < 3; i++) engine.sendRaw('not json');
  const [code] = (await closed) as [number];
  assert.equal(code, 1008);
  assert.equal(await count(`host = '${engine.host}'`), 1);
});

test('the control decoder refuses anything that is not the protocol, and never throws', () => {
  const runs = Number(process.env['WOCLOUD_FUZZ_RUNS'] ?? 3000);
  const good = { type: 'vm', vm: fakeVm({ name: 'web' }) };
  assert.ok('message' in parseUp(Buffer.from(JSON.stringify(good))));
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      assert.ok('malformed' in parseUp(bytes));
    }),
    { numRuns: runs },
  );
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.constantFrom('hello', 'vm', 'inventory', 'receipt', 'alert'),
      (value, type) => {
        const frame =
          typeof value === 'object' && value !== null && !Array.isArray(value)
            ? { ...value, type }
            : { type, value };
        assert.ok('malformed' in parseUp(Buffer.from(JSON.stringify(frame))));
      },
    ),
    { numRuns: runs },
  );
  const text = Buffer.from(JSON.stringify(good));
  fc.assert(
    fc.property(fc.nat(), fc.nat(255), (where, byte) => {
      const frame = Buffer.from(text);
      frame[where % frame.length] = byte;
      const parsed = parseUp(frame);
      assert.ok('message' in parsed ? parsed.message.type === 'vm' : parsed.malformed !== '');
    }),
    { numRuns: runs },
  );
});

test('a link needs a certificate of ours, of a host that is not forgotten', async () => {
  const engine = await at.engine('forgotten');
  const stranger = new FakeEngine(at.port, {
    ...engine.identity,
    ...(await selfSigned(engine.host)),
  });
  await assert.rejects(stranger.connect(), /403|closed|reset/i);
  const closed = once(engine, 'close');
  await at.facts.handlers['hosts.delete']?.(callOf(PLATFORM, { params: { id: 'forgotten' } }));
  await closed;
  await assert.rejects(engine.connect(), /403/);
});

test('a host that is installed anew keeps its identity, and its former certificate is refused', async () => {
  const first = await at.engine('anew');
  await assert.rejects(joinPlatform(at.port, await at.token(), 'anew'), /409/);
  await first.close();
  await until(() => at.context.db.one('SELECT 1 FROM hosts WHERE id = $1 AND NOT connected', [first.host]));
  const second = await joinPlatform(at.port, await at.token(), 'anew');
  assert.equal(second.host, first.host);
  await assert.rejects(first.connect(), /403/);
  const again = new FakeEngine(at.port, second);
  await again.connect();
  await again.hello();
  again.cut();
});

test('a certificate is renewed over the link, and the former one ends with the first use of the new', async () => {
  const engine = await at.engine('renewing');
  const { key, csr } = await keyAndRequest('renewing');
  const answer = engine.next('certificate');
  engine.send({ type: 'renew', csr });
  const { pem, ca } = await answer;
  const renewed = new FakeEngine(at.port, { host: engine.host, key, certificate: pem, ca });
  await renewed.connect();
  await renewed.hello();
  await assert.rejects(engine.connect(), /403/);
  renewed.cut();
});

test('a receipt counts when the key of the host signed it', async () => {
  const engine = await at.engine('receipts');
  engine.receipt({ generation: 7 });
  const host = await until(() =>
    at.context.db.one<{ applied: number }>(
      'SELECT applied_generation AS applied FROM hosts WHERE id = $1 AND applied_generation > 0',
      [engine.host],
    ),
  );
  assert.equal(host.applied, 7);
  const forged = new FakeEngine(at.port, { ...engine.identity, key: (await keyAndRequest('x')).key });
  const sent: object[] = [];
  forged.send = (message: object) => void sent.push(message);
  forged.receipt({ generation: 8 });
  engine.send(sent[0] ?? {});
  await until(async () => (await metric('receipts_refused_total')) === 1);
  const page = await at.facts.handlers['hosts.receipts']?.(callOf(PLATFORM, { params: { id: 'receipts' } }));
  assert.deepEqual(
    page?.items.map((r) => r.generation),
    [7],
  );
});

test('desired state comes whole after hello and as deltas after that', async () => {
  const engine = await at.engine('desired');
  const set = (elements: string[]) => ({ id: 's', network: 'n', elements });
  const first: DesiredState = { ...EMPTY_STATE, generation: 1, sets: [set(['10.0.0.1'])] };
  const second: DesiredState = { ...EMPTY_STATE, generation: 2, sets: [set(['10.0.0.1', '10.0.0.2'])] };
  const whole = engine.next('desired');
  plan(engine.host, first);
  assert.deepEqual((await whole).state, first);
  const next = engine.next('delta');
  plan(engine.host, second);
  const { delta } = await next;
  assert.deepEqual(applyDelta(first, delta), second);
  assert.deepEqual(delta.elements, [{ set: 's', add: ['10.0.0.2'], remove: [] }]);
  engine.cut();
  const again = engine.next('desired');
  await engine.reconnect();
  assert.deepEqual((await again).state, second);
});

test('records a host had to give up are counted and alerted once', async () => {
  const engine = await at.engine('losing');
  engine.flows([fakeFlow()], 5);
  engine.flows([fakeFlow()], 12);
  await engine.settled();
  const alert = await until(() =>
    at.context.db.one<{ count: number }>(
      `SELECT count FROM alerts WHERE kind = 'records.lost' AND host = $1 AND count >= 12`,
      [engine.host],
    ),
  );
  assert.equal(alert.count, 12);
});

async function selfSigned(host: string) {
  const { openAuthority } = await import('../ca/authority.ts');
  const other = await openAuthority(`${at.dir}/other-ca`);
  const { key, csr } = await keyAndRequest(host);
  return { key, certificate: (await other.certifyHost(csr, host, 1)).certificate };
}
