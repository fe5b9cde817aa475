import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fakeVm } from '../testing/fake-engine.ts';
import { startPostgres } from './cluster.ts';
import { until } from '../testing/facts.ts';
import { codeOf, startTestPlatform, type TestPlatform, type TestUser } from '../testing/platform.ts';

let p: TestPlatform;
let admin: TestUser;
before(async () => {
  p = await startTestPlatform();
  admin = await p.user('sec', { roles: ['security-admin', 'auditor'] });
});
after(() => p.close());
const put = (name: string) =>
  admin.call('tenants.put', {
    params: { name },
    body: { apiVersion: 'wocloud/v1', kind: 'Tenant', metadata: { name }, spec: {} },
  });

test('a killed PostgreSQL costs 503s, loses nothing that was answered, and heals by itself', async () => {
  const answered: string[] = [];
  const codes = new Set<string>();
  let stop = false;
  const writer = (async () => {
    // oxlint-disable-next-line no-unmodified-loop-condition -- the test sets it below, meanwhile
    for (let i = 0; !stop; i++) {
      const code = await codeOf(put(`t-${i}`));
      codes.add(code);
      if (code === 'none') answered.push(`t-${i}`);
    }
  })();
  await until(async () => answered.length >= 5);
  process.kill(p.base.cluster.pid(), 'SIGKILL');
  await until(async () => codes.has('unavailable'));
  assert.equal((await fetch(`${p.url}/healthz`)).status, 200);
  const healedAt = answered.length;
  await until(async () => answered.length >= healedAt + 5, 20_000);
  stop = true;
  await writer;
  assert.deepEqual([...codes].sort(), ['none', 'unavailable']);
  const { items } = await admin.call('tenants.list', { query: { limit: 1000 } });
  const names = new Set(items.map((t) => t.metadata.name));
  assert.deepEqual(
    answered.filter((name) => !names.has(name)),
    [],
  );
  assert.equal((await admin.call('audit.verify')).intact, true);
  assert.equal((await fetch(`${p.url}/readyz`)).status, 200);
});

test('signals reach listeners again after the database was away', async () => {
  const { openSignals } = await import('../signals.ts');
  const { openDatabase } = await import('./database.ts');
  const db = openDatabase(p.base.cluster.url, p.context.log);
  const replica = openSignals(db, p.context.log);
  let resynced = false;
  let heard = 0;
  replica.on('resync', () => (resynced = true));
  replica.on('enforcement', () => heard++);
  await until(async () => {
    p.context.signals.emit('enforcement', {});
    return heard > 0;
  });
  process.kill(p.base.cluster.pid(), 'SIGKILL');
  await until(async () => resynced, 20_000);
  const before = heard;
  await until(async () => {
    p.context.signals.emit('enforcement', {});
    return heard > before;
  });
  await replica.close();
  await db.close();
});

test('planning goes on as well: a host that joins afterwards gets its state', async () => {
  const vm = fakeVm({ name: 'after' });
  const engine = await p.engine('kvm-after', [vm]);
  await until(async () => p.core.plans.current(engine.host)?.nics.some((nic) => nic.vm === vm.id), 20_000);
});

test('starting a cluster that runs adopts it', async () => {
  const again = await startPostgres({ dir: `${p.base.dir}/postgres`, log: p.context.log, durable: false });
  assert.deepEqual([again.adopted, again.pid()], [true, p.base.cluster.pid()]);
  again.release();
});
