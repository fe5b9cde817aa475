// Alerts: a repetition is a count, a storm is held back, nothing is lost silently.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineAlert } from '@wocloud/protocol/reports.ts';
import { Alerts, type NewAlert } from './alerts.ts';

const alert = (key: string): NewAlert => ({
  kind: 'spoof.mac',
  key,
  severity: 'high',
  title: 't',
  vm: null,
  evidence: {},
});

function sink() {
  const state = { now: 0, open: true, sent: [] as EngineAlert[] };
  const alerts = new Alerts(
    (a) => state.open && state.sent.push({ ...a }) > 0,
    () => state.now,
  );
  return { state, alerts };
}

test('the first goes at once; repetitions within ten seconds become one with their count', () => {
  const { state, alerts } = sink();
  for (let i = 0; i < 5; i++) alerts.raise(alert('a'));
  assert.deepEqual(
    state.sent.map((a) => a.count),
    [1],
  );
  state.now = 10_000;
  alerts.flush();
  assert.deepEqual(
    state.sent.map((a) => a.count),
    [1, 4],
  );
});

test('while the platform is away alerts wait, each once with its count', () => {
  const { state, alerts } = sink();
  state.open = false;
  for (let i = 0; i < 3; i++) alerts.raise(alert('a'));
  alerts.raise(alert('b'));
  state.open = true;
  alerts.flush();
  assert.deepEqual(
    state.sent.map((a) => [a.key, a.count]),
    [
      ['a', 3],
      ['b', 1],
    ],
  );
});

test('a storm is sent slowly, and what does not fit is counted', () => {
  const { state, alerts } = sink();
  for (let i = 0; i < 5_000; i++) alerts.raise(alert(`k${i}`));
  assert.equal(state.sent.length, 100);
  state.now = 1_000;
  alerts.flush();
  assert.equal(state.sent.length, 120);
  const { counters } = alerts;
  assert.equal(counters['alerts.raised'], 5_000);
  assert.equal(counters['alerts.dropped'], 5_000 - 100 - 2_000);
});
