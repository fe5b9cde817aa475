// An engine joins, links, reports and sends records: end to end over real mutual TLS, PostgreSQL and the telemetry store.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PLATFORM, callOf, startTestFacts, until, type TestFacts } from '../testing/facts.ts';
import { FakeEngine, fakeFlow, fakeVm, joinPlatform } from '../testing/fake-engine.ts';

let at: TestFacts;
before(async () => (at = await startTestFacts()));
after(() => at.close());

const flowsList = (query = {}) => at.facts.handlers['flows.list']?.(callOf(PLATFORM, { query }));

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
  const listed = await flowsList();
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
