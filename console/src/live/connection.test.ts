// The event stream reconnects with growing pauses, remembers since when it is lost, and counts what was missed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LiveConnection, type Source } from './connection.ts';

class FakeSource implements Source {
  closed = false;
  readonly url: string;
  readonly #listeners = new Map<string, ((event: { data?: unknown }) => void)[]>();
  constructor(url: string) {
    this.url = url;
  }
  addEventListener(type: string, listener: (event: { data?: unknown }) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }
  emit(type: string, data?: unknown): void {
    for (const listener of this.#listeners.get(type) ?? []) listener({ data });
  }
  close(): void {
    this.closed = true;
  }
}

function setup() {
  const sources: FakeSource[] = [];
  const timers: { run: () => void; ms: number; cancelled: boolean }[] = [];
  let clock = 1000;
  const live = new LiveConnection({
    open: (url) => {
      const source = new FakeSource(url);
      sources.push(source);
      return source;
    },
    url: (wanted) => `/v1/events?${JSON.stringify(wanted)}`,
    now: () => clock,
    later: (run, ms) => timers[timers.push({ run, ms, cancelled: false }) - 1],
    cancel: (timer) => {
      (timer as (typeof timers)[number]).cancelled = true;
    },
  });
  return { live, sources, timers, at: (t: number) => (clock = t) };
}

await test('a loss is dated, retried with growing pauses, and over when it opens', () => {
  const { live, sources, timers, at } = setup();
  live.start();
  sources[0]!.emit('open');
  assert.equal(live.status.state, 'open');
  at(5000);
  sources[0]!.emit('error');
  assert.ok(sources[0]!.closed);
  for (let i = 0; i < 8; i += 1) {
    at(6000 + i);
    timers.at(-1)!.run();
    sources.at(-1)!.emit('error');
  }
  assert.deepEqual({ state: live.status.state, since: live.status.since }, { state: 'lost', since: 5000 });
  assert.deepEqual(
    timers.map((t) => t.ms),
    [500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000, 15_000],
  );
  timers.at(-1)!.run();
  sources.at(-1)!.emit('open');
  assert.equal(live.status.state, 'open');
  assert.equal(live.status.connections, 2);
});

await test('data reaches its listeners until they leave', () => {
  const { live, sources } = setup();
  const seen: string[] = [];
  const stop = live.on('vmGone', ({ id }) => seen.push(id));
  live.start();
  sources[0]!.emit('vmGone', '{"id":"a"}');
  stop();
  sources[0]!.emit('vmGone', '{"id":"b"}');
  assert.deepEqual(seen, ['a']);
});

await test('asking for other flows opens one new stream and closes the old', () => {
  const { live, sources } = setup();
  live.start();
  live.want({ topic: 'flow', filter: { vm: ['a'] } });
  live.want({ topic: 'flow', filter: { vm: ['a'] } });
  assert.equal(sources.length, 2);
  assert.ok(sources[0]!.closed && !sources[1]!.closed);
  assert.match(sources[1]!.url, /vm/);
  sources[0]!.emit('error');
  assert.equal(live.status.state, 'connecting');
  live.want({ topic: 'inspection', filter: { vm: ['a'] } });
  assert.equal(sources.length, 3);
});

await test('what the server could not send, and what cannot be read, is counted', () => {
  const { live, sources } = setup();
  live.start();
  sources[0]!.emit('lost', '{"topic":"flow","count":12}');
  sources[0]!.emit('flow', '{"cut');
  assert.equal(live.status.missed, 13);
});

await test('stopping cancels the retry', () => {
  const { live, sources, timers } = setup();
  live.start();
  sources[0]!.emit('error');
  live.stop();
  assert.ok(timers[0]!.cancelled);
  assert.equal(live.status.state, 'off');
});
