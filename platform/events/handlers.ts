// GET /v1/events: live data as server-sent events, each caller's own.
import { TOPICS } from '@wocloud/protocol/views.ts';
import type { Context } from '../context.ts';
import { flowFilter } from '../flows/filter.ts';
import type { Handlers } from '../handler.ts';
import { eventFilter } from '../inspection/filter.ts';
import type { Directory } from '../vms/directory.ts';
import type { Hub } from './hub.ts';

export function handlers(
  { now }: Context,
  { directory, hub }: { directory: Directory; hub: Hub },
): Pick<Handlers, 'events.stream'> {
  return {
    async 'events.stream'({ query, caller, session, signal }) {
      // A live stream has no past: only what a filter says about records counts.
      const { topics, since: _since, until: _until, limit: _limit, cursor: _cursor, ...records } = query;
      const stream = hub.open(caller, session.id, new Set(topics?.length ? topics : TOPICS), {
        flows: flowFilter(records, caller.scope, directory, now()),
        events: eventFilter(records, caller.scope, directory, now()),
      });
      signal.addEventListener('abort', () => stream.body.destroy(), { once: true });
      return { body: stream.body };
    },
  };
}
