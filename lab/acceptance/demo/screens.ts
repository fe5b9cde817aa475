// The console on the lab, as Chromium shows it: see console/browser/lab.ts, which holds the browser's side.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Stack } from '../stack.ts';

const PROGRAM = join(import.meta.dirname, '../../../console/browser/lab.ts');

export function screensTests(of: () => Stack): void {
  test('the console shows the lab, in both languages and themes', { timeout: 240_000 }, () => {
    const { url, home } = of();
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const ran = spawnSync(process.execPath, ['--test', PROGRAM], {
      encoding: 'utf8',
      env: {
        ...env,
        WOCLOUD_URL: url,
        WOCLOUD_PASSWORD: readFileSync(join(home, 'admin-password'), 'utf8').trim(),
      },
    });
    assert.match(ran.stdout, /^ℹ pass 3$/m, ran.stdout + ran.stderr);
    assert.equal(ran.status, 0, ran.stdout);
  });
}
