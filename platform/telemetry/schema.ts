// Tables of the telemetry store, as numbered steps that run once. The same SQL for one machine and for a cluster; only
// the table engine differs.
import { FLOW_KINDS, POINTS, STAGED_VERDICTS, VERDICTS } from '@wocloud/protocol/flow.ts';
import { EVENT_ACTIONS, EVENT_TYPES } from '@wocloud/protocol/inspection.ts';

/** Statements to the store; making its tables takes no more. */
export interface Statements {
  /** Rows of a SELECT. Throws `unavailable` when the store cannot be reached, else a plain error. */
  rows<R>(sql: string, options?: { signal?: AbortSignal }): Promise<R[]>;
  command(sql: string): Promise<void>;
}

/** Type of a column of these words, numbered as on the wire. */
export const wordsType = (words: readonly string[]): string =>
  `Enum8(${words.map((w, i) => `'${w}' = ${i}`).join(', ')})`;

export const LOW = 'LowCardinality(String)';
export const MICROS = "DateTime64(6, 'UTC')";

/**
 * Columns of `flows`: a flow record (protocol/flow.ts) as its host saw it, and what ingest knew: tenants of both
 * ends, whether another host reports the same flow as well (`duplicate`), and which batch brought it.
 */
export const FLOW_TABLE = {
  start: MICROS,
  host: LOW,
  flow: 'UInt64',
  time: MICROS,
  kind: wordsType(FLOW_KINDS),
  end: MICROS,
  network: LOW,
  point: wordsType(POINTS),
  srcVm: LOW,
  dstVm: LOW,
  srcTenant: LOW,
  dstTenant: LOW,
  src: 'IPv6',
  dst: 'IPv6',
  protocol: 'UInt8',
  sport: 'UInt16',
  dport: 'UInt16',
  packetsOut: 'UInt64',
  packetsIn: 'UInt64',
  bytesOut: 'UInt64',
  bytesIn: 'UInt64',
  verdict: wordsType(VERDICTS),
  ruleOut: LOW,
  ruleIn: LOW,
  stagedVerdict: wordsType(STAGED_VERDICTS),
  stagedRule: LOW,
  duplicate: 'UInt8',
  boot: LOW,
  sequence: 'UInt64',
} as const;

/**
 * Columns of `inspection`: an event (protocol/inspection.ts) as its host saw it, the tenants of both ends as ingest
 * knew them, and which row of which batch it was, which makes it one of a kind.
 */
export const INSPECTION_TABLE = {
  time: MICROS,
  host: LOW,
  type: wordsType(EVENT_TYPES),
  gateway: LOW,
  network: LOW,
  srcVm: LOW,
  dstVm: LOW,
  srcTenant: LOW,
  dstTenant: LOW,
  src: 'IPv6',
  dst: 'IPv6',
  protocol: 'UInt8',
  sport: 'UInt16',
  dport: 'UInt16',
  flow: 'UInt64',
  application: LOW,
  action: wordsType(EVENT_ACTIONS),
  signature: 'UInt32',
  title: LOW,
  category: LOW,
  priority: 'UInt8',
  technique: LOW,
  subject: 'String',
  detail: 'String',
  boot: LOW,
  sequence: 'UInt64',
  row: 'UInt32',
} as const;

/** Tables of records, each a stream of the link, whose rows are dropped when they are older than the retention. */
const RECORDS = ['flows', 'inspection'] as const;

interface Options {
  replicated: boolean;
  retentionDays: number;
}

/** How a table of records is kept: durable when it says so, counted once, dropped by the day. */
const records = ({ replicated, retentionDays }: Options, order: string): string =>
  `ENGINE = ${replicated ? 'ReplicatedMergeTree' : 'MergeTree'}
     PARTITION BY toDate(time)
     ORDER BY (${order})
     TTL toDateTime(time) + INTERVAL ${Math.trunc(retentionDays)} DAY
     SETTINGS ttl_only_drop_parts = 1, fsync_after_insert = 1, fsync_part_directory = 1,
       ${replicated ? 'replicated_deduplication_window' : 'non_replicated_deduplication_window'} = 10000`;

/** Both ends are looked for by VM and by address. */
const ENDS = `INDEX sources srcVm TYPE bloom_filter(0.01) GRANULARITY 1,
       INDEX destinations dstVm TYPE bloom_filter(0.01) GRANULARITY 1,
       INDEX sourceAddresses src TYPE bloom_filter(0.01) GRANULARITY 1,
       INDEX destinationAddresses dst TYPE bloom_filter(0.01) GRANULARITY 1`;

const steps: ((o: Options) => string[])[] = [
  (o) => [
    // By start, so that all records of a flow lie together and the newest flows are read backwards from the end.
    `CREATE TABLE IF NOT EXISTS flows (
       ${columnsSql(FLOW_TABLE)},
       ingested DateTime('UTC') DEFAULT now('UTC'),
       INDEX times time TYPE minmax GRANULARITY 1,
       INDEX arrivals ingested TYPE minmax GRANULARITY 1,
       ${ENDS}
     ) ${records(o, 'start, host, flow, time')}`,
  ],
  (o) => [
    `CREATE TABLE IF NOT EXISTS inspection (
       ${columnsSql({ ...INSPECTION_TABLE, detail: 'String CODEC(ZSTD(3))' })},
       ingested DateTime('UTC') DEFAULT now('UTC'),
       INDEX arrivals ingested TYPE minmax GRANULARITY 1,
       INDEX types type TYPE set(32) GRANULARITY 1,
       INDEX signatures signature TYPE bloom_filter(0.01) GRANULARITY 1,
       INDEX flowIds flow TYPE bloom_filter(0.01) GRANULARITY 1,
       ${ENDS}
     ) ${records(o, 'time, host, sequence, row')}`,
  ],
];

const columnsSql = (columns: Readonly<Record<string, string>>): string =>
  Object.entries(columns)
    .map(([name, type]) => `${name} ${type}`)
    .join(', ');

/** Runs the steps that have not run, then sets the retention that is wished for now. */
export async function migrateTelemetry(telemetry: Statements, options: Options): Promise<void> {
  const engine = options.replicated ? 'ReplicatedMergeTree' : 'MergeTree';
  await telemetry.command(
    `CREATE TABLE IF NOT EXISTS schema_steps (step UInt32, at DateTime DEFAULT now()) ENGINE = ${engine} ORDER BY step`,
  );
  const [last] = await telemetry.rows<{ step: number }>('SELECT max(step) AS step FROM schema_steps');
  for (const [i, step] of steps.entries()) {
    if (i + 1 <= (last?.step ?? 0)) continue;
    for (const sql of step(options)) await telemetry.command(sql);
    await telemetry.command(`INSERT INTO schema_steps (step) VALUES (${i + 1})`);
  }
  for (const table of RECORDS)
    await telemetry.command(
      `ALTER TABLE ${table} MODIFY TTL toDateTime(time) + INTERVAL ${Math.trunc(options.retentionDays)} DAY SETTINGS materialize_ttl_after_modify = 0`,
    );
}
