// Rule files are counted and searched as Suricata reads them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDocuments } from '@wocloud/protocol/documents.ts';
import { documentText, templateText } from '../documents/text.ts';
import { LONGEST, whole } from '../documents/long.ts';
import { countRules, findRule, nameOfFile } from './rules.ts';
import { rulesIn, withRules } from './text.ts';

const FILE = `# Emerging Threats
alert http any any -> any any (msg:"a"; sid:2100498; rev:7;)
#alert tcp any any -> any any (msg:"b"; sid:21; rev:1;)
# drop this when the new one is here

  drop tcp any any -> any any (msg:"sid:5;"; content:"x"; sid: 5 ; rev:1;)
`;

await test('rules on and off are counted, comments are not', () => {
  assert.deepEqual(countRules(FILE), { on: 2, off: 2 });
  assert.deepEqual(countRules(''), { on: 0, off: 0 });
});

await test('a rule is found by its number and no other', () => {
  assert.deepEqual(findRule(FILE, 21), {
    number: 3,
    text: 'alert tcp any any -> any any (msg:"b"; sid:21; rev:1;)',
    on: false,
  });
  assert.equal(findRule(FILE, 5)?.number, 6);
  assert.equal(findRule(FILE, 2), null);
});

await test('a file names its document', () => {
  assert.equal(nameOfFile('Emerging All_v7.rules'), 'emerging-all-v7');
  assert.equal(nameOfFile('7.rules'), 'rules-7');
  assert.equal(nameOfFile('....rules'), 'rules');
});

await test('rules are put into the document that is being written, comments and all', () => {
  const text = `# of ours\n${templateText('RuleSet', null)}  disable: [7] # noisy\n`;
  const long = FILE.repeat(Math.ceil(LONGEST / FILE.length) + 1);
  for (const rules of [FILE, long]) {
    const next = withRules(text, rules, 'emerging-all')!;
    assert.match(next, /# of ours[^]*name: emerging-all[^]*# noisy/);
    assert.equal(whole(rulesIn(next)!), rules);
    assert.deepEqual(parseDocuments(next).errors, []);
  }
  assert.match(withRules(text.replace('new-ruleset', 'mine'), FILE, 'other')!, /name: mine/);
  assert.equal(withRules('spec: { rules: [', FILE), null);
  assert.equal(rulesIn('spec: { rules: ['), null);
  assert.equal(rulesIn(documentText({ kind: 'RuleSet', spec: { rules: FILE } })), FILE);
});
