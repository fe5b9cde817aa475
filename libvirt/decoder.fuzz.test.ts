// How many cases: WOCLOUD_FUZZ_RUNS, 2,000 unless told; `./wocloud check` runs 100,000.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allDecoders, fuzzDecoders, fuzzFrames } from './decoder.fuzz.ts';

const runs = Number(process.env['WOCLOUD_FUZZ_RUNS'] ?? 2_000);

test('hostile payloads are refused or read, whatever decodes them', async () => {
  assert.ok(Number.isInteger(runs) && runs > 0);
  assert.ok((await allDecoders()).length > 200);
  await fuzzDecoders(runs);
});

test('hostile byte streams are refused or cut into the same packets, however they come', () => {
  fuzzFrames(runs);
});
