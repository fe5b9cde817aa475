// Operations on flows: the list, the histogram, the topology.
import type { Context } from '../context.ts';
import type { Handlers } from '../handler.ts';
import type { Telemetry } from '../telemetry/store.ts';
import type { Directory } from '../vms/directory.ts';
import { flowFilter } from './filter.ts';
import { flowHistogram } from './histogram.ts';
import { listFlows } from './list.ts';
import { flowTopology } from './topology.ts';

export function handlers(
  { now }: Context,
  { telemetry, directory }: { telemetry: Telemetry; directory: Directory },
): Pick<Handlers, 'flows.list' | 'flows.histogram' | 'topology.get'> {
  return {
    'flows.list': async ({ query, caller, signal }) =>
      listFlows(telemetry, directory, flowFilter(query, caller.scope, directory, now()), {
        limit: query.limit ?? 100,
        cursor: query.cursor,
        signal,
      }),

    'flows.histogram': async ({ query, caller, signal }) => ({
      buckets: await flowHistogram(telemetry, flowFilter(query, caller.scope, directory, now()), {
        buckets: query.buckets ?? 60,
        now: now(),
        signal,
      }),
    }),

    // Without a time range: the last hour, which is what a picture of "now" is.
    'topology.get': async ({ query, caller, signal }) =>
      flowTopology(
        telemetry,
        directory,
        flowFilter({ ...query, since: query.since ?? '1h' }, caller.scope, directory, now()),
        { by: query.by ?? 'vm', signal },
      ),
  };
}
