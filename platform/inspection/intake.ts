// Batches of inspection events on their way into the table of inspection.
import type { Context } from '../context.ts';
import { openIntake, type Intake } from '../ingest/intake.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Telemetry } from '../telemetry/store.ts';
import type { Directory } from '../vms/directory.ts';
import { BLOCK_COLUMNS, inspectionBlock, type InspectionBlock } from './block.ts';

export const openInspectionIntake = (
  context: Context,
  deps: { telemetry: Telemetry; directory: Directory; metrics: Metrics },
): Intake<InspectionBlock> =>
  openIntake(context, deps, {
    stream: 'inspection',
    table: 'inspection',
    columns: BLOCK_COLUMNS,
    block: inspectionBlock,
    counters: {
      received: deps.metrics.inspectionReceived,
      stored: deps.metrics.inspectionStored,
      refused: deps.metrics.inspectionRefused,
      foreign: deps.metrics.inspectionForeign,
      clocked: deps.metrics.inspectionClocked,
    },
  });
