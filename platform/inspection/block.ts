// A batch of inspection events → one Native block for the store and the identities of its rows.
import type { Batch, INSPECTION_COLUMNS } from '@wocloud/protocol/columns.ts';
import { columnsOf, credibleTimes, endsOf, indexesOf, vmColumn } from '../ingest/columns.ts';
import type { Block, BlockOrigin } from '../ingest/intake.ts';
import type { Identify } from '../ingest/identify.ts';
import { INSPECTION_TABLE } from '../telemetry/schema.ts';
import { bytesOf, constant, integersOf, nativeBlock } from '../telemetry/native.ts';

type Name = (typeof INSPECTION_COLUMNS)[number]['name'];
/** Columns of the table that a block carries, in order. */
export const BLOCK_COLUMNS = Object.keys(INSPECTION_TABLE) as (keyof typeof INSPECTION_TABLE)[];

export interface InspectionBlock extends Block {
  /** Per row: µs since the epoch, as stored. */
  times: Uint8Array;
}

/** Builds the block and identifies both ends of every row. */
export function inspectionBlock(batch: Batch, origin: BlockOrigin, ends: Identify): InspectionBlock {
  const { count } = batch;
  const network = indexesOf(batch, 'network');
  const { times, clocked } = credibleTimes(batch, origin.now);
  const source = endsOf(batch, 'src', network, ends);
  const destination = endsOf(batch, 'dst', network, ends);
  const { raw, low, text } = columnsOf<Name>(batch);
  const data: Record<keyof typeof INSPECTION_TABLE, Uint8Array[]> = {
    time: [integersOf(times)],
    host: constant(count, origin.host),
    type: raw('type'),
    gateway: low('gateway'),
    network: low('network'),
    srcVm: vmColumn(source, (vm) => vm.id),
    dstVm: vmColumn(destination, (vm) => vm.id),
    srcTenant: vmColumn(source, (vm) => vm.tenant ?? ''),
    dstTenant: vmColumn(destination, (vm) => vm.tenant ?? ''),
    src: raw('src'),
    dst: raw('dst'),
    protocol: raw('protocol'),
    sport: raw('sport'),
    dport: raw('dport'),
    flow: raw('flow'),
    application: low('application'),
    action: raw('action'),
    signature: raw('signature'),
    title: low('title'),
    category: low('category'),
    priority: raw('priority'),
    technique: low('technique'),
    subject: text('subject'),
    detail: text('detail'),
    boot: constant(count, origin.boot),
    sequence: [bytesOf(new BigUint64Array(count).fill(BigInt(batch.sequence)))],
    row: [bytesOf(Uint32Array.from({ length: count }, (_, i) => i))],
  };
  const bytes = nativeBlock(
    count,
    BLOCK_COLUMNS.map((name) => ({ name, type: INSPECTION_TABLE[name], data: data[name] })),
  );
  return { batch, bytes, source, destination, times, clocked };
}
