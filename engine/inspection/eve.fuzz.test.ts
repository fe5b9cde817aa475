// Lines nobody should have sent: whatever a gateway says, the reader says no or makes an event within bounds.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeBatch, encodeBatch } from '@wocloud/protocol/columns.ts';
import { EVENT_ACTIONS, EVENT_TYPES, MAX_DETAIL } from '@wocloud/protocol/inspection.ts';
import { EngineAlert } from '@wocloud/protocol/reports.ts';
import { Compile } from 'typebox/compile';
import { fixedDirectory, nic } from '../flows/testing/directory.ts';
import { alertOf } from './alerts.ts';
import { DropRecords } from './drops.ts';
import { readEve } from './eve.ts';

const numRuns = Number(process.env['WOCLOUD_FUZZ_RUNS'] ?? 3_000);
const lines = readFileSync(new URL('testing/eve.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n');
const events = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
const directory = fixedDirectory([
  nic({ vm: '00000000-0000-0000-0000-00000000000a', mac: '52:54:00:00:00:0a', network: 'net-1' }),
  nic({ vm: '00000000-0000-0000-0000-00000000000b', mac: '52:54:00:00:00:0b', network: 'net-1' }),
]);
const engineAlert = Compile(EngineAlert);
const NOW = Date.parse('2026-11-25T02:09:00Z') * 1_000;

function check(line: string, drops: DropRecords): void {
  const reading = readEve(line, directory, { gateway: 'gw/1', now: NOW, clockOffset: 0 });
  if (!reading) return;
  const { event } = reading;
  assert.ok(EVENT_TYPES.includes(event.type) && EVENT_ACTIONS.includes(event.action));
  assert.ok(event.time <= NOW && event.time >= NOW - 3_600_000_000);
  for (const address of [event.src, event.dst]) assert.ok(address === '' || isIP(address) > 0, address);
  for (const text of [event.title, event.category, event.technique, event.subject, event.application]) {
    assert.ok(text.length <= 512 && text.isWellFormed());
    assert.doesNotMatch(text, /[\x00-\x1f\x7f]/);
  }
  assert.ok(event.detail.length <= MAX_DETAIL);
  JSON.parse(event.detail);
  const alert = alertOf(reading);
  if (alert) {
    const whole = { ...alert, time: alert.time ?? 0, count: 1, key: alert.key.slice(0, 255) };
    assert.ok(engineAlert.Check(whole), JSON.stringify(engineAlert.Errors(whole)));
  }
  const drop = drops.record(reading);
  if (drop) decodeBatch(encodeBatch('flows', [drop as never], { sequence: 1, lost: 0 }));
  decodeBatch(encodeBatch('inspection', [{ ...event }], { sequence: 1, lost: 0 }));
}

test('any text at all', () => {
  const drops = new DropRecords(NOW);
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.json()), (line) =>
      check(line, drops),
    ),
    { numRuns },
  );
});

test('real lines with characters changed and their end cut off', () => {
  const drops = new DropRecords(NOW);
  const change = fc.tuple(fc.nat(), fc.string({ unit: 'binary', minLength: 1, maxLength: 3 }));
  fc.assert(
    fc.property(
      fc.constantFrom(...lines),
      fc.array(change, { maxLength: 4 }),
      fc.nat(3),
      (line, changes, cut) => {
        let text = line;
        for (const [at, put] of changes) {
          const place = at % text.length;
          text = text.slice(0, place) + put + text.slice(place + put.length);
        }
        check(cut === 0 ? text.slice(0, text.length / 2) : text, drops);
      },
    ),
    { numRuns },
  );
});

test('real events with any value in any field', () => {
  const drops = new DropRecords(NOW);
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.string({ unit: 'binary', maxLength: 2_000 }),
    fc.constantFrom(
      -1,
      1e300,
      2 ** 53,
      '\ud800',
      '::ffff:1.2.3.4',
      'fe80::1%eth0',
      '9999-99-99T00:00:00.000000+0000',
    ),
    fc.constantFrom(['__proto__'], { __proto__: null, toString: 1 }, { constructor: { prototype: 1 } }),
  );
  const replaced = fc
    .tuple(fc.constantFrom(...events), fc.array(fc.tuple(fc.nat(), fc.nat(), value), { maxLength: 5 }))
    .map(([event, changes]) => {
      const copy = structuredClone(event);
      for (const [at, within, put] of changes) {
        const names = Object.keys(copy);
        const name = names[at % names.length] as string;
        const inner = copy[name];
        if (
          within % 2 === 0 &&
          typeof inner === 'object' &&
          inner !== null &&
          Object.keys(inner).length > 0
        ) {
          const innerNames = Object.keys(inner);
          (inner as Record<string, unknown>)[innerNames[within % innerNames.length] as string] =
            structuredClone(put);
        } else copy[name] = structuredClone(put);
      }
      return copy;
    });
  fc.assert(
    fc.property(replaced, (event) => check(JSON.stringify(event), drops)),
    { numRuns },
  );
});

test('nesting, names and lists without end', () => {
  const drops = new DropRecords(NOW);
  const head = `{"timestamp":"2026-11-25T02:08:23.855617+0000","event_type":"alert"`;
  check(`${head},"deep":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, drops);
  check(`${head},"deep":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}}`, drops);
  check(`${head},${Array.from({ length: 5_000 }, (_, i) => `"f${i}":1`).join()}}`, drops);
  check(`${head},"${'n'.repeat(60_000)}":1}`, drops);
  check(`${head},"list":[${'0,'.repeat(30_000)}0]}`, drops);
  check(`${head},"__proto__":{"alert":{"signature_id":1}},"constructor":1}`, drops);
  assert.equal(
    readEve(`${head},"x":"${'x'.repeat(70_000)}"}`, directory, { gateway: '', now: NOW, clockOffset: 0 }),
    undefined,
  );
});
