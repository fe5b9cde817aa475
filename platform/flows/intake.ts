// Flow batches on their way into the table of flows.
import type { Context } from '../context.ts';
import { openIntake, type Intake } from '../ingest/intake.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { Telemetry } from '../telemetry/store.ts';
import type { Directory } from '../vms/directory.ts';
import { BLOCK_COLUMNS, flowBlock, type FlowBlock } from './block.ts';

export const openFlowIntake = (
  context: Context,
  deps: { telemetry: Telemetry; directory: Directory; metrics: Metrics },
): Intake<FlowBlock> =>
  openIntake(context, deps, {
    stream: 'flows',
    table: 'flows',
    columns: BLOCK_COLUMNS,
    block: flowBlock,
    counters: {
      received: deps.metrics.flowsReceived,
      stored: deps.metrics.flowsStored,
      refused: deps.metrics.flowsRefused,
      foreign: deps.metrics.flowsForeign,
      clocked: deps.metrics.flowsClocked,
    },
  });
