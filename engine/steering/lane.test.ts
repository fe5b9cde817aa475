// When a way through a gateway counts as dead and when as passing, probe by probe.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { IN_A_ROW, Lane, LATE_MS, median, PROBE_EVERY_MS } from './lane.ts';
import { decodeProbe, encodeProbe, newNonce } from './probe-frame.ts';

/** Sends a probe every 100 ms from 0 on; each comes out after the latency told, or not at all. Looks every ms. */
function judged(latencies: readonly (number | null)[], until: number) {
  const lane = new Lane();
  const history: { at: number; dead: boolean; passing: boolean }[] = [];
  for (let now = 0; now <= until; now++) {
    const sequence = now / PROBE_EVERY_MS;
    if (Number.isInteger(sequence) && sequence < latencies.length) lane.send(sequence, now);
    latencies.forEach((latency, i) => {
      if (latency !== null && i * PROBE_EVERY_MS + latency === now) lane.receive(i, now);
    });
    history.push({ at: now, dead: lane.isDead(now), passing: lane.isPassing() });
  }
  return { lane, history, deadAt: history.find(({ dead }) => dead)?.at };
}

test('three in a row make it pass, three that do not come make it dead, 250 ms after the first of them was sent', () => {
  const { history, deadAt } = judged([1, 1, 1, 1, null, null, null, null], 800);
  assert.equal(history.find(({ passing }) => passing)?.at, 201);
  assert.equal(deadAt, 400 + LATE_MS);
});

test('two lost in a row, or one late, do not make it dead', () => {
  assert.equal(judged([1, 1, 1, null, null, 1, null, null, 1], 850).deadAt, undefined);
  assert.equal(judged([1, 1, 1, 240, 1, 1, 1], 700).deadAt, undefined);
});

test('slow but steady passes; slower than it may be does not, and stays so', () => {
  const steady = judged(Array<number>(30).fill(LATE_MS - 10), 3_000);
  assert.equal(steady.deadAt, undefined);
  assert.ok(steady.lane.isPassing());
  const late = judged(Array<number>(30).fill(LATE_MS + 10), 3_000);
  assert.ok(late.history.every(({ passing }) => !passing));
  assert.ok(late.lane.isDead(3_000));
  assert.ok(late.lane.lost > 20);
});

test('what was never sent, or has come out before, changes nothing', () => {
  const lane = new Lane();
  for (let i = 0; i < 5; i++) lane.receive(i, i);
  assert.equal(lane.isPassing(), false);
  lane.send(1, 0);
  for (let i = 0; i < 5; i++) lane.receive(1, 1);
  assert.equal(lane.isPassing(), false);
  assert.deepEqual(lane.latencies(1), [1_000]);
});

test('a thread that was held up and sent nothing does not take that for silence', () => {
  const lane = new Lane();
  for (let i = 0; i < 3; i++) {
    lane.send(i, i * 100);
    lane.receive(i, i * 100 + 1);
  }
  lane.send(3, 300);
  assert.equal(lane.isDead(5_000), false);
  lane.send(4, 5_000);
  assert.equal(lane.isDead(5_001), false);
});

test('whatever comes out when: passing takes three that came in time, and none is lost that was not sent', () => {
  const latency = fc.option(fc.integer({ min: 0, max: 400 }));
  fc.assert(
    fc.property(fc.array(latency, { maxLength: 40 }), (latencies) => {
      const { lane, history } = judged(latencies, latencies.length * PROBE_EVERY_MS + 500);
      const passed = latencies.filter((l) => l !== null && l <= LATE_MS).length;
      if (history.some(({ passing }) => passing)) assert.ok(passed >= IN_A_ROW);
      assert.ok(lane.lost <= lane.sent);
      assert.equal(lane.sent, latencies.length);
    }),
    { numRuns: 200 },
  );
});

test('medians', () => {
  assert.equal(median([]), null);
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
});

test('a probe is read as it was written, by whoever knows the nonce, and nobody else', () => {
  const nonce = newNonce();
  const probe = { number: 15, way: 'back', sequence: 4_000_000_000 } as const;
  const frame = encodeProbe(probe, nonce);
  assert.deepEqual(decodeProbe(frame, nonce), probe);
  assert.deepEqual(decodeProbe(Buffer.concat([frame, Buffer.alloc(4)]), nonce), probe);
  assert.equal(decodeProbe(frame, newNonce()), undefined);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      assert.equal(decodeProbe(bytes, nonce), undefined);
    }),
  );
});
