// Flow records from an engine to disk: real mutual TLS, the platform's own link and intake, ClickHouse in a process of
// its own, each acknowledged after the durable insert; counted at both ends. Needs PostgreSQL's programs.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { joinPlatform } from '@wocloud/platform/testing/fake-engine.ts';
import { startTestFacts } from '@wocloud/platform/testing/facts.ts';
import type { Report } from './ingest/engine.ts';
import { cpuSeconds } from './processes.ts';
import { main, type BenchResult } from './result.ts';

const BATCHES = 200;
const ROWS = 8_192;
const TARGET = 100_000;

/** Takes about half a minute. */
export async function run(): Promise<BenchResult> {
  const at = await startTestFacts();
  try {
    const identity = await joinPlatform(at.port, await at.token(), 'bench');
    const child = fork(join(import.meta.dirname, 'ingest', 'engine.ts'), {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const before = { platform: process.cpuUsage(), store: cpuSeconds(at.facts.telemetry.pid()) };
    const answer = once(child, 'message') as Promise<[Report]>;
    const failed = once(child, 'exit').then(([code]) => {
      throw new Error(`the engine's side ended early (exit ${String(code)})`);
    });
    failed.catch(() => undefined);
    child.send({ port: at.port, identity, batches: BATCHES, rows: ROWS });
    const [report] = await Promise.race([answer, failed]);
    const platform = process.cpuUsage(before.platform);
    const store = cpuSeconds(at.facts.telemetry.pid()) - before.store;
    const [stored] = await at.facts.telemetry.rows<{ n: number; named: number; distinct: number }>(
      `SELECT count() AS n, countIf(dstVm != '') AS named, uniqExact(flow) AS distinct FROM flows WHERE host = '${identity.host}'`,
    );
    const rate = report.sent / report.seconds;
    const counted = Number(stored?.n);
    return {
      name: 'Ingest: engine to disk',
      params: {
        records: report.sent,
        'records per batch': ROWS,
        cores: availableParallelism(),
        node: process.version,
        store: 'chDB, fsync after each insert',
      },
      rows: [
        { label: 'records sent and acknowledged', value: report.sent, unit: '' },
        { label: 'records in the store', value: counted, unit: '' },
        { label: 'different flows in the store', value: Number(stored?.distinct), unit: '' },
        { label: 'records with the far end named by the platform', value: Number(stored?.named), unit: '' },
        { label: 'throughput', value: rate, unit: 'records/s' },
        { label: 'CPU, engine’s side', value: (report.cpuSeconds / report.sent) * 1e6, unit: 'µs/record' },
        { label: 'CPU, platform', value: (platform.user + platform.system) / report.sent, unit: 'µs/record' },
        { label: 'CPU, store', value: (store / report.sent) * 1e6, unit: 'µs/record' },
        { label: 'platform resident', value: process.memoryUsage.rss() / 2 ** 20, unit: 'MiB' },
      ],
      ratios: [
        {
          label: 'records in the store per record sent',
          value: counted / report.sent,
          target: 'exactly 1',
          met: counted === report.sent && Number(stored?.distinct) === report.sent,
        },
        {
          label: 'records/s against 100,000',
          value: rate / TARGET,
          target: 'at least 1',
          met: rate >= TARGET,
        },
      ],
    };
  } finally {
    await at.close();
  }
}

await main(import.meta.url, run);
