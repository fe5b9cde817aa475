// Operations on flows: the list, the histogram, the topology.
import type { Context } from '../context.ts';
import type { Handlers } from '../handler.ts';
import type { Telemetry } from '../telemetry/store.ts';
import type { Directory } from '../vms/directory.ts';
import { flowFilter } from './filter.ts';
import { listFlows } from './list.ts';

export function handlers(
  context: Context,
  { telemetry, directory }: { telemetry: Telemetry; directory: Directory },
): Pick<Handlers, 'flows.list'> {
  return {
    'flows.list': ({ query, caller, signal }) =>
      listFlows(telemetry, directory, flowFilter(query, caller.scope, directory, context.now()), {
        limit: query.limit ?? 100,
        cursor: query.cursor,
        signal,
      }),
  };
}
