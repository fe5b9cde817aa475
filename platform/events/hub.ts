// Live events for everyone who listens at this replica. Records come straight from the links, before they are on disk;
// everything else is read from the database when a signal says that it changed.
import { TOPICS, type Publication, type ServerEvent, type VmView } from '@wocloud/protocol/views.ts';
import { readAlert } from '../alerts/handlers.ts';
import type { Context } from '../context.ts';
import type { FlowBlock } from '../flows/block.ts';
import type { FlowFilter } from '../flows/filter.ts';
import { LIVE_RATE, LiveBudget, liveFlows } from '../flows/live.ts';
import { flowMatcher } from '../flows/match.ts';
import { flowView } from '../flows/view.ts';
import { readInstances } from '../gateways/handlers.ts';
import type { Caller, Scope } from '../handler.ts';
import { readHost } from '../hosts/handlers.ts';
import type { Intake } from '../ingest/intake.ts';
import type { InspectionBlock } from '../inspection/block.ts';
import type { EventFilter } from '../inspection/filter.ts';
import { LIVE_EVENTS, liveEvents } from '../inspection/live.ts';
import { eventMatcher } from '../inspection/match.ts';
import { eventView } from '../inspection/view.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { visible, type Directory, type DirectoryVm } from '../vms/directory.ts';
import { vmViews } from '../vms/view.ts';
import { standing } from './standing.ts';
import { EventStream } from './stream.ts';

type Topic = (typeof TOPICS)[number];

/** A publication as a caller may see it; undefined: not theirs. */
export type ReadPublication = (id: number, scope: Scope) => Promise<Publication | undefined>;

/** What of each kind of record a reader is to get. */
export interface RecordFilters {
  flows: FlowFilter;
  events: EventFilter;
}

export interface Hub {
  /** Opens a stream of these topics; records through their filters. */
  open(
    caller: Caller,
    session: string | null,
    topics: ReadonlySet<Topic>,
    filters: RecordFilters,
  ): EventStream;
  /** Ends the streams of those who may not read any more, or see something else now; done every few seconds. */
  check(): Promise<void>;
  close(): void;
}

interface Client {
  caller: Caller;
  session: string | null;
  topics: ReadonlySet<Topic>;
  matches: ReturnType<typeof flowMatcher>;
  matchesEvent: ReturnType<typeof eventMatcher>;
  stream: EventStream;
  standing: string | undefined;
}

/** Changes are gathered this long, so that a burst is one reading. */
const GATHER_MS = 40;
const CHECK_MS = 10_000;

