// A time range survives the URL, moves and widens, and never ends after now.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DEFAULT_RANGE,
  ageMs,
  fixedRange,
  isLive,
  readRange,
  resolveRange,
  shiftRange,
  widenRange,
  writeRange,
} from './range.ts';

const now = Date.parse('2026-05-01T12:00:00Z');
const params = (text: string) => new URLSearchParams(text);

await test('ages are read in each unit', () => {
  assert.equal(ageMs('90s'), 90_000);
  assert.equal(ageMs('1.5h'), 5_400_000);
  assert.equal(ageMs('2w'), 1_209_600_000);
  assert.equal(ageMs('soon'), null);
});

await test('the URL gives the range, and nonsense gives the default', () => {
  assert.deepEqual(readRange(params('')), DEFAULT_RANGE);
  assert.deepEqual(readRange(params('since=15m')), { since: '15m', until: null });
  assert.deepEqual(readRange(params('since=banana')), DEFAULT_RANGE);
  assert.deepEqual(readRange(params('since=15m&until=2026-05-01T00:00:00Z')), { since: '15m', until: null });
  const fixed = { since: '2026-05-01T00:00:00Z', until: '2026-05-01T01:00:00Z' };
  assert.deepEqual(readRange(params(`since=${fixed.since}&until=${fixed.until}`)), fixed);
  assert.deepEqual(readRange(params(`since=${fixed.until}&until=${fixed.since}`)), DEFAULT_RANGE);
});

await test('a range written into the URL is read back, the default without trace', () => {
  for (const range of [DEFAULT_RANGE, { since: '7d', until: null }, fixedRange(now - 5000, now)]) {
    const url = params('q=x');
    writeRange(url, range);
    assert.deepEqual(readRange(url), range);
    assert.equal(url.get('q'), 'x');
  }
  const url = params('since=5m');
  writeRange(url, DEFAULT_RANGE);
  assert.equal(url.toString(), '');
});

await test('relative ranges end now', () => {
  assert.deepEqual(resolveRange({ since: '15m', until: null }, now), { from: now - 900_000, to: now });
  assert.ok(isLive(DEFAULT_RANGE));
  assert.ok(!isLive(fixedRange(0, 1)));
});

await test('shifting back fixes the range, shifting forward stops at now', () => {
  const back = shiftRange({ since: '1h', until: null }, -0.5, now);
  assert.deepEqual(resolveRange(back, now), { from: now - 5_400_000, to: now - 1_800_000 });
  assert.equal(resolveRange(shiftRange(back, 5, now), now).to, now);
});

await test('widening doubles, relative or fixed', () => {
  assert.deepEqual(widenRange({ since: '15m', until: null }, now), { since: '30m', until: null });
  const { from, to } = resolveRange(widenRange(fixedRange(now - 60_000, now), now), now);
  assert.equal(to - from, 120_000);
});

await test('a brush of nothing is still a second long', () => {
  const { from, to } = resolveRange(fixedRange(now, now), now);
  assert.equal(to - from, 1000);
});
