// Rule lines are read as Suricata reads them, lists change what is on, and the result is the same in any order.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { InspectionRules } from '@wocloud/protocol/gateway.ts';
import type { RuleSet, RuleSetSpec } from '@wocloud/protocol/resources/rule-set.ts';
import { Compile } from 'typebox/compile';
import { checkRuleSets } from './check.ts';
import { compose } from './compose.ts';
import { MAX_RULE_LINE, readRules } from './rules.ts';

const rule = (sid: number, rest = 'msg:"x";', action = 'alert') =>
  `${action} tcp $HOME_NET any -> any any (${rest} sid:${sid}; rev:1;)`;
const set = (name: string, rules: string, spec: Partial<RuleSetSpec> = {}): RuleSet => ({
  apiVersion: 'wocloud/v1',
  kind: 'RuleSet',
  metadata: { name },
  spec: { rules, ...spec },
});
const composed = (...sets: RuleSet[]): InspectionRules =>
  JSON.parse(compose(sets)?.text ?? '{"rules":"","thresholds":""}') as InspectionRules;
const said = (...sets: RuleSet[]) => checkRuleSets(sets).map((f) => `${f.name} ${f.path} ${f.message}`);

test('lines as in ET Open files are read: rules, what is off, comments, empty lines, any line end', () => {
  const text = [
    '# Emerging Threats Open',
    '',
    `${rule(2_000_001)}\r`,
    `#${rule(2_000_002)}`,
    `## ${rule(2_000_003)}`,
    '# alert about something (in prose)',
    'alert http [$HOME_NET, !10.0.0.0/8] any <> any [80, 8080:8090] (msg:"a (b\\; c)"; content:"|28 29|("; pcre:"/(x|y)\\;/U"; metadata:created_at 2020_01_01, mitre_technique_id T1190; sid:2000004;)',
  ].join('\n');
  const { rules, errors } = readRules(text);
  assert.deepEqual(errors, []);
  assert.deepEqual(
    rules.map(({ line, on, sid }) => [line, on, sid]),
    [
      [3, true, 2_000_001],
      [4, false, 2_000_002],
      [5, false, 2_000_003],
      [7, true, 2_000_004],
    ],
  );
});

test('each mistake says its line, what it is and what to do', () => {
  const table: [string, RegExp, RegExp][] = [
    ['alrt tcp any any -> any any (sid:1;)', /"alrt" is no action/, /begins with alert/],
    ['alert tcp any any -> any any', /has no options/, /parentheses/],
    ['alert tcp any any > any any (sid:1;)', /is no header/, /ACTION PROTOCOL/],
    ['alert tcp [any any -> any any (sid:1;)', /is no header/, /ACTION/],
    ['alert tcp any any -> any any (msg:"x"; sid:1;', /parentheses are not balanced/, /ends with \)/],
    ['alert tcp any any -> any any (msg:"x";)', /has no sid/, /sid:1000001;/],
    ['alert tcp any any -> any any (sid:x;)', /"x" is no sid/, /1 to 4294967295/],
    ['alert tcp any any -> any any (sid:0;)', /"0" is no sid/, /1 to/],
    ['alert tcp any any -> any any (sid:1; sid:2;)', /two sids/, /leave one/],
    ['alert tcp any any -> any any (msg:"x"; sid:1)', /last option has no ;/, /every option/],
    ['alert tcp any any -> any any (msg:"a; b"; sid:1;)', /value of msg is not in quotes/, /\\;/],
    [rule(1, `msg:"${'x'.repeat(MAX_RULE_LINE)}";`), /longer than 8191 bytes/, /several/],
    [rule(1, 'msg:"a\u0000b";'), /control character/, /hexadecimal/],
  ];
  for (const [line, message, hint] of table) {
    const { errors, rules } = readRules(`# first\n${line}\n${rule(7)}`);
    assert.equal(errors.length, 1, line);
    assert.equal(errors[0]?.line, 2);
    assert.match(errors[0]?.message ?? '', message);
    assert.match(errors[0]?.hint ?? '', hint);
    assert.deepEqual(
      rules.map((r) => r.sid),
      [7],
    );
  }
  assert.equal(readRules('x\n'.repeat(1000), 10).errors.length, 10);
});

test('a rule may go on in the next line, a comment does not', () => {
  const text = `# so \\\nalert tcp any any -> any any (msg:"x"; \\\n\t sid:1; \\\n rev:1;)\n${rule(2)}\nalert tcp any \\\n-> (sid:3;)`;
  const { rules, errors } = readRules(text);
  assert.deepEqual(
    rules.map(({ line, sid, text: one }) => [line, sid, one]),
    [
      [2, 1, 'alert tcp any any -> any any (msg:"x"; sid:1; rev:1;)'],
      [5, 2, rule(2)],
    ],
  );
  assert.deepEqual(
    errors.map((e) => e.line),
    [6],
  );
});

