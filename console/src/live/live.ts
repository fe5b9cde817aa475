// The tab's event stream and what it keeps fresh: objects that changed replace what was read of them.
import type { QueryClient } from '@tanstack/react-query';
import { OPERATIONS } from '@wocloud/protocol/api.ts';
import { operationUrl } from '@wocloud/protocol/client.ts';
import type { GatewayView } from '@wocloud/protocol/views.ts';
import { useEffect, useSyncExternalStore } from 'react';
import { refresh } from '../api/calls.ts';
import { LiveConnection, type Listener, type LiveStatus, type Topic } from './connection.ts';

const QUIET_TOPICS = ['vm', 'host', 'alert', 'publication', 'gateway'];

export const live = new LiveConnection({
  open: (url) => new EventSource(url),
  url: (wanted) =>
    operationUrl(
      OPERATIONS['events.stream'],
      {},
      {
        ...wanted?.filter,
        topics: wanted ? [...QUIET_TOPICS, wanted.topic] : QUIET_TOPICS,
      },
    ),
  now: Date.now,
  later: (run, ms) => setTimeout(run, ms),
  cancel: (timer) => clearTimeout(timer as number),
});

/** The stream's state; the component renders again when it changes. */
export const useLiveStatus = (): LiveStatus =>
  useSyncExternalStore(
    (changed) => live.watch(changed),
    () => live.status,
  );

/** Hears one topic while the component stands. */
export function useLive<T extends Topic>(topic: T, listener: Listener<T>): void {
  useEffect(() => live.on(topic, listener), [topic, listener]);
}

interface Identified {
  id: string | number;
}
interface Pages {
  pages: { items: Identified[] }[];
}

/** Keeps the cache fresh from the stream; returns how to stop. */
export function keepFresh(cache: QueryClient): () => void {
  const overview = throttled(() => void refresh(cache, ['status.get']), 2000);
  const lists = throttled(() => void refresh(cache, ['vms.list', 'alerts.list', 'hosts.list']), 5000);
  const publications = throttled(
    () => void refresh(cache, ['publications.list', 'publications.get', 'changes.list', 'policies.list']),
    500,
  );
  let connections = live.status.connections;
  const stops = [
    live.on('vm', (vm) => {
      if (!replaceIn(cache, 'vms', vm)) lists();
      overview();
    }),
    live.on('vmGone', () => {
      lists();
      overview();
    }),
    live.on('host', (host) => {
      if (!replaceIn(cache, 'hosts', host)) lists();
      // A receipt may be the one that a publication waited for.
      if (isPublishing(cache)) publications();
      overview();
    }),
    live.on('alert', (alert) => {
      if (!replaceIn(cache, 'alerts', alert)) lists();
      overview();
    }),
    live.on('publication', (publication) => {
      if (!replaceIn(cache, 'publications', publication) || publication.state !== 'publishing')
        void refresh(cache, ['publications.list', 'changes.list', 'policies.list']);
      overview();
    }),
    live.on('gateway', (instance) => {
      const same = (other: GatewayView) => other.host === instance.host && other.id === instance.id;
      if (!replaceInstance(cache, same, instance)) void refresh(cache, ['instances.list']);
    }),
    live.on('gatewayGone', ({ host, id }) => {
      replaceInstance(cache, (other) => other.host === host && other.id === id, null);
    }),
    live.watch(() => {
      // Whatever happened while the stream was away is read again.
      if (live.status.connections > connections && connections > 0) void cache.invalidateQueries();
      connections = live.status.connections;
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

/** Whether a publication that was read still waits for hosts. */
const isPublishing = (cache: QueryClient) =>
  cache
    .getQueriesData<{ pages?: { items: { state: string }[] }[] }>({
      predicate: (q) => q.queryKey[0] === 'publications.list',
    })
    .some(([, read]) => read?.pages?.some((page) => page.items.some((p) => p.state === 'publishing')));

/** Replaces an object wherever it was read; false when no list had it. */
function replaceIn(cache: QueryClient, noun: string, object: Identified): boolean {
  let listed = false;
  cache.setQueriesData<Pages>({ predicate: (q) => q.queryKey[0] === `${noun}.list` }, (old) => {
    if (!old || !Array.isArray(old.pages)) return old;
    const pages = old.pages.map((page) => {
      const at = page.items.findIndex((item) => item.id === object.id);
      if (at < 0) return page;
      listed = true;
      return { ...page, items: page.items.with(at, object) };
    });
    return { ...old, pages };
  });
  cache.setQueriesData<Identified>({ predicate: (q) => q.queryKey[0] === `${noun}.get` }, (old) =>
    old && old.id === object.id ? object : old,
  );
  return listed;
}

/** An instance has no id of its own across hosts. Puts the newer one (null: none) in its place; false: no list had it. */
function replaceInstance(
  cache: QueryClient,
  same: (instance: GatewayView) => boolean,
  newer: GatewayView | null,
): boolean {
  let listed = false;
  cache.setQueriesData<{ pages: { items: GatewayView[] }[] }>(
    { predicate: (q) => q.queryKey[0] === 'instances.list' },
    (old) => {
      if (!old || !Array.isArray(old.pages)) return old;
      const pages = old.pages.map((page) => {
        if (!page.items.some(same)) return page;
        listed = true;
        return { ...page, items: page.items.flatMap((i) => (same(i) ? (newer ? [newer] : []) : [i])) };
      });
      return { ...old, pages };
    },
  );
  return listed;
}

/** At most once per `ms`; a call in between is done at its end. */
function throttled(run: () => void, ms: number): () => void {
  let timer: ReturnType<typeof setTimeout> | null = null;
  let again = false;
  const fire = () => {
    run();
    again = false;
    timer = setTimeout(() => {
      timer = null;
      if (again) fire();
    }, ms);
  };
  return () => {
    if (timer === null) fire();
    else again = true;
  };
}
