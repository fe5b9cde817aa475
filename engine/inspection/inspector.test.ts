// However much a gateway says, and whatever it says of itself, the platform hears a bounded amount, and nothing is left
// out without being counted.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { FlowRecord } from '@wocloud/protocol/flow.ts';
import type { InspectionEvent } from '@wocloud/protocol/inspection.ts';
import type { NewAlert } from '../alerts/alerts.ts';
import type { EveLines } from '../channels/gateway-channel.ts';
import { fixedDirectory, nic } from '../flows/testing/directory.ts';
import { Inspector } from './inspector.ts';

const lines = readFileSync(new URL('testing/eve.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n');
const alertLine = lines.find(
  (l) => l.includes('"signature_id":1000001') && l.includes('"event_type":"alert"'),
) as string;

class Heard {
  rows: InspectionEvent[] = [];
  batches: { rows: number; lost: number }[] = [];
  drops: FlowRecord[] = [];
  alerts: NewAlert[] = [];
  readonly inspector = new Inspector({
    directory: fixedDirectory([
      nic({ vm: 'left', mac: '52:54:00:00:00:0a', network: 'net-1' }),
      nic({ vm: 'right', mac: '52:54:00:00:00:0b', network: 'net-1' }),
    ]),
    records: (rows, lost) => {
      this.rows.push(...rows);
      this.batches.push({ rows: rows.length, lost });
    },
    drops: (records) => this.drops.push(...records),
    alert: (alert) => this.alerts.push(alert),
    clock: () => this.clock,
  });
  clock = 0;
  #sequence = 0;

  take(of: string[], told: Partial<EveLines> = {}): void {
    this.inspector.take('gw/1', {
      type: 'eve',
      sequence: ++this.#sequence,
      lines: of,
      lost: 0,
      cut: 0,
      ...told,
    });
  }

  get lost(): number {
    return this.batches.reduce((sum, b) => sum + b.lost, 0);
  }
}

test('everything of a message is handed over before it returns', () => {
  const heard = new Heard();
  heard.take(lines);
  assert.equal(heard.rows.length, lines.length);
  assert.equal(heard.drops.length, 4);
  heard.inspector.close();
  assert.ok(heard.alerts.length >= 5);
});

test('the same alert again and again is one with a count', () => {
  const heard = new Heard();
  for (let i = 0; i < 20; i++) heard.take(Array.from({ length: 100 }, () => alertLine));
  heard.inspector.close();
  assert.deepEqual(
    heard.alerts.map((a) => [a.key, a.count]),
    [['1000001 left right', 2_000]],
  );
});

test('what is no event is lost and counted, and costs no other line', () => {
  const heard = new Heard();
  heard.take(['', '{}', 'nonsense', alertLine]);
  assert.equal(heard.rows.length, 1);
  assert.deepEqual(heard.batches, [{ rows: 1, lost: 3 }]);
  assert.equal(heard.inspector.counters['inspection.malformed'], 3);
});

test('what the gateway has lost is passed on once, from zero again after its daemon began anew', () => {
  const heard = new Heard();
  heard.take([alertLine], { lost: 10 });
  heard.take([alertLine], { lost: 10 });
  heard.take([alertLine], { lost: 15 });
  heard.take([alertLine], { lost: 2, cut: 3 });
  assert.deepEqual(
    heard.batches.map((b) => b.lost),
    [10, 0, 5, 2],
  );
  heard.take([], { lost: Number.MAX_SAFE_INTEGER });
  assert.ok(heard.lost <= 1_000_017, 'no gateway can make the count mean nothing');
});

test('a flood is cut at the bound, and what is beyond is counted', () => {
  const heard = new Heard();
  const many = Array.from({ length: 500 }, () => alertLine);
  for (let i = 0; i < 100; i++) heard.take(many);
  assert.equal(heard.rows.length, 20_000);
  assert.equal(heard.lost, 30_000);
  assert.equal(heard.inspector.counters['inspection.excess'], 30_000);
  heard.clock += 100;
  for (let i = 0; i < 10; i++) heard.take(many);
  assert.equal(heard.rows.length, 21_000);
});

test('alerts that are all different are bounded too', () => {
  const heard = new Heard();
  for (let i = 0; i < 30; i++)
    heard.take(Array.from({ length: 100 }, (_, j) => alertLine.replace('1000001', String(1 + i * 100 + j))));
  heard.inspector.close();
  assert.equal(heard.alerts.length, 1_000);
  assert.equal(heard.inspector.counters['inspection.alertsLost'], 2_000);
  assert.equal(heard.rows.length, 3_000);
});

test('batches stay within what a batch may be', () => {
  const heard = new Heard();
  const long = alertLine.replace('"stream":1', `"stream":1,"more":"${'x'.repeat(12_000)}"`);
  heard.take(Array.from({ length: 512 }, () => long));
  assert.equal(heard.rows.length, 512);
  assert.ok(
    heard.batches.every((b) => b.rows < 100),
    JSON.stringify(heard.batches),
  );
});
