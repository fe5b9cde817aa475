// The desired state of every host, always up to date: woken by signals, and looking at everything periodically.
// One replica leads: it numbers the states and stores the numbers; the others come to the same states and follow.
import type { DesiredState } from '@wocloud/protocol/desired.ts';
import type { World } from '@wocloud/policy/model.ts';
import type { Context } from '../context.ts';
import { stateDigest } from './digest.ts';
import { openLease, type Lease } from './lease.ts';
import { PlanWorld, type Pending } from './world.ts';

export interface Plans {
  /** The newest state of a host; undefined until it is planned. */
  current(host: string): DesiredState | undefined;
  /** Called with each new state. Returns its undo. */
  onChange(listener: (host: string, state: DesiredState) => void): () => void;
  /** What the plan knows, for explaining. */
  world(): World;
  /** Resolves once everything signalled so far is planned. */
  settled(): Promise<void>;
  /** Begins; resolves after the first plan (or the first failure: it goes on trying). */
  start(): Promise<void>;
  stop(): Promise<void>;
}

const LEASE_KEY = 7_206_115;
const REPLAN_MS = 60_000;
const RETRY_MS = 500;

interface Numbered {
  generation: number;
  digest: string;
}

/**
 * One statement, so that a publication and the generations that hold it are known together. Hosts whose state did
 * not change hold a publication with the generation they have.
 */
const SAVE = `
  WITH numbered AS (
    INSERT INTO generations AS g (host, generation, digest)
    SELECT n.host, coalesce(h.applied_generation, 0) + 1, n.digest
    FROM unnest($1::uuid[], $2::text[]) AS n(host, digest) LEFT JOIN hosts h ON h.id = n.host
    ON CONFLICT (host) DO UPDATE SET generation = greatest(g.generation + 1, excluded.generation),
      digest = excluded.digest, at = now()
    RETURNING host, generation, digest),
  held AS (
    INSERT INTO publication_hosts (publication, host, generation)
    SELECT p, h.id, coalesce(n.generation, g.generation) FROM unnest($3::bigint[]) AS p
    JOIN hosts h ON NOT h.forgotten LEFT JOIN numbered n ON n.host = h.id LEFT JOIN generations g ON g.host = h.id
    WHERE coalesce(n.generation, g.generation) IS NOT NULL
    ON CONFLICT DO NOTHING),
  done AS (UPDATE publications SET planned = true WHERE id = ANY ($3::bigint[]))
  SELECT host, generation, digest FROM numbered`;

const nothing = (): Pending => ({ documents: false, enforcement: false, hosts: false, vms: new Set() });
const everything = (): Pending => ({ documents: true, enforcement: true, hosts: true, vms: 'all' });

