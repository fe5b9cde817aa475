// The telemetry process killed in the middle of a stream: what was sent and what is stored is the same number.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { decodeBatch, encodeBatch } from '@wocloud/protocol/columns.ts';
import { startTestFacts, until, type TestFacts } from '../testing/facts.ts';
import { fakeFlow } from '../testing/fake-engine.ts';
import { BLOCK_COLUMNS, flowBlock } from '../flows/block.ts';
import type { Identify } from '../ingest/identify.ts';
import { Writer, type Pending } from '../ingest/writer.ts';
import { PlatformError } from '../errors.ts';

let at: TestFacts;
before(async () => (at = await startTestFacts()));
after(() => at.close());

const rowsOf = async (host: string) =>
  Number(
    (await at.facts.telemetry.rows<{ n: number }>(`SELECT count() AS n FROM flows WHERE host = '${host}'`))[0]
      ?.n,
  );
const NOBODY: Identify = {
  own: () => undefined,
  far: () => undefined,
  reportedElsewhere: () => false,
  refused: () => 0,
};

test('killed -9 again and again in the middle of a stream, no record is lost and none counts twice', async () => {
  const engine = await at.engine('crash');
  const rows = 2_000;
  const batches = 60;
  let kills = 0;
  for (let i = 0; i < batches; i++) {
    engine.flows(Array.from({ length: rows }, () => fakeFlow()));
    if (i % 20 === 10) {
      // At whatever moment: before, during or after an insert.
      await until(() => engine.unacked < 20);
      const pid = at.facts.telemetry.pid();
      if (pid !== undefined) process.kill(pid, 'SIGKILL');
      kills++;
    }
    await until(() => engine.unacked < 30, 30_000);
  }
  await engine.settled(batches, 60_000);
  assert.equal(kills, 3);
  assert.equal(await rowsOf(engine.host), rows * batches);
  const distinct = await at.facts.telemetry.rows<{ n: number }>(
    `SELECT uniqExact(flow) AS n FROM flows WHERE host = '${engine.host}'`,
  );
  assert.equal(Number(distinct[0]?.n), rows * batches);
});

test('64-bit integers come as numbers', async () => {
  const [row] = await at.facts.telemetry.rows('SELECT toUInt64(7) AS whole, toInt64(-7) AS negative');
  assert.deepEqual(row, { whole: 7, negative: -7 });
});

test('an insert whose fate is unknown is looked up: present days are not inserted again, absent ones are', async () => {
  const day = 86_400e6;
  const now = Date.now() * 1000;
  const host = 'fate';
  const batch = decodeBatch(
    encodeBatch('flows', [fakeFlow({ time: now - day }), fakeFlow({ time: now })] as never[], {
      sequence: 1,
      lost: 0,
    }),
  );
  const { telemetry } = at.facts;
  const inserted: number[] = [];
  let failures = 1;
  const writer = new Writer({
    table: 'flows',
    columns: BLOCK_COLUMNS,
    telemetry: {
      ...telemetry,
      // Half of the first insert (one day of two) happens, then the store is gone.
      async insert(table, columns, blocks, token) {
        if (failures-- > 0) {
          const { selectRows } = await import('../ingest/select.ts');
          const half = flowBlock(selectRows(batch, Uint8Array.of(1, 0)), { host, boot: 'b', now }, NOBODY);
          await telemetry.insert(table, BLOCK_COLUMNS, [half.bytes], 'half');
          throw new PlatformError('unavailable', 'gone');
        }
        inserted.push(blocks.length);
        await telemetry.insert(table, columns, blocks, token);
      },
    },
    log: at.context.log,
    durable: () => undefined,
    refused: () => assert.fail('refused'),
    inserted: () => undefined,
  });
  const { selectRows, dayOf } = await import('../ingest/select.ts');
  const pending: Pending = {
    host,
    boot: 'b',
    sequence: 1,
    rows: 2,
    present: new Set(),
    block: (except) => {
      const keep = Uint8Array.from([now - day, now], (time) => (except.has(dayOf(time)) ? 0 : 1));
      return flowBlock(selectRows(batch, keep), { host, boot: 'b', now }, NOBODY).bytes;
    },
  };
  writer.add(pending);
  await until(async () => (await rowsOf(host)) === 2);
  await writer.close();
  assert.deepEqual(inserted, [1]);
  assert.equal(await rowsOf(host), 2);
});

test('the same token never counts twice', async () => {
  const block = flowBlock(
    decodeBatch(encodeBatch('flows', [fakeFlow()] as never[], { sequence: 1, lost: 0 })),
    { host: 'token', boot: 'b', now: Date.now() * 1000 },
    NOBODY,
  );
  for (let i = 0; i < 3; i++) await at.facts.telemetry.insert('flows', BLOCK_COLUMNS, [block.bytes], 'same');
  assert.equal(await rowsOf('token'), 1);
});

test('a statement that is wrong fails as such, a store that is away as unavailable', async () => {
  const { telemetry } = at.facts;
  await assert.rejects(telemetry.rows('SELECT nope FROM flows'), /nope/);
  const pid = telemetry.pid() ?? 0;
  process.kill(pid, 'SIGKILL');
  await assert.rejects(
    telemetry.rows('SELECT 1'),
    (error: unknown) => error instanceof PlatformError && error.code === 'unavailable',
  );
  await until(() =>
    telemetry.rows('SELECT 1').then(
      () => true,
      () => false,
    ),
  );
  assert.notEqual(telemetry.pid(), pid);
});