export function openHub(
  context: Context,
  deps: {
    directory: Directory;
    flows: Intake<FlowBlock>;
    inspection: Intake<InspectionBlock>;
    metrics: Metrics;
    readPublication: ReadPublication | undefined;
  },
): Hub {
  const { db, signals, log } = context;
  const { directory, metrics, readPublication } = deps;
  const clients = new Set<Client>();
  const flowBudget = new LiveBudget(LIVE_RATE);
  const eventBudget = new LiveBudget(LIVE_EVENTS);
  const listening = (topic: Topic) => [...clients].filter((c) => c.topics.has(topic));

  const flowsArrived = deps.flows.onArrival((host, block) => {
    const readers = listening('flow');
    if (!readers.length) return;
    const count = flowBudget.take(block.batch.count);
    for (const flow of liveFlows(host, block, count))
      for (const { matches, stream, caller } of readers)
        if (matches(flow)) stream.send({ topic: 'flow', data: flowView(flow, caller.scope, directory) });
    for (const { stream } of readers) stream.lose('flow', block.batch.count - count);
  });
  const eventsArrived = deps.inspection.onArrival((host, block) => {
    const readers = listening('inspection');
    if (!readers.length) return;
    const count = eventBudget.take(block.batch.count);
    for (const event of liveEvents(host, block, count))
      for (const { matchesEvent, stream, caller } of readers)
        if (matchesEvent(event))
          stream.send({ topic: 'inspection', data: eventView(event, caller.scope, directory) });
    for (const { stream } of readers) stream.lose('inspection', block.batch.count - count);
  });

  /** Collects keys for a moment, then hands them over once. */
  const gather = <T>(work: (keys: Set<T>) => Promise<void>) => {
    let keys = new Set<T>();
    let timer: NodeJS.Timeout | undefined;
    return (key: T) => {
      if (!clients.size) return;
      keys.add(key);
      timer ??= setTimeout(() => {
        timer = undefined;
        const now = keys;
        keys = new Set();
        db.outside(() => work(now)).catch((error: unknown) =>
          log.warn({ err: error }, 'live events could not be read'),
        );
      }, GATHER_MS);
    };
  };
  const publish = async (
    topic: Topic,
    read: (scope: Scope) => Promise<ServerEvent | undefined>,
  ): Promise<void> => {
    // Callers with the same view get the same reading.
    const readings = new Map<string, Promise<ServerEvent | undefined>>();
    for (const { caller, stream } of listening(topic)) {
      const key = JSON.stringify(caller.scope);
      const reading = readings.get(key) ?? read(caller.scope);
      readings.set(key, reading);
      const event = await reading;
      if (event) stream.send(event);
    }
  };

  const changedVms = new Map<string, DirectoryVm | undefined>();
  const tellVms = gather<string>(async (ids) => {
    const before = new Map([...ids].map((id) => [id, changedVms.get(id)] as const));
    for (const id of ids) changedVms.delete(id);
    const present = [...ids].flatMap((id) => directory.vm(id) ?? []).filter((vm) => !vm.gone);
    const views = new Map<string, VmView>(
      (await vmViews(db, directory, present)).map((view) => [view.id, view]),
    );
    for (const { caller, stream } of listening('vm'))
      for (const [id, old] of before) {
        const view = views.get(id);
        if (view && visible(caller.scope, view)) stream.send({ topic: 'vm', data: view });
        else if (old && !old.gone && visible(caller.scope, old))
          stream.send({ topic: 'vmGone', data: { id } });
      }
  });
  const tellHosts = gather<string>(async (ids) => {
    for (const id of ids)
      await publish('host', async (scope) => {
        const data = await readHost(context, id, scope);
        return data && { topic: 'host', data };
      });
  });
  const tellAlerts = gather<string>(async (ids) => {
    for (const id of ids)
      await publish('alert', async (scope) => {
        const data = await readAlert(context, directory, id, scope);
        return data && { topic: 'alert', data };
      });
  });
  const tellPublications = gather<number>(async (ids) => {
    for (const id of ids)
      await publish('publication', async (scope) => {
        const data = await readPublication?.(id, scope);
        return data && { topic: 'publication', data };
      });
  });

  // Only platform roles may read gateways (authorize/), and they see all there are.
  const tellGateways = gather<string>(async (hosts) => {
    const readers = listening('gateway').filter(({ caller }) => caller.scope.all);
    if (!readers.length) return;
    const told = new Set<string>();
    for (const data of await readInstances(db, { hosts: [...hosts] })) {
      told.add(`${data.host} ${data.id}`);
      for (const { stream } of readers) stream.send({ topic: 'gateway', data });
    }
    for (const [key, data] of goneInstances) {
      goneInstances.delete(key);
      if (told.has(key)) continue;
      for (const { stream } of readers) stream.send({ topic: 'gatewayGone', data });
    }
  });
  const goneInstances = new Map<string, { host: string; id: string }>();

  const stops = [
    flowsArrived,
    eventsArrived,
    directory.onChange((before, after) => {
      const id = (after ?? before)?.id ?? '';
      if (clients.size && !changedVms.has(id)) changedVms.set(id, before);
      tellVms(id);
    }),
    signals.on('host', ({ host }) => {
      tellHosts(host);
      // Whether anything is heard from a host is part of what its gateways are.
      tellGateways(host);
    }),
    signals.on('gateway', ({ host, gone }) => {
      if (clients.size) for (const id of gone) goneInstances.set(`${host} ${id}`, { host, id });
      tellGateways(host);
    }),
    signals.on('receipt', ({ host }) => tellHosts(host)),
    signals.on('desired', ({ host }) => tellHosts(host)),
    signals.on('alert', ({ id }) => tellAlerts(id)),
    signals.on('publication', ({ id }) => tellPublications(id)),
  ];
  const check = async () => {
    for (const client of clients) {
      const now = await db.outside(() => standing(db, client.caller, client.session));
      if (now === undefined || (client.standing !== undefined && now !== client.standing))
        client.stream.end();
      client.standing = now;
    }
  };
  const timer = setInterval(() => {
    check().catch((error: unknown) =>
      log.warn({ err: error }, 'the readers of streams could not be checked'),
    );
  }, CHECK_MS);
  timer.unref();

  return {
    open(caller, session, topics, filters) {
      const stream = new EventStream((topic, count) => metrics.eventsLost.inc({ topic }, count));
      const client: Client = {
        caller,
        session,
        topics,
        matches: flowMatcher(filters.flows),
        matchesEvent: eventMatcher(filters.events),
        stream,
        standing: undefined,
      };
      clients.add(client);
      metrics.eventStreams.set(clients.size);
      stream.body.on('close', () => {
        clients.delete(client);
        metrics.eventStreams.set(clients.size);
      });
      db.outside(() => standing(db, caller, session)).then(
        (now) => (client.standing = now),
        () => undefined,
      );
      return stream;
    },
    check,
    close() {
      clearInterval(timer);
      for (const stop of stops) stop();
      for (const { stream } of clients) stream.end();
    },
  };
}
