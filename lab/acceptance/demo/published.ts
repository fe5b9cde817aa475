// Documents in force for the time of a test, whatever becomes of the test.
import assert from 'node:assert/strict';
import type { Stack } from '../stack.ts';

/** `./wocloud …`, which must succeed; its output. */
export async function done(stack: Stack, args: string[], input?: string): Promise<string> {
  const ran = await stack.cli(args, input === undefined ? {} : { input });
  assert.equal(ran.code, 0, `${args.join(' ')}: ${ran.err}${ran.out}`);
  return ran.out;
}

/** Publishes documents for the time of `body`; what was in force before is in force again afterwards. */
export async function published(stack: Stack, documents: string, body: () => Promise<void>): Promise<void> {
  await done(stack, ['apply', '-f', '-'], documents);
  const [before] = (await stack.client.call('publications.list', { query: { limit: 1 } })).items;
  await done(stack, ['publish', '-m', 'acceptance']);
  try {
    await body();
  } finally {
    await done(stack, ['rollback', String(before?.id), '--yes']);
  }
}
