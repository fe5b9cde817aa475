// One event stream per tab: it reconnects by itself with growing pauses, says since when it is lost, and carries
// flows or inspection events only while a screen asks for them (a browser allows few connections to one origin).
import type { ServerEvent } from '@wocloud/protocol/views.ts';

export type Topic = ServerEvent['topic'];
type DataOf<T extends Topic> = Extract<ServerEvent, { topic: T }>['data'];
export type Listener<T extends Topic> = (data: DataOf<T>) => void;

export interface Source {
  addEventListener(type: string, listener: (event: { data?: unknown }) => void): void;
  close(): void;
}

export interface LiveStatus {
  state: 'off' | 'connecting' | 'open' | 'lost';
  /** Milliseconds since the epoch: when this state began. */
  since: number;
  /** Connections made so far; a rise means that something may have been missed in between. */
  connections: number;
  /** Events that the server says it could not send. */
  missed: number;
}

/** What there is too much of to be sent unasked, and which of it a screen wants. */
export type Torrent = 'flow' | 'inspection';
export interface Wanted {
  topic: Torrent;
  filter: object;
}

export interface LiveParts {
  open: (url: string) => Source;
  /** The stream's address for what is wanted, or for nothing besides what is always sent. */
  url: (wanted: Wanted | null) => string;
  now: () => number;
  later: (run: () => void, ms: number) => unknown;
  cancel: (timer: unknown) => void;
}

const TOPICS: readonly Topic[] = [
  'flow',
  'inspection',
  'vm',
  'vmGone',
  'host',
  'alert',
  'publication',
  'gateway',
  'gatewayGone',
  'lost',
];
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;

export class LiveConnection {
  readonly #parts: LiveParts;
  readonly #listeners = new Map<Topic, Set<(data: never) => void>>();
  readonly #watchers = new Set<() => void>();
  #source: Source | null = null;
  #timer: unknown = null;
  #pause = FIRST_PAUSE_MS;
  #wanted: Wanted | null = null;
  #status: LiveStatus;

  constructor(parts: LiveParts) {
    this.#parts = parts;
    this.#status = { state: 'off', since: parts.now(), connections: 0, missed: 0 };
  }

  get status(): LiveStatus {
    return this.#status;
  }

  /** Calls `watcher` whenever the status changes; returns how to stop. */
  watch(watcher: () => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  on<T extends Topic>(topic: T, listener: Listener<T>): () => void {
    const set = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, set);
    set.add(listener);
    return () => set.delete(listener);
  }

  start(): void {
    if (this.#status.state === 'off') this.#connect('connecting');
  }

  stop(): void {
    this.#close();
    this.#set({ state: 'off' });
  }

  /** Asks for what matches (null: for nothing of the kind); the stream is opened anew when that changed. */
  want(wanted: Wanted | null): void {
    if (JSON.stringify(wanted) === JSON.stringify(this.#wanted)) return;
    this.#wanted = wanted;
    if (this.#status.state === 'off') return;
    this.#close();
    // A change of mind is no loss: a stream that was lost stays so until it opens.
    this.#connect(this.#status.state === 'lost' ? 'lost' : 'connecting');
  }

  #connect(state: 'connecting' | 'lost'): void {
    this.#set({ state });
    const source = this.#parts.open(this.#parts.url(this.#wanted));
    this.#source = source;
    const current = () => this.#source === source;
    source.addEventListener('open', () => {
      if (!current()) return;
      this.#pause = FIRST_PAUSE_MS;
      this.#set({ state: 'open', connections: this.#status.connections + 1 });
    });
    source.addEventListener('error', () => {
      if (!current()) return;
      this.#close();
      this.#set({ state: 'lost' });
      this.#timer = this.#parts.later(() => this.#connect('lost'), this.#pause);
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
    });
    for (const topic of TOPICS)
      source.addEventListener(topic, (event) => {
        if (current() && typeof event.data === 'string') this.#deliver(topic, event.data);
      });
  }

  #deliver(topic: Topic, text: string): void {
    let data: unknown;
    try {
      data = JSON.parse(text);
    } catch {
      // A proxy cut the line: count it with what the server could not send.
      this.#set({ missed: this.#status.missed + 1 });
      return;
    }
    if (topic === 'lost')
      this.#set({ missed: this.#status.missed + ((data as { count?: number }).count ?? 1) });
    for (const listener of this.#listeners.get(topic) ?? []) listener(data as never);
  }

  #close(): void {
    if (this.#timer !== null) this.#parts.cancel(this.#timer);
    this.#timer = null;
    this.#source?.close();
    this.#source = null;
  }

  #set(change: Partial<LiveStatus>): void {
    const moved = change.state !== undefined && change.state !== this.#status.state;
    this.#status = { ...this.#status, ...change, ...(moved ? { since: this.#parts.now() } : {}) };
    for (const watcher of this.#watchers) watcher();
  }
}
