// Documents read as people write them, and every template is a valid document.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDocuments } from '@wocloud/protocol/documents.ts';
import { KINDS, type Kind } from '@wocloud/protocol/resources/kinds.ts';
import { completed, documentText, templateText } from './text.ts';

await test('rules stand one a line, and the text means the same', () => {
  const document = {
    apiVersion: 'wocloud/v1',
    kind: 'Policy',
    metadata: { name: 'web', tenant: 'acme' },
    spec: {
      tier: 'tenant',
      priority: 100,
      mode: 'staged',
      appliesTo: { selector: 'app=web' },
      rules: [
        { name: 'a', direction: 'in', action: 'allow', from: ['any'], services: ['tcp/443'] },
        { name: 'b', direction: 'in', action: 'drop' },
      ],
    },
  };
  const text = documentText({
    ...document,
    metadata: { ...document.metadata, uid: 'u', version: 3, published: null },
  });
  assert.match(text, /\n {4}- \{ name: a, direction: in, .* \}\n/);
  assert.match(text, /\nspec:\n {2}tier: tenant\n/);
  const parsed = parseDocuments(text);
  assert.deepEqual(parsed.errors, []);
  assert.deepEqual(parsed.documents, [document]);
});

await test('rules of many lines are kept aside, and are there again when it is saved', () => {
  const document = (rules: string) => ({
    apiVersion: 'wocloud/v1',
    kind: 'RuleSet',
    metadata: { name: 'et-open' },
    spec: { rules, disable: [7] },
  });
  const long = document('alert tcp any any -> any any (sid:1;)\n'.repeat(10_000));
  const text = documentText(long);
  assert.ok(text.length < 400, text);
  const parsed = parseDocuments(text);
  assert.deepEqual(parsed.errors, []);
  assert.deepEqual(completed(parsed.documents[0]!), long);
  const short = document('alert tcp any any -> any any (sid:1;)\n');
  assert.match(documentText(short), /rules: \|\n {4}alert tcp/);
  assert.deepEqual(completed(parseDocuments(documentText(short)).documents[0]!), short);
  const typed = document('<file of 9 lines, 9 characters, 0123456789abcdef>');
  assert.equal(completed(typed as never), null);
});

await test('every template is valid', () => {
  for (const kind of Object.keys(KINDS) as Kind[])
    assert.deepEqual(
      parseDocuments(templateText(kind, KINDS[kind].scope === 'platform' ? null : 'acme')).errors,
      [],
      kind,
    );
});
