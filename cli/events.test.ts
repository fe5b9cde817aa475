import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseEvents } from './events.ts';

const STREAM =
  ': hello\n\nevent: vmGone\ndata: {"id":\ndata: "a"}\n\nevent: lost\r\ndata: {"topic":"流量","count":3}\r\n\r\nevent: cut\ndata: {}';

const parse = async (pieces: Uint8Array[]) => {
  async function* feed() {
    yield* pieces;
  }
  return Array.fromAsync(parseEvents(feed()));
};

test('events are the same however the stream is cut, and an unfinished one is not delivered', async () => {
  const whole = new TextEncoder().encode(STREAM);
  const expected = [
    { topic: 'vmGone', data: { id: 'a' } },
    { topic: 'lost', data: { topic: '流量', count: 3 } },
  ];
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(whole.length), { maxLength: 12 }), async (cuts) => {
      const at = [0, ...cuts.sort((a, b) => a - b), whole.length];
      const pieces = at.slice(1).map((end, i) => whole.subarray(at[i], end));
      assert.deepEqual(await parse(pieces), expected);
    }),
    { numRuns: 300 },
  );
});
