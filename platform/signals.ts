// "Something changed": a typed emitter in this process that also wakes the other replicas by LISTEN/NOTIFY.
// A signal is a hint, never the truth: listeners read the database again, and also look periodically.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import type { Logger } from 'pino';
import type { Database } from './database/database.ts';

export interface Topics {
  /** Documents of these kinds were written. */
  documents: { kinds: string[] };
  /** VMs of a host changed; `vms: null` means any of them may have. */
  inventory: { host: string; vms: string[] | null };
  /** Enforcement was switched somewhere. */
  enforcement: Record<string, never>;
  /** A host has a new desired generation. */
  desired: { host: string; generation: number };
  /** A host answered with a receipt. */
  receipt: { host: string };
  /** A host joined, connected, went silent, was forgotten, or its facts changed. */
  host: { host: string };
  alert: { id: string };
  /** A host reported its gateway instances; `gone`: ids of those that are there no more. */
  gateway: { host: string; gone: string[] };
  publication: { id: number };
  /** The connection was lost for a while: anything may have changed. */
  resync: Record<string, never>;
}
export type Topic = keyof Topics;
export type Listener<T extends Topic> = (payload: Topics[T]) => void;

export interface Signals {
  /** Tells listeners here and in other replicas; within a transaction, when it commits. */
  emit<T extends Topic>(topic: T, payload: Topics[T]): void;
  /** Returns the function that stops listening. */
  on<T extends Topic>(topic: T, listener: Listener<T>): () => void;
  close(): Promise<void>;
}

const CHANNEL = 'wocloud';
const MAX_PAYLOAD = 7_900;

/** Starts listening in the background and keeps reconnecting until closed. */
export function openSignals(db: Database, log: Logger): Signals {
  const origin = randomUUID();
  const listeners = new Map<Topic, Set<Listener<never>>>();
  let closed = false;
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  let wasConnected = false;

  const deliver = (topic: Topic, payload: unknown) => {
    for (const listener of listeners.get(topic) ?? []) {
      try {
        listener(payload as never);
      } catch (error) {
        log.error({ err: error, topic }, 'a listener failed');
      }
    }
  };
  const retry = () => {
    if (closed || timer) return;
    timer = setTimeout(() => {
      timer = undefined;
      void connect();
    }, 500);
  };
  const connect = async () => {
    const next = new pg.Client({ connectionString: db.url, application_name: 'wocloud-signals' });
    next.on('error', () => undefined);
    next.on('end', () => {
      if (client === next) client = undefined;
      retry();
    });
    next.on('notification', ({ payload }) => receive(payload ?? ''));
    try {
      await next.connect();
      await next.query(`LISTEN ${CHANNEL}`);
      if (closed) {
        await next.end();
        return;
      }
      client = next;
      if (wasConnected) deliver('resync', {});
      wasConnected = true;
    } catch (error) {
      log.warn({ err: error }, 'cannot listen for signals; trying again');
      await next.end().catch(() => undefined);
      retry();
    }
  };
  const receive = (text: string) => {
    try {
      const [from, topic, payload] = JSON.parse(text) as [string, Topic, unknown];
      if (from !== origin) deliver(topic, payload);
    } catch (error) {
      log.warn({ err: error }, 'a malformed notification was ignored');
    }
  };
  void connect();

  return {
    emit(topic, payload) {
      db.afterCommit(() => {
        deliver(topic, payload);
        let text = JSON.stringify([origin, topic, payload]);
        if (text.length > MAX_PAYLOAD) text = JSON.stringify([origin, 'resync', {}]);
        void db
          .outside(() => db.query('SELECT pg_notify($1, $2)', [CHANNEL, text]))
          .catch((error: unknown) => log.warn({ err: error, topic }, 'other replicas were not told'));
      });
    },
    on(topic, listener) {
      const set = listeners.get(topic) ?? new Set();
      listeners.set(topic, set.add(listener));
      return () => void set.delete(listener);
    },
    async close() {
      closed = true;
      clearTimeout(timer);
      await client?.end().catch(() => undefined);
    },
  };
}
