// Operations on inspection events: the list.
import type { Context } from '../context.ts';
import type { Handlers } from '../handler.ts';
import type { Telemetry } from '../telemetry/store.ts';
import type { Directory } from '../vms/directory.ts';
import { eventFilter } from './filter.ts';
import { listEvents } from './list.ts';

export function handlers(
  { now }: Context,
  { telemetry, directory }: { telemetry: Telemetry; directory: Directory },
): Pick<Handlers, 'inspection.list'> {
  return {
    'inspection.list': ({ query, caller, signal }) =>
      listEvents(telemetry, directory, eventFilter(query, caller.scope, directory, now()), {
        limit: query.limit ?? 100,
        cursor: query.cursor,
        signal,
      }),
  };
}
