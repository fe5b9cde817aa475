// Rules put in force by the real `suricata -T`, with a Suricata that loads them, does not want to, or dies over them.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, before, beforeEach, test } from 'node:test';
import { gatewayImage } from './image/build.ts';
import type { Options } from './options.ts';
import { RuleParts } from './rule-parts.ts';
import { readErrors } from './rule-test.ts';
import { Rules } from './rules.ts';
import { imageSuricata } from './testing/suricata.ts';

let image: string;
let options: Options;
before(async () => {
  image = (await gatewayImage()).dir;
});
beforeEach(() => {
  const run = mkdtempSync(join(tmpdir(), 'wogr-'));
  options = { channel: '', run, image: '', memoryMiB: 512, cpus: 1, suricata: imageSuricata(image, run) };
});
afterEach(() => rmSync(options.run, { recursive: true, force: true }));

const pack = (rules: string, thresholds = '') => {
  const text = JSON.stringify({ rules, thresholds });
  return [createHash('sha256').update(text).digest('hex'), text] as const;
};
const A = pack('alert tcp any any -> any any (msg:"a"; content:"a"; sid:1;)\n');
const B = pack('alert tcp any any -> any any (msg:"b"; content:"b"; sid:2;)\n');
const inForce = () => readFileSync(join(options.run, 'rules/current/suricata.rules'), 'utf8');

test('none, then these, then others; what is no longer needed goes', async () => {
  const loaded: string[] = [];
  const rules = new Rules(options, async () => void loaded.push(inForce()));
  assert.equal(rules.digest, '');
  assert.equal(inForce(), '');
  assert.equal(await rules.take(...A), '');
  assert.equal(rules.digest, A[0]);
  assert.equal(await rules.take(...B), '');
  assert.equal(await rules.take(...B), '', 'again is nothing to do');
  assert.equal(
    await rules.take(...pack('alert tcp any any -> any any (msg:"c"; content:"c"; sid:3;)\n')),
    '',
  );
  assert.deepEqual(
    loaded.map((text) => text.slice(-8, -3)),
    ['sid:1', 'sid:2', 'sid:3'],
  );
  assert.equal(readdirSync(join(options.run, 'rules')).includes(A[0]), false);
  assert.equal(new Rules(options, async () => {}).digest, rules.digest, 'the next daemon finds them');
});

test('what Suricata refuses, cannot read or does not load leaves the old ones in force', async () => {
  let wants = true;
  const rules = new Rules(options, async () => {
    if (!wants) throw new Error('reload-rules: no');
  });
  await rules.take(...A);
  assert.match(
    await rules.take(...pack('alert tcp any any -> any any (sid:2; nonsense;)\n')),
    /^line 1 \(sid 2\): /,
  );
  assert.match(await rules.take('0'.repeat(64), 'no JSON'), /not what gateways take/);
  wants = false;
  assert.match(await rules.take(...B), /did not load them.*no/);
  assert.equal(rules.digest, A[0]);
  assert.match(inForce(), /sid:1/);
});

test('rules with which Suricata does not come up give way to those before, then to none', async () => {
  const rules = new Rules(options, async () => {});
  await rules.take(...A);
  await rules.take(...B);
  assert.equal(rules.retreat(), true);
  assert.equal(rules.digest, A[0]);
  assert.equal(rules.retreat(), true);
  assert.equal(rules.digest, '');
  assert.equal(rules.retreat(), false);
});

test('a retreat while they are being loaded is not taken for success', async () => {
  const rules: Rules = new Rules(options, async () => void rules.retreat());
  assert.match(await rules.take(...A), /does not come up/);
  assert.equal(rules.digest, '');
});

test('what a daemon that died had begun is finished by the next', async () => {
  const rules = new Rules(options, async () => {});
  await rules.take(...A);
  writeFileSync(join(options.run, 'rules/pending'), A[0]);
  let loads = 0;
  await new Rules(options, async () => void loads++).resume();
  assert.equal(loads, 1);
  await new Rules(options, async () => void loads++).resume();
  assert.equal(loads, 1);
});

test('parts make the text they were cut from; anything else makes none', () => {
  const [digest, text] = pack('x'.repeat(1_000));
  const part = (offset: number, length: number, total = text.length) =>
    ({ type: 'rules', digest, offset, total, part: text.slice(offset, offset + length) }) as const;
  const parts = new RuleParts(5_000);
  assert.equal(parts.take(part(0, 600)), undefined);
  assert.deepEqual(parts.take(part(600, 600)), { text });
  // Given up in the middle, and begun anew.
  parts.take(part(0, 600));
  assert.equal(parts.take(part(0, 400)), undefined);
  assert.equal(parts.take(part(600, 600)), undefined);
  assert.deepEqual(parts.take(part(400, 5_000)), { text });
  parts.take(part(0, 600));
  assert.match(
    JSON.stringify(parts.take({ ...part(600, 600), part: 'y'.repeat(text.length - 600) })),
    /not those/,
  );
  assert.match(JSON.stringify(parts.take(part(0, 600, 6_000))), /more than this gateway takes/);
});

test('Suricata’s words about bad rules become one line each', () => {
  const output = [
    "[12] Error: detect-parse: unknown rule keyword 'contnt'.",
    'Error: detect: error parsing signature "alert tcp any any -> any any (contnt:"x"; sid:2;)" from file /run/x at line 7',
    'Warning: detect: nothing to see',
    'E: detect-parse: Duplicate signature "alert (sid:3;)"',
    'E: detect: error parsing signature "alert (sid:3;)" from file /run/x at line 9',
    'Error: suricata: Loading signatures failed.',
  ].join('\n');
  assert.equal(
    readErrors(output),
    "line 7 (sid 2): unknown rule keyword 'contnt'.\nline 9 (sid 3): its sid is taken",
  );
  assert.equal(readErrors(''), '');
});