export function createPlans({ db, signals, log }: Context): Plans {
  const world = new PlanWorld(db);
  const states = new Map<string, DesiredState>();
  const numbers = new Map<string, Numbered>();
  /** Planned and not yet numbered. */
  const unsaved = new Map<string, { state: DesiredState; digest: string }>();
  const listeners = new Set<(host: string, state: DesiredState) => void>();
  let pending = everything();
  let running: Promise<void> | undefined;
  let again = false;
  let stopped = true;
  let lease: Lease | undefined;
  let retry: NodeJS.Timeout | undefined;
  const undo: (() => void)[] = [];

  /** Numbers the states that changed, and says of each publication which generations hold it. */
  const save = async (publications: readonly number[]): Promise<void> => {
    for (const { id, applied } of world.hosts()) {
      // A host that is ahead of us (a database restored from an older copy) would refuse our numbers.
      const state = states.get(id);
      const number = numbers.get(id);
      if (state && number && applied > number.generation && !unsaved.has(id))
        unsaved.set(id, { state, digest: number.digest });
    }
    if (unsaved.size === 0 && publications.length === 0) return;
    const hosts = [...unsaved.keys()];
    const saved = await db.query<{ host: string } & Numbered>(SAVE, [
      hosts,
      hosts.map((h) => unsaved.get(h)?.digest),
      publications,
    ]);
    for (const { host, generation, digest } of saved) {
      const planned = unsaved.get(host);
      if (!planned || planned.digest !== digest) continue;
      unsaved.delete(host);
      numbers.set(host, { generation, digest });
      tell(host, { ...planned.state, generation });
      signals.emit('desired', { host, generation });
    }
    for (const id of publications) signals.emit('publication', { id });
  };

  const tell = (host: string, state: DesiredState) => {
    states.set(host, state);
    for (const listener of listeners) listener(host, state);
  };

  const readNumbers = async () => {
    const rows = await db.query<{ host: string } & Numbered>(
      'SELECT host, generation, digest FROM generations',
    );
    numbers.clear();
    for (const { host, ...number } of rows) numbers.set(host, number);
  };

  const pass = async (): Promise<void> => {
    const now = pending;
    pending = nothing();
    const lead = lease?.held() ?? false;
    try {
      // Before the documents are read: what is published by then is in them.
      const publications = lead
        ? await db.query<{ id: number }>('SELECT id FROM publications WHERE NOT planned ORDER BY id')
        : [];
      if (now.vms === 'all') {
        if (lead) await world.remember();
        await readNumbers();
      } else if (!lead) await readNumbers();
      await world.update(now, lead);
      for (const host of world.planner.dirtyHosts()) {
        const state = world.planner.desired(host);
        unsaved.set(host, { state, digest: stateDigest(state) });
      }
      for (const [host, { state, digest }] of unsaved) {
        const number = numbers.get(host);
        if (number?.digest !== digest) continue;
        // Known already: from before our start, or numbered by the replica that leads.
        unsaved.delete(host);
        if (states.get(host)?.generation !== number.generation)
          tell(host, { ...state, generation: number.generation });
      }
      const known = new Set(world.hosts().map((h) => h.id));
      for (const host of states.keys()) if (!known.has(host)) states.delete(host);
      for (const host of unsaved.keys()) if (!known.has(host)) unsaved.delete(host);
      if (lead) await save(publications.map((p) => p.id));
    } catch (error) {
      log.warn({ err: error }, 'planning failed; trying again');
      pending = everything();
      clearTimeout(retry);
      retry = setTimeout(wake, RETRY_MS);
      retry.unref();
    }
  };

  const wake = (): void => {
    if (stopped) return;
    again = true;
    running ??= db
      .outside(async () => {
        // oxlint-disable-next-line no-unmodified-loop-condition -- `stop` sets it during a pass
        while (again && !stopped) {
          again = false;
          await pass();
        }
      })
      .finally(() => (running = undefined));
  };
  const note = (change: Partial<Pending>) => {
    pending = {
      documents: pending.documents || (change.documents ?? false),
      enforcement: pending.enforcement || (change.enforcement ?? false),
      hosts: pending.hosts || (change.hosts ?? false),
      vms:
        pending.vms === 'all' || change.vms === 'all'
          ? 'all'
          : new Set([...pending.vms, ...(change.vms ?? [])]),
    };
    wake();
  };

  return {
    current: (host) => states.get(host),
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    world: () => world.planner.world(),
    async settled() {
      // oxlint-disable-next-line no-unmodified-loop-condition -- its end clears it
      while (running) await running;
    },
    async start() {
      stopped = false;
      lease = openLease(db.url, LEASE_KEY, log, () => note(everything()));
      await lease.ready;
      undo.push(
        signals.on('documents', () => note({ documents: true })),
        signals.on('publication', () => note({ documents: true })),
        signals.on('enforcement', () => note({ enforcement: true })),
        signals.on('host', () => note({ hosts: true })),
        signals.on('inventory', ({ vms }) => note({ vms: vms === null ? 'all' : new Set(vms) })),
        // Another replica numbered a state; ours of the same digest takes its number.
        signals.on('desired', () => lease?.held() || note({})),
        signals.on('resync', () => note(everything())),
      );
      const timer = setInterval(() => note(everything()), REPLAN_MS);
      timer.unref();
      undo.push(() => clearInterval(timer));
      wake();
      await running;
    },
    async stop() {
      stopped = true;
      clearTimeout(retry);
      for (const one of undo.splice(0)) one();
      await running;
      await lease?.close();
    },
  };
}
