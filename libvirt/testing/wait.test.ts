// Waiting itself: the value that came, or an error that says what did not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './wait.ts';

test('resolves with the first truthy value, asked again until there is one', async () => {
  const answers = [undefined, 0, '', 'here', 'later'];
  assert.equal(await until(async () => answers.shift()), 'here');
  assert.deepEqual(answers, ['later']);
});

test('rejects at the deadline and names what did not come', async () => {
  await assert.rejects(
    until(() => false, 30, 'the flood'),
    { message: 'the flood: not within 30 ms' },
  );
  await assert.rejects(
    until(() => undefined, 30),
    { message: '() => undefined: not within 30 ms' },
  );
});

test('a check that fails is not asked again', async () => {
  let asked = 0;
  await assert.rejects(
    until(() => {
      asked++;
      throw new Error('gone for good');
    }),
    { message: 'gone for good' },
  );
  assert.equal(asked, 1);
});
