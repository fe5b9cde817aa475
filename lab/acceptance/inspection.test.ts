// The security gateway on real VMs: traffic inspected inline and as a copy, in both forms, and everything that can fail.
import assert from 'node:assert/strict';
import { after, before } from 'node:test';
import { attackTests } from './inspection/attack.ts';
import { changeTests } from './inspection/change.ts';
import { failureTests } from './inspection/failure.ts';
import { inlineTests } from './inspection/inline.ts';
import { startStack, type Stack } from './stack.ts';

let stack: Stack;
before(
  async () => {
    stack = await startStack('inspection');
  },
  { timeout: 600_000 },
);
after(
  async () => {
    if (!stack) return;
    const result = await stack.down();
    assert.equal(result.code, 0, result.err);
  },
  { timeout: 120_000 },
);

const of = () => stack;
inlineTests(of, 'container');
failureTests(of, 'container');
changeTests(of);
attackTests(of);
inlineTests(of, 'vm');
failureTests(of, 'vm');
