// The command as a person or a script meets it before any platform runs: help, mistakes, exit codes.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';

const home = mkdtempSync(join(tmpdir(), 'wocloud-cli-'));
after(() => rmSync(home, { recursive: true }));

const run = (args: string[], env: Record<string, string> = {}) =>
  new Promise<{ code: number; out: string; err: string }>((resolve) => {
    const options = { env: { PATH: process.env['PATH'] ?? '', XDG_CONFIG_HOME: home, ...env } };
    const child = execFile(
      process.execPath,
      [join(import.meta.dirname, 'main.ts'), ...args],
      options,
      (_, out, err) => resolve({ code: child.exitCode ?? -1, out, err }),
    );
    child.stdin?.end();
  });

test('--help lists every command of the contract and the exit codes', async () => {
  const { code, out } = await run(['--help']);
  assert.equal(code, 0);
  for (const verb of [
    'login',
    'status',
    'get',
    'describe',
    'apply',
    'diff',
    'delete',
    'flows',
    'trace',
    'publish',
    'rollback',
    'alerts',
    'audit',
    'host',
  ])
    assert.match(out, new RegExp(`^  ${verb} `, 'm'));
  assert.match(out, /Exit codes/);
});

test('mistakes say what to try, on stderr, with the usage exit code', async () => {
  const kind = await run(['get', 'polices'], { WOCLOUD_TOKEN: 'x' });
  assert.deepEqual([kind.code, kind.out], [2, '']);
  assert.match(kind.err, /Did you mean policies\?/);
  const verb = await run(['staus']);
  assert.equal(verb.code, 2);
  assert.match(verb.err, /Did you mean status\?/);
});

test('without a sign-in, and without a platform, the next step is named', async () => {
  const signedOut = await run(['get', 'vms']);
  assert.equal(signedOut.code, 3);
  assert.match(signedOut.err, /wocloud login/);
  const away = await run(['get', 'vms'], { WOCLOUD_TOKEN: 'woc_x_y', WOCLOUD_URL: 'http://127.0.0.1:1' });
  assert.equal(away.code, 5);
  assert.match(away.err, /wocloud up/);
});

test('a wrong file is refused before anything is sent, with its line', async () => {
  const file = join(home, 'policy.yaml');
  writeFileSync(
    file,
    'apiVersion: wocloud/v1\nkind: Group\nmetadata: { name: db }\nspec:\n  selectr: app=db\n',
  );
  const { code, err } = await run(['apply', '-f', file], {
    WOCLOUD_TOKEN: 'woc_x_y',
    WOCLOUD_URL: 'http://127.0.0.1:1',
  });
  assert.equal(code, 6);
  assert.match(err, /line 5, \/spec\/selectr: .*did you mean selector\?/);
});

test('completion is valid shell', async () => {
  const { code, out } = await run(['completion', 'bash']);
  assert.equal(code, 0);
  const checked = await new Promise<number>((resolve) => {
    const shell = execFile('bash', ['-n'], () => resolve(shell.exitCode ?? -1));
    shell.stdin?.end(out);
  });
  assert.equal(checked, 0);
  assert.equal((await run(['completion', 'tcsh'])).code, 2);
});
