// A batch of flow records → one Native block for the store and the identities of its rows, reading the columns in
// place: nothing is made per row but a few numbers.
import type { Batch, FLOW_COLUMNS } from '@wocloud/protocol/columns.ts';
import { FLOW_KINDS, POINTS } from '@wocloud/protocol/flow.ts';
import { columnOf, columnsOf, credibleTimes, endsOf, indexesOf, vmColumn } from '../ingest/columns.ts';
import type { Block, BlockOrigin } from '../ingest/intake.ts';
import type { Identify } from '../ingest/identify.ts';
import { FLOW_TABLE } from '../telemetry/schema.ts';
import { bytesOf, constant, integersOf, nativeBlock } from '../telemetry/native.ts';

type FlowColumnName = (typeof FLOW_COLUMNS)[number]['name'];
/** Columns of the table that a block carries, in order. */
export const BLOCK_COLUMNS = Object.keys(FLOW_TABLE) as (keyof typeof FLOW_TABLE)[];

const DESTINATION = POINTS.indexOf('destination');
const DROP = FLOW_KINDS.indexOf('drop');

export interface FlowBlock extends Block {
  /** Per row: 1 where the source's host reports the same flow. */
  duplicate: Uint8Array;
}

/** Builds the block and identifies both ends of every row. */
export function flowBlock(batch: Batch, origin: BlockOrigin, ends: Identify): FlowBlock {
  const { count, strings } = batch;
  const network = indexesOf(batch, 'network');
  const point = columnOf(batch, 'point');
  const kind = columnOf(batch, 'kind');
  const { times, clocked } = credibleTimes(batch, origin.now);

  const source = endsOf(batch, 'src', network, ends);
  const destination = endsOf(batch, 'dst', network, ends);
  const duplicate = new Uint8Array(count);
  const elsewhere = new Map<string, boolean>();
  for (let i = 0; i < count; i++) {
    const from = source[i];
    if (point[i] !== DESTINATION || kind[i] === DROP || !from) continue;
    const key = `${from.id} ${network[i]}`;
    let known = elsewhere.get(key);
    if (known === undefined) {
      known = ends.reportedElsewhere(from, strings[network[i] ?? 0] ?? '');
      elsewhere.set(key, known);
    }
    duplicate[i] = known ? 1 : 0;
  }

  const { raw, whole, low } = columnsOf<FlowColumnName>(batch);
  const data: Record<keyof typeof FLOW_TABLE, Uint8Array[]> = {
    start: whole('start'),
    host: constant(count, origin.host),
    flow: raw('flow'),
    time: [integersOf(times)],
    kind: raw('kind'),
    end: whole('end'),
    network: low('network'),
    point: raw('point'),
    srcVm: vmColumn(source, (vm) => vm.id),
    dstVm: vmColumn(destination, (vm) => vm.id),
    srcTenant: vmColumn(source, (vm) => vm.tenant ?? ''),
    dstTenant: vmColumn(destination, (vm) => vm.tenant ?? ''),
    src: raw('src'),
    dst: raw('dst'),
    protocol: raw('protocol'),
    sport: raw('sport'),
    dport: raw('dport'),
    packetsOut: whole('packetsOut'),
    packetsIn: whole('packetsIn'),
    bytesOut: whole('bytesOut'),
    bytesIn: whole('bytesIn'),
    verdict: raw('verdict'),
    ruleOut: low('ruleOut'),
    ruleIn: low('ruleIn'),
    stagedVerdict: raw('stagedVerdict'),
    stagedRule: low('stagedRule'),
    duplicate: [duplicate],
    boot: constant(count, origin.boot),
    sequence: [bytesOf(new BigUint64Array(count).fill(BigInt(batch.sequence)))],
  };
  const bytes = nativeBlock(
    count,
    BLOCK_COLUMNS.map((name) => ({ name, type: FLOW_TABLE[name], data: data[name] })),
  );
  return { batch, bytes, source, destination, duplicate, clocked };
}
