// EVE lines from Suricata's socket to the engine's messages: cut anywhere, too long, too many, unacknowledged.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeFrame } from '@wocloud/protocol/frames.ts';
import { EVE_WINDOW, MAX_EVE_BYTES, MAX_EVE_LINES } from '@wocloud/protocol/gateway.ts';
import { cutLine, LineSplitter } from './eve-lines.ts';
import { EveQueue, type EveMessage } from './eve-queue.ts';
import { readStats } from './stats.ts';

const numRuns = Number(process.env['WOCLOUD_FUZZ_RUNS'] ?? 1_000);

test('lines come out whole however the bytes are cut; longer ones are cut at the bound and say so', () => {
  const line = fc.string({ unit: 'grapheme', maxLength: 80 }).map((text) => text.replaceAll('\n', ' '));
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), fc.integer({ min: 1, max: 50 }), (list, size) => {
      const bytes = Buffer.from(list.map((text) => `${text}\n`).join(''));
      const got: [string, boolean][] = [];
      const splitter = new LineSplitter(64, (text, isWhole) => got.push([text, isWhole]));
      for (let at = 0; at < bytes.length; at += size) splitter.push(bytes.subarray(at, at + size));
      assert.deepEqual(
        got,
        list
          .filter((text) => text !== '')
          .map((text) => [Buffer.from(text).subarray(0, 64).toString(), Buffer.byteLength(text) <= 64]),
      );
    }),
    { numRuns },
  );
});

test('what is left of a cut line is JSON with the fields that were complete', () => {
  const event = {
    timestamp: 'now',
    alert: { signature_id: 7, signature: 'a "quoted", \\ {text}' },
    list: [1, { a: 2 }],
  };
  const text = JSON.stringify({ ...event, payload: 'x'.repeat(1_000) });
  assert.deepEqual(JSON.parse(cutLine(text.slice(0, 500)) ?? ''), { ...event, cut: true });
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(), (object, at) => {
      const whole = JSON.stringify(object);
      const left = cutLine(whole.slice(0, at % (whole.length + 1)));
      if (left === undefined) return;
      const { cut, ...fields } = JSON.parse(left) as Record<string, unknown>;
      assert.equal(cut, true);
      for (const [name, value] of Object.entries(fields))
        assert.deepEqual(JSON.stringify(value), JSON.stringify(object[name]));
    }),
    { numRuns },
  );
});

test('nothing to save gives nothing', () => {
  for (const text of ['', '{', '{"a":1', 'nonsense, {"a":1,', '[1,2,'])
    assert.equal(cutLine(text), undefined, text);
});

const drain = (queue: EveQueue, now: number): EveMessage[] => {
  const messages: EveMessage[] = [];
  for (let next = queue.next(now); next; next = queue.next(now)) messages.push(next);
  return messages;
};

test('lines wait for others a tenth of a second, a full message not at all', () => {
  const queue = new EveQueue(10_000_000);
  queue.add('{}', 0);
  assert.deepEqual(drain(queue, 99), []);
  assert.deepEqual(
    drain(queue, 100).map((m) => [m.sequence, m.lines]),
    [[1, ['{}']]],
  );
  for (let i = 0; i < MAX_EVE_LINES + 1; i++) queue.add(`{"i":${i}}`, 200);
  assert.deepEqual(
    drain(queue, 200).map((m) => m.lines.length),
    [MAX_EVE_LINES],
  );
  queue.hurry();
  assert.equal(drain(queue, 200).length, 1);
});

test('a message of the longest and most quoted lines fits a frame', () => {
  const queue = new EveQueue(64_000_000);
  const line = `{"a":"${'\\"'.repeat((MAX_EVE_BYTES - 8) / 2)}"}`;
  for (let i = 0; i < 40; i++) queue.add(line, 0);
  const messages = drain(queue, 1_000);
  assert.ok(messages.length > 0);
  for (const message of messages)
    encodeFrame({ type: 'data', guest: 1, host: 1, payload: Buffer.from(JSON.stringify(message)) });
});

test('only so many are under way; the rest waits, bounded, and the oldest are given up and counted', () => {
  const queue = new EveQueue(100_000);
  const fill = (count: number) => {
    for (let i = 0; i < count; i++) queue.add(`{"i":${i}}`.padEnd(100), 0);
  };
  queue.hurry();
  for (let i = 0; i < EVE_WINDOW + 5; i++) {
    fill(10);
    queue.next(0);
  }
  assert.equal(queue.next(0), undefined);
  fill(10_000);
  assert.ok(queue.bytes <= 100_000);
  assert.equal(queue.lost, 10_000 + 50 - 500);
  queue.acknowledge(1, 0);
  assert.deepEqual([queue.next(0)?.sequence, queue.next(0)], [EVE_WINDOW + 1, undefined]);
});

test('whatever is acknowledged, lost or begun anew: in the end each line arrives, in order, none twice', () => {
  const step = fc.oneof(
    fc.record({ add: fc.integer({ min: 1, max: 700 }) }),
    fc.constantFrom('send', 'ack', 'drop', 'session', 'patience'),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new EveQueue(1e9);
      const heard: string[] = [];
      let [said, now, last] = [0, 0, 0];
      let wire: EveMessage[] = [];
      const hear = () => {
        for (const message of wire) {
          if (message.sequence !== last + 1) continue;
          last = message.sequence;
          heard.push(...message.lines);
        }
        wire = [];
        queue.acknowledge(last, now);
      };
      for (const what of steps) {
        now += 100;
        if (typeof what === 'object') for (let i = 0; i < what.add; i++) queue.add(`{"n":${++said}}`, now);
        else if (what === 'send') wire.push(...drain(queue, now));
        else if (what === 'ack') hear();
        else if (what === 'drop') wire = [];
        else if (what === 'session') {
          wire = [];
          queue.restart();
        } else now += 20_000;
      }
      for (let i = 0; i < 200 && heard.length < said; i++) {
        now += 20_000;
        wire.push(...drain(queue, now));
        hear();
      }
      assert.deepEqual(
        heard,
        Array.from({ length: said }, (_, i) => `{"n":${i + 1}}`),
      );
      assert.equal(queue.lost, 0);
    }),
    { numRuns: Math.min(numRuns, 2_000) },
  );
});

test('statistics are read, and nothing else is taken for them', () => {
  const line =
    '{"timestamp":"t","event_type":"stats","stats":{"capture":{"kernel_packets":7,"kernel_drops":2}}}';
  assert.deepEqual(readStats(line), { packets: 7, dropped: 2 });
  assert.equal(readStats('{"timestamp":"t","event_type":"http","x":{"event_type":"stats"}}'), undefined);
  assert.deepEqual(
    readStats('{"timestamp":"t","event_type":"stats","stats":{"capture":{"kernel_packets":-1}}}'),
    {
      packets: 0,
      dropped: 0,
    },
  );
  assert.equal(readStats('{"timestamp":"t","event_type":"stats",'), undefined);
});
