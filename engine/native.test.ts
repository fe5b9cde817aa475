// A C library may need a stack as deep as it is used to, also off the main thread.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import native from './native.ts';

test('an asynchronous call has room for a deep recursion', async () => {
  const libc = native.load('libc.so.6');
  const compile = libc.func('int regcomp(void *expression, str pattern, int flags)');
  const free = libc.func('void regfree(void *expression)');
  const [EXTENDED, DEPTH] = [1, 3_000];
  const expression = Buffer.alloc(256);
  // The parser calls itself for each parenthesis: about a megabyte in all.
  const pattern = '('.repeat(DEPTH) + 'x' + ')'.repeat(DEPTH);
  const status = await new Promise<number>((resolve, reject) => {
    compile.async(expression, pattern, EXTENDED, (error: Error | null, result: number) =>
      error ? reject(error) : resolve(result),
    );
  });
  assert.equal(status, 0);
  free(expression);
});
