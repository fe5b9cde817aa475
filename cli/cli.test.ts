// The command as a person or a script meets it before any platform runs: help, mistakes, exit codes.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { OPERATIONS } from '@wocloud/protocol/api.ts';
import { KINDS } from '@wocloud/protocol/resources/kinds.ts';
import type { Command } from 'commander';
import { candidates } from './completion.ts';
import { EXIT } from './errors.ts';
import { makeProgram } from './main.ts';

const PLURALS: string[] = Object.values(KINDS).map((k) => k.plural);

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
    'inspection',
    'gateways',
    'rules',
    'publish',
    'rollback',
    'alerts',
    'audit',
    'host',
    'completion',
  ])
    assert.match(out, new RegExp(`^  ${verb} `, 'm'));
  assert.match(out, /wocloud help exit-codes/);
});

test('help knows every exit code, every command and its own topics', async () => {
  const codes = await run(['help', 'exit-codes']);
  assert.equal(codes.code, 0);
  for (const code of Object.values(EXIT)) assert.match(codes.out, new RegExp(`^ +${code}  `, 'm'));
  assert.match((await run(['help', 'host', 'check'])).out, /Usage: wocloud host check/);
  const unknown = await run(['help', 'nothing']);
  assert.deepEqual([unknown.code, unknown.out], [2, '']);
});

test('every command and option of the help says what it is for', () => {
  const silent: string[] = [];
  const walk = (command: Command, name: string) => {
    if (!command.description() && !command.name().startsWith('_')) silent.push(name);
    for (const o of command.options) if (!o.description) silent.push(`${name} ${o.flags}`);
    for (const c of command.commands) walk(c, `${name} ${c.name()}`);
  };
  walk(makeProgram(), 'wocloud');
  assert.deepEqual(silent, []);
});

// What the console does is an operation of the table; one the CLI never calls is something only the console can do.
test('everything the console can do, the CLI can: each operation of the table is called by a command', () => {
  const source = globSync('**/*.ts', { cwd: import.meta.dirname, exclude: (f) => f.endsWith('.test.ts') })
    .map((file) => readFileSync(join(import.meta.dirname, file), 'utf8'))
    .join('\n');
  // Signing in goes through the protocol's own function; documents of every kind go through apply.
  const elsewhere = new Set(['session.create', ...PLURALS.map((p) => `${p}.put`)]);
  const called = (id: string) => {
    const [noun = '', verb = ''] = id.split('.');
    return (
      source.includes(`'${id}'`) || (PLURALS.includes(noun) && source.includes(`\`\${plural}.${verb}\``))
    );
  };
  assert.deepEqual(
    Object.keys(OPERATIONS).filter((id) => !elsewhere.has(id) && !called(id)),
    [],
  );
});

test('mistakes say what to try, on stderr, with the usage exit code', async () => {
  const kind = await run(['get', 'polices'], { WOCLOUD_TOKEN: 'x' });
  assert.deepEqual([kind.code, kind.out], [2, '']);
  assert.match(kind.err, /Did you mean policies\?/);
  const verb = await run(['staus']);
  assert.equal(verb.code, 2);
  assert.match(verb.err, /Did you mean status\?/);
  assert.match((await run(['vms'])).err, /wocloud get vms/);
  const format = await run(['get', 'vms', '-o', 'csv'], { WOCLOUD_TOKEN: 'x' });
  assert.deepEqual([format.code, format.err.includes('Formats: table, wide, json')], [2, true]);
  const filter = await run(['flows', 'vrdict:dropped'], { WOCLOUD_TOKEN: 'x' });
  assert.deepEqual([filter.code, filter.err.includes('verdict')], [2, true]);
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

test('standard input is waited for, however slowly it comes', async () => {
  const said = await new Promise<string>((resolve) => {
    const env = { ...process.env, WOCLOUD_TOKEN: 'woc_x_y', WOCLOUD_URL: 'http://127.0.0.1:1' };
    // The reader asks before there is anything to read: a pipe that is empty is no error and no end.
    const self = `${process.execPath} ${join(import.meta.dirname, 'main.ts')}`;
    const slow = `(${self} help output >/dev/null; echo 'kind: Nothing') | ${self} apply -f -`;
    execFile('bash', ['-c', slow], { env }, (_, __, err) => resolve(err));
  });
  assert.match(said, /standard input: \d+ errors?, nothing was changed/);
});

test('completion knows commands, options, values and which names to ask for', () => {
  const at = (...words: string[]) => candidates(makeProgram(), words);
  assert.ok(at('').words.includes('flows') && !at('').words.includes('__complete'));
  assert.deepEqual(at('host', '').words, ['check', 'receipts', 'token', 'forget']);
  assert.ok(at('get', 'po').words.includes('policies'));
  assert.equal(at('get', 'policies', '').names, 'policies');
  assert.ok(at('flows', '--v').words.includes('--verdict'));
  assert.ok(at('flows', '--verdict', '').words.includes('dropped'));
  assert.equal(at('flows', '--vm', '').names, 'vms');
  assert.ok(at('inspection', '--type', '').words.includes('alert'));
  assert.equal(at('gateways', '--gateway', '').names, 'gateways');
  assert.equal(at('trace', 'web-1', '').names, 'vms');
  assert.deepEqual(at('enforce', '').words, ['vm', 'tenant', 'host']);
  assert.ok(at('grant', 'web-1', 'bob', 'view', 'fi').words.includes('firewall'));
});

test('the completion that bash is given works in bash', async () => {
  const { out } = await run(['completion', 'bash']);
  const self = `${process.execPath} ${join(import.meta.dirname, 'main.ts')}`;
  const script = `wocloud() { ${self} "$@"; }\n${out}
COMP_WORDS=(wocloud fl); COMP_CWORD=1; _wocloud; echo "\${COMPREPLY[*]}"
COMP_WORDS=(wocloud host ""); COMP_CWORD=2; _wocloud; echo "\${COMPREPLY[*]}"`;
  const said = await new Promise<string>((resolve) => {
    const shell = execFile('bash', (_, stdout) => resolve(stdout));
    shell.stdin?.end(script);
  });
  assert.deepEqual(said.trim().split(/\s+/), ['flows', 'check', 'receipts', 'token', 'forget']);
  assert.equal((await run(['completion', 'tcsh'])).code, 2);
});