test('whatever the text, reading it neither throws nor finds more rules than lines', () => {
  const piece = fc.constantFrom(
    'alert tcp any any -> any any (',
    'sid:1;',
    ')',
    '#',
    '\n',
    '"',
    '\\',
    ';',
    '(',
    'é',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string({ maxLength: 5 })), { maxLength: 60 }), (parts) => {
      const text = parts.join('');
      const { rules, errors } = readRules(text);
      assert.ok(rules.length + errors.length <= text.split('\n').length);
    }),
    { numRuns: 500 },
  );
});

test('enable, disable and drop change what is on; what is off and what is no rule is left out', () => {
  const text = [rule(1), `#${rule(2)}`, rule(3), rule(4, undefined, 'pass'), `#${rule(5)}`, '# prose'].join(
    '\n',
  );
  const { rules } = composed(set('a', text, { enable: [2], disable: [3], drop: [1, 4, 5] }));
  assert.equal(rules, `${rule(1, undefined, 'drop')}\n${rule(2)}\n${rule(4, undefined, 'pass')}\n`);
});

test('thresholds are lines of threshold.config', () => {
  const { thresholds } = composed(
    set('a', rule(1), { thresholds: [{ sid: 1, type: 'limit', track: 'by_src', count: 1, seconds: 60 }] }),
  );
  assert.equal(thresholds, 'threshold gen_id 1, sig_id 1, type limit, track by_src, count 1, seconds 60\n');
});

test('sets are put together by name, whatever order they come in; one that is not enabled is left out', () => {
  const [a, b, c] = [set('a', rule(1)), set('b', rule(2)), set('c', rule(3), { enabled: false })];
  const made = compose([c, b, a]);
  assert.deepEqual(made, compose([a, b, c]));
  assert.equal(made?.rules, 2);
  assert.match(made?.digest ?? '', /^[0-9a-f]{64}$/);
  assert.ok(Compile(InspectionRules).Check(composed(a, b)));
  assert.notEqual(compose([a])?.digest, made?.digest);
  assert.equal(compose([c]), undefined);
  assert.equal(compose([]), undefined);
});

test('a sid is one rule: within a set, and among those that are enabled', () => {
  assert.deepEqual(said(set('a', `${rule(1)}\n\n${rule(1)}`)), [
    'a /spec/rules line 3: sid 1 is in line 1 as well',
  ]);
  assert.deepEqual(said(set('a', rule(1)), set('b', `# x\n${rule(1)}`)), [
    'b /spec/rules line 2: sid 1 is in rule set a as well, line 1',
  ]);
  assert.deepEqual(said(set('a', rule(1)), set('b', rule(1), { enabled: false })), []);
  assert.deepEqual(said(set('a', rule(1)), set('b', rule(1), { disable: [1] })), []);
  assert.deepEqual(said(set('a', rule(1)), set('b', `#${rule(1)}`)), []);
});

test('lists that name no rule of the set are refused, but for disable: what is not there is off', () => {
  assert.deepEqual(said(set('a', rule(1), { enable: [9], drop: [8, 1], disable: [7] })), [
    'a /spec/enable/0 no rule of this set has sid 9',
    'a /spec/drop/0 no rule of this set has sid 8',
  ]);
  assert.deepEqual(said(set('a', rule(1), { enable: [1], disable: [1] })), [
    'a /spec/enable/0 sid 1 is enabled and disabled',
  ]);
});

test('40,000 rules are checked and composed within two seconds; more than a link carries is refused', () => {
  const many = Array.from({ length: 40_000 }, (_, i) =>
    rule(1_000_000 + i, `msg:"ET TEST ${i}"; content:"abc";`),
  ).join('\n');
  const began = performance.now();
  assert.deepEqual(said(set('a', many)), []);
  assert.equal(compose([set('a', many)])?.rules, 40_000);
  assert.ok(performance.now() - began < 2_000, `${performance.now() - began} ms`);
  // What does not compress: 3 sets of almost 8 MiB.
  const noise = (from: number) =>
    Array.from({ length: 1_300 }, (_, i) =>
      rule(from + i, `content:"${randomBytes(4_500).toString('base64')}";`),
    ).join('\n');
  const [found, ...more] = said(set('a', noise(1_000)), set('b', noise(10_000)), set('c', noise(20_000)));
  assert.match(found ?? '', /more than gateways can be sent/);
  assert.equal(more.length, 0);
});
