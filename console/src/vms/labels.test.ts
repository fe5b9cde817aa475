// Labels are read from lines and written back; wrong lines are named.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLabels, writeLabels } from './labels.ts';

await test('labels survive being written and read', () => {
  const labels = { app: 'web', 'team.example/owner': 'a_b', legacy: '' };
  assert.deepEqual(readLabels(writeLabels(labels)), { labels, wrong: [] });
});

await test('what is no label is named and the others stand', () => {
  assert.deepEqual(readLabels('app=web\n=x\nbad key=1\n\n tier = front '), {
    labels: { app: 'web', tier: 'front' },
    wrong: ['=x', 'bad key=1'],
  });
});
