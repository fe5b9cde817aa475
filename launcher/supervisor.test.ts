import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ensureService, ensureSupervisor, listServices, stopService, stopSupervisor } from './services.ts';
import { until } from './wait.ts';

const home = mkdtempSync(join(tmpdir(), 'wocloud-up-'));
before(async () => {
  process.env['WOCLOUD_HOME'] = home;
  await ensureSupervisor();
});
after(async () => {
  await stopSupervisor();
  rmSync(home, { recursive: true });
});

const program = join(home, 'program.js');
writeFileSync(
  program,
  `require('fs').appendFileSync(process.argv[2], process.pid + '\\n'); setInterval(() => {}, 1000);`,
);
const service = (name: string) => ({
  name,
  command: process.execPath,
  args: [program, join(home, `${name}.pids`)],
});
const pids = (name: string) =>
  existsSync(join(home, `${name}.pids`))
    ? readFileSync(join(home, `${name}.pids`), 'utf8')
        .trim()
        .split('\n')
        .map(Number)
    : [];
const started = (name: string, times: number) =>
  until(
    async () => (pids(name).length === times ? pids(name) : undefined),
    15,
    `start ${times} of ${name}`,
    '',
  );

test('a program killed -9 is started again; declaring it twice starts it once', async () => {
  await ensureService(service('one'));
  await ensureService(service('one'));
  const [first] = await started('one', 1);
  process.kill(first as number, 'SIGKILL');
  const both = await started('one', 2);
  const [state] = (await listServices()) ?? [];
  assert.equal(state?.pid, both[1]);
  assert.equal(state?.restarts, 1);
  assert.equal(state?.lastExit, 'SIGKILL');
});

test('a changed command line replaces the program; a stopped one stays stopped', async () => {
  const changed = { ...service('two'), args: [program, join(home, 'two.pids'), 'changed'] };
  await ensureService(service('two'));
  const [before] = await started('two', 1);
  await ensureService(changed);
  await started('two', 2);
  assert.throws(() => process.kill(before as number, 0));
  await stopService('two');
  assert.ok(!(await listServices())?.some((s) => s.name === 'two'));
});

test('stopping the supervisor leaves none of its programs', async () => {
  await ensureService(service('three'));
  const [pid] = await started('three', 1);
  assert.equal(await stopSupervisor(), true);
  assert.throws(() => process.kill(pid as number, 0));
  assert.equal(await listServices(), undefined);
  assert.equal(await stopSupervisor(), false);
});
